"""The tool by which a model gives an answer of a type, for models that take tools and no schema for their answers.

Owns its name and its words. That the run ends with the answer is the run's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from headwater.providers.request import OutputSpec, ToolSpec
from headwater.schema import to_json
from headwater.tools.outcome import ToolOutcome
from headwater.tools.work import Plain, Work

__all__ = ("ANSWER_TOOL", "AnswerTool")

ANSWER_TOOL: Final = "final_answer"
"""The tool's name: what models know it by, whatever the type is called."""


class AnswerTool(Plain):
    """What takes a typed answer; see `tools.work.Offered`. `parse` makes a value of its JSON, or raises ValueError."""

    def __init__(self, output: OutputSpec, parse: Callable[[str], Any]) -> None:
        self.name = ANSWER_TOOL
        about = f" {output.description}" if output.description else ""
        self.spec = ToolSpec(
            name=self.name,
            description=f"Give your final answer, which ends the task.{about}",
            parameters=output.schema,
        )
        self._parse = parse

    async def call(self, work: Work) -> ToolOutcome:
        """See `tools.work.Offered`: the arguments are the answer, and what does not fit is the model's to mend."""
        given = work.arguments
        try:
            value = self._parse(to_json(given) if isinstance(given, Mapping) else given)
        except ValueError as problem:
            return ToolOutcome.failed(str(problem), invalid=True)
        return work.answer(value)
