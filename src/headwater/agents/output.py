"""The type of an answer, and how a model is asked for it."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from msgspec.structs import replace

from headwater.errors import ConfigurationError
from headwater.providers.request import OutputSpec

if TYPE_CHECKING:
    from headwater.agents.answer_tool import AnswerTool

__all__ = (
    "MODES",
    "Output",
    "OutputMode",
    "output_of",
)

OutputMode: TypeAlias = Literal["native", "tool", "prompted"]
"""How a model is asked for the type: as a schema, if its API has a field for it (else in the prompt); as the arguments
of a tool; in the prompt.
"""

MODES: Final[tuple[OutputMode, ...]] = ("native", "tool", "prompted")


class Output:
    """An output type as a run needs it; see `runtime.Output`."""

    def __init__(self, output_type: Any) -> None:
        from headwater.schema.output import OutputType

        self.type: OutputType[Any] = OutputType(output_type)
        self.parse: Callable[[str], Any] = self.type.parse
        self.spec: OutputSpec = OutputSpec(
            name=self.type.name,
            schema=self.type.schema or {},
            strict=self.type.strict,
            description=self.type.description,
        )
        self.tool: AnswerTool | None = None

    def asked(self, mode: OutputMode) -> Output:
        """The same type with another mode."""
        if mode == "native":
            return self
        asked = copy(self)
        if mode == "prompted":
            asked.spec = replace(self.spec, in_words=True)
        else:
            from headwater.agents.answer_tool import AnswerTool

            asked.tool = AnswerTool(self.spec, self.parse)
            asked.spec = replace(self.spec, tool=asked.tool.name)
        return asked


def output_of(output_type: Any) -> Output | None:
    """The type in the form that a run needs; None for text. Raises ConfigurationError."""
    if isinstance(output_type, str):
        raise ConfigurationError(
            f"output_type is {output_type!r}, which is not a type.",
            hint="It is what the answer must be, as in output_type=list[str]. Without one the answer is a text, and "
            "response.to_dict() and response.messages have the rest.",
        )
    return None if output_type is None or output_type is str else Output(output_type)
