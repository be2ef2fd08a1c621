"""The result of a concurrent workflow: its members' Responses, in the order of the members."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Self, SupportsIndex, overload

import msgspec

from headwater.errors import InvalidRecord
from headwater.events.messages import Usage
from headwater.events.response import Response, ResponseRecord, recorded, restored

if TYPE_CHECKING:
    from headwater.events.codec import JSON

__all__ = ("Results",)


class Results(list[Response[Any]]):
    """Responses by index or by name, in the order of the agents, whichever ended first.

    `json.dumps` writes their texts; `print` shows them as sections. If errors are collected, a member that failed has
    its partial Response, with `.error`. Awaiting Results returns itself, as with a Response.
    """

    def __init__(
        self,
        names: Iterable[str],
        responses: Iterable[Response[Any]],
        *,
        usage: Usage | None = None,
        duration: float = 0.0,
        run_id: str = "",
        partial: bool = False,
        callback_errors: int = 0,
    ) -> None:
        super().__init__(responses)
        self.names: tuple[str, ...] = tuple(names)
        self.usage: Usage = sum((response.usage for response in self), Usage()) if usage is None else usage
        """Their usage together, as far as it was reported."""
        self.duration = duration
        """Seconds from the start of the workflow to its end."""
        self.run_id = run_id
        self.partial = partial
        """True if the workflow did not finish: cancelled, failed, or abandoned."""
        self.callback_errors = callback_errors
        """How often a callback raised, of the workflow and of its members."""

    @overload
    def __getitem__(self, key: SupportsIndex | str) -> Response[Any]: ...
    @overload
    def __getitem__(self, key: slice) -> list[Response[Any]]: ...
    def __getitem__(self, key: SupportsIndex | str | slice) -> Response[Any] | list[Response[Any]]:
        """By index, or by the member's name. Raises IndexError, KeyError."""
        if isinstance(key, str):
            try:
                return super().__getitem__(self.names.index(key))
            except ValueError:
                raise KeyError(f"There is no member {key!r}; the members are {', '.join(self.names)}.") from None
        return super().__getitem__(key)

    @property
    def members(self) -> Mapping[str, Response[Any]]:
        """Each member's Response by its name, in order."""
        return dict(zip(self.names, self, strict=True))

    @property
    def text(self) -> str:
        """Their texts, as sections under their names; a single one without a heading."""
        return sections(self.members)

    @property
    def errors(self) -> Mapping[str, Exception]:
        """The errors of the members that failed, by name."""
        return {name: response.error for name, response in self.members.items() if response.error is not None}

    def to_dict(self) -> dict[str, str]:
        """Each member's text by its name."""
        return {name: response.text for name, response in self.members.items()}

    def to_json(self) -> str:
        """Returns everything as JSON, for storage; `from_json` reads it. Raises InvalidRecord for values without
        JSON."""
        from headwater.events.codec import write_record

        about = {name: getattr(self, name) for name in _FIELDS}
        record = ResultsRecord(names=self.names, responses=tuple(map(recorded, self)), **about)
        return write_record(record, "Results").decode()

    @classmethod
    def from_json(cls, data: JSON) -> Self:
        """Reads the output of `to_json`. Raises InvalidRecord if it is not a Results, or of a newer version."""
        from headwater.events.codec import read_record

        record = read_record(data, ResultsRecord, "Results")
        if len(record.names) != len(record.responses):
            raise InvalidRecord("The number of names differs from the number of Responses in the Results.")
        about = {name: getattr(record, name) for name in _FIELDS}
        return cls(record.names, map(restored, record.responses), **about)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Results({', '.join(self.names)})"

    def __await__(self) -> Generator[Any, None, Self]:
        return self
        yield  # type: ignore[unreachable]  # makes this function the generator that `await` wants

    def _repr_markdown_(self) -> str:
        return self.text

    def __reduce__(self) -> Any:
        # A list's default would need names before they are set; this also keeps attributes that users added.
        return _rebuilt, (self.names, list(self)), self.__dict__


_FIELDS: Final = ("usage", "duration", "run_id", "partial", "callback_errors")


class ResultsRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The JSON form of Results."""

    names: tuple[str, ...]
    responses: tuple[ResponseRecord, ...]
    usage: Usage = Usage()
    duration: float = 0.0
    run_id: str = ""
    partial: bool = False
    callback_errors: int = 0


def _rebuilt(names: tuple[str, ...], responses: list[Response[Any]]) -> Results:
    return Results(names, responses)


def sections(members: Mapping[str, str | Response[Any]]) -> str:
    """Texts under their names, separated by blank lines; a single one without a heading, empty ones left out."""
    said = {name: str.__str__(text) for name, text in members.items() if text}
    if len(said) == 1:
        return next(iter(said.values()))
    return "\n\n".join(f"## {name}\n\n{text}" for name, text in said.items())
