"""An approver that answers from a script, for tests of agents whose tools ask.

Owns the mapping of answers to questions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from headwater.errors import UsageError
from headwater.events.questions import Answer, Question

__all__ = ("ScriptedApprover",)


class ScriptedApprover:
    """Answers questions in order, or by the name of the tool that asks; see `approver=`.

        approver = ScriptedApprover([True, Answer(allowed=False, note="Not now.")])
        agent.run("Send both.", approver=approver)
        assert [question.tool for question in approver.asked] == ["send", "send"]

    `answers` are True, False, an Answer, or the value that a tool asks for. A mapping has one answer for each tool, by
    its name. Raises UsageError from the run if there is no answer left.
    """

    def __init__(self, answers: Iterable[Any] | Mapping[str, Any]) -> None:
        self._by_tool = dict(answers) if isinstance(answers, Mapping) else None
        self._in_order = [] if isinstance(answers, Mapping) else list(answers)
        self.asked: list[Question] = []
        """The questions so far."""

    async def __call__(self, question: Question) -> Any:
        """The next answer."""
        self.asked.append(question)
        if self._by_tool is not None and question.tool in self._by_tool:
            return _answer(question, self._by_tool[question.tool])
        if self._by_tool is None and self._in_order:
            return _answer(question, self._in_order.pop(0))
        raise UsageError(
            f"The scripted approver has no answer for {question.tool}, question {len(self.asked)}.",
            hint="Add one to the script, or give one by the tool's name.",
        )


def _answer(question: Question, said: Any) -> Any:
    if isinstance(said, Answer) or (question.kind == "approval" and isinstance(said, bool)):
        return said
    return Answer(content=said)
