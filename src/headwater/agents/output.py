"""The type that an answer must have, as a run needs it."""

from __future__ import annotations

from typing import Any, Final

from headwater.errors import ConfigurationError
from headwater.providers.request import OutputSpec

__all__ = (
    "MODES",
    "Output",
    "output_of",
)


class Output:
    """An output type as a run needs it; see `runtime.Output`."""

    def __init__(self, output_type: Any, mode: str | None = None) -> None:
        from headwater.schema import OutputType

        self._type: OutputType[Any] = OutputType(output_type)
        self.parse = self._type.parse
        self.spec = OutputSpec(
            name=self._type.name,
            schema=self._type.schema or {},
            strict=self._type.strict,
            description=self._type.description,
            in_words=mode == "prompted",
        )


MODES: Final = ("native", "prompted")
"""How a model is told of the type: as a schema, where the API has a place for one, or in its instructions."""


def output_of(output_type: Any, mode: str | None = None) -> Output | None:
    """The type as a run needs it; None where any text will do. Raises ConfigurationError."""
    if isinstance(output_type, str):
        raise ConfigurationError(
            f"output_type is {output_type!r}, which is no type.",
            hint="It is what the answer must be, as in output_type=list[str]. Without one the answer is a text, and "
            "response.to_dict() and response.messages have the rest.",
        )
    return None if output_type is None or output_type is str else Output(output_type, mode)
