"""A name of a gateway and the models behind it, which a server runs in place of an agent.

Owns the order of the models. `backends.retry` owns when a failure leads to the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from headwater.agents.model import Model
from headwater.backends.retry import Retries
from headwater.backends.timeouts import Timeouts
from headwater.providers.request import OutputSpec
from headwater.readers.stream import AgentStream
from headwater.web.gateway.target import Target
from headwater.web.problems import Problem

__all__ = ("CHAIN_RETRIES", "ServedModel")

CHAIN_RETRIES: Final = 0
"""Retries of one model before the next: low, because the next one is available at once."""


class ServedModel:
    """Models behind one name, tried in order until one of them starts to answer; see `Runnable`.

    With `on_interrupted="restart"` the next one is also tried when an answer is interrupted; then the output of a step
    is held back until it is complete.
    """

    kind = "model"

    def __init__(
        self,
        name: str,
        targets: Sequence[Target],
        *,
        retries: int | None = None,
        timeouts: Timeouts | None = None,
        on_interrupted: Literal["raise", "restart"] = "raise",
    ) -> None:
        self.name = name
        self.targets: tuple[Target, ...] = tuple(targets)
        self.description: str = ", then ".join(target.name for target in self.targets)
        first, *others = self.targets
        times = (CHAIN_RETRIES if others else Retries().times) if retries is None else retries
        self._model = Model(first, timeouts=timeouts, retries=times, fallback=others, on_interrupted=on_interrupted)

    def check(self, settings: Iterable[str]) -> None:
        """Raises Problem if any of the models does not support a setting, so that it does not depend on who answers."""
        for setting in settings:
            for target in self.targets:
                if not target.takes(setting):
                    hint = f'Leave it out, or write drop = ["{setting}"] for this model in the gateway\'s file.'
                    said = f"{target.name}, which answers for {self.name!r}, takes no {setting}."
                    raise Problem("bad_request", said, hint=hint, param=setting)

    def run_stream(
        self,
        task: Any,
        /,
        *,
        context: Any = None,
        tools: Iterable[Any] = (),
        output: OutputSpec | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> AgentStream[str]:
        """Returns one request as a stream; `context` is ignored."""
        return self._model.stream(task, tools=tools, output=output, **(settings or {}))
