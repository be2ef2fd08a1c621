"""The tool with which a model gives a typed answer, for models that support tools but no schemas.

Owns its name and its description. The run ends with the answer; that is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from headwater.providers.request import OutputSpec, ToolSpec
from headwater.schema.plain import to_json
from headwater.tools.outcome import ToolOutcome
from headwater.tools.work import Plain, Work

__all__ = ("ANSWER_TOOL", "AnswerTool")

ANSWER_TOOL: Final = "final_answer"
"""The tool's name, the same for every type."""


class AnswerTool(Plain):
    """Accepts a typed answer; see `tools.work.Offered`. `parse` converts its JSON, or raises ValueError."""

    def __init__(self, output: OutputSpec, parse: Callable[[str], Any]) -> None:
        self.name = ANSWER_TOOL
        about = f" {output.description}" if output.description else ""
        self.spec: ToolSpec = ToolSpec(
            name=self.name,
            description=f"Give your final answer, which ends the task.{about}",
            parameters=output.schema,
        )
        self._parse = parse

    async def call(self, work: Work) -> ToolOutcome:
        """See `tools.work.Offered`: the arguments are the answer; the model corrects invalid ones."""
        given = work.arguments
        try:
            value = self._parse(to_json(given) if isinstance(given, Mapping) else given)
        except ValueError as problem:
            return ToolOutcome.failed(str(problem), invalid=True)
        return work.answer(value)
