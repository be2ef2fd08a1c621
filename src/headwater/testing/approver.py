"""A person who answers as a script says: for tests of agents whose tools ask.

Owns which answer goes to which question, and that none is left over unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from headwater.errors import UsageError
from headwater.events.questions import Answer, Question

__all__ = ("ScriptedApprover",)


class ScriptedApprover:
    """Answers questions in the order in which they are asked, or by the tool that asks; see `approver=`.

        approver = ScriptedApprover([True, Answer(allowed=False, note="Not now.")])
        agent.run("Send both.", approver=approver)
        assert [question.tool for question in approver.asked] == ["send", "send"]

    `answers` are True, False, an Answer, or the value that a tool asks for; a mapping has them by the tools' names,
    the same for each question. Raises UsageError, out of the run, where there is no answer left.
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
            hint="Give it one more, or one by the tool's name.",
        )


def _answer(question: Question, said: Any) -> Any:
    if isinstance(said, Answer) or (question.kind == "approval" and isinstance(said, bool)):
        return said
    return Answer(content=said)
