"""A call at work, for tests of what a model may call: it notes what it is told to do, and does none of it."""

from __future__ import annotations

from typing import Any

from headwater.tools.outcome import ToolOutcome

__all__ = ("Working",)


class Working:
    """One call at work; of what a run offers it, what handoffs and answers use."""

    call_id = run_id = idempotency_key = "1"
    context = timeout = deadline = None

    def __init__(self, arguments: Any) -> None:
        self.arguments = arguments
        self.handed: list[tuple[Any, str]] = []
        self.answered: list[Any] = []

    def emit(self, data: Any) -> None:
        raise AssertionError

    def asked_before(self) -> tuple[Any, ...]:
        return ()

    async def ask(self, asked: Any) -> Any:
        raise AssertionError

    async def conduct(self, run: Any) -> ToolOutcome:
        raise AssertionError

    def hand_over(self, to: Any, note: str) -> ToolOutcome:
        self.handed.append((to, note))
        return ToolOutcome.of("Done.")

    def answer(self, value: Any) -> ToolOutcome:
        self.answered.append(value)
        return ToolOutcome.of("Done.")
