"""Scripts: the turns of a scripted model, in a compact form for tests.

    ScriptedModel([
        [Think("Paris, then."), "Let me look.", Call("weather", {"city": "Paris"})],
        ["It is ", Wait(0.5), "sunny."],
        Fail(429, retry_after=2),
    ])

This file owns the values and what counts as a turn; `performance` performs them. Nothing here waits or emits events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from headwater.errors import HeadwaterError
from headwater.events.messages import (
    File,
    FinishReason,
    Image,
    Message,
    ProviderItem,
    Reasoning,
    Source,
    Text,
    ToolCall,
    Usage,
)
from headwater.providers.failures import provider_error
from headwater.providers.request import Request
from headwater.schema.well_formed import all_well_formed

__all__ = (
    "Act",
    "Call",
    "Cut",
    "Fail",
    "Finish",
    "Item",
    "Pieces",
    "Say",
    "Script",
    "Think",
    "Turn",
    "Wait",
    "check_script",
    "read_turn",
)

Pieces: TypeAlias = str | Sequence[str]
"""Text streamed word by word, or the chunks to stream it in."""


class Say(msgspec.Struct, frozen=True):
    """Text of the answer (a bare string in a turn is the same), or of a refusal."""

    text: Pieces
    refusal: bool = False
    signature: str | None = None


class Think(msgspec.Struct, frozen=True):
    """Reasoning: the model's own words, or a summary of them."""

    text: Pieces = ""
    kind: Literal["full", "summary"] = "full"
    signature: str | None = None
    redacted: str | None = None


class Call(msgspec.Struct, frozen=True):
    """A tool call. `arguments` is a dict, or the model's literal text, which need not be JSON.

    A call right before `Cut` or `Fail` is unfinished, even if its JSON looks complete.
    """

    name: str
    arguments: dict[str, Any] | Pieces = {}
    id: str | None = None
    by: Literal["agent", "provider", "client"] = "agent"
    custom: bool = False
    signature: str | None = None
    item_id: str | None = None


class Wait(msgspec.Struct, frozen=True):
    """A pause of that many seconds."""

    seconds: float


class Fail(msgspec.Struct, frozen=True):
    """The answer ends in an error: an exception, an HTTP status, or the provider's code of an error in the stream.

    An exception is raised unchanged, except for an OSError (`ConnectionResetError()`), which breaks the connection and
    is converted as by the transport. A status is raised as its error class. With `in_band` a headwater error is
    reported inside the stream instead, as a code (`"overloaded_error"`) always is.
    """

    what: Exception | int | str
    message: str = ""
    retry_after: float | None = None
    in_band: bool = False

    def __post_init__(self) -> None:
        if self.in_band and isinstance(self.what, Exception) and not isinstance(self.what, HeadwaterError):
            raise TypeError(f"Only a HeadwaterError can be reported in band, not {self.what!r}.")

    def error(self, provider: str) -> Exception:
        """Returns the exception, with `provider` as the provider's name."""
        if isinstance(self.what, Exception):
            return self.what
        status, code = (self.what, None) if isinstance(self.what, int) else (None, self.what)
        message = self.message or "the script says so"
        named = "The script" if provider == "offline" else provider
        error = provider_error(named, message, status=status, code=code, retry_after=self.retry_after)
        error.provider = provider
        return error


class Cut(msgspec.Struct, frozen=True):
    """The stream stops here, without its end marker."""


class Finish(msgspec.Struct, frozen=True):
    """The finish reason, and the provider's own value; a turn without one ends with stop, or tool_calls.

    `Finish(None)` ends the answer without a reason.
    """

    reason: FinishReason | None
    said: str | None = None


Item: TypeAlias = (
    str
    | Say
    | Think
    | Call
    | Wait
    | Fail
    | Cut
    | Finish
    | Usage
    | Text
    | Reasoning
    | ToolCall
    | Source
    | File
    | Image
    | ProviderItem
)
"""The items of a turn: a string, the values above, or a part of a message (`headwater.events.messages`). A `Usage` is
reported at its place, instead of the default counts at the end."""

Turn: TypeAlias = Item | Message | Sequence[Item] | Callable[[Request], "Turn"]
"""The answer to one request: an item, several in order, an assistant message, or a function of the request."""

Script: TypeAlias = Sequence[Turn | Sequence[object]] | Callable[[Request], object]
"""Turns, used in the order of the requests; or one function that answers every request with a Turn.

To mypy, the type of a list in one case and a string in another is `Sequence[object]` or `object`, so both are taken:
`read_turn` checks what a function returns.
"""

Act: TypeAlias = Say | Think | Call | Wait | Fail | Cut | Finish | Usage | Source | File | Image | ProviderItem
"""The acts of a turn after reading."""


def check_script(script: Script) -> tuple[object, ...] | Callable[[Request], object]:
    """Returns the script with its turns in a tuple; a bare string is one turn. Raises TypeError for an invalid
    script."""
    if callable(script):
        return script
    turns: tuple[object, ...] = (script,) if isinstance(script, str) else tuple(script)
    for turn in turns:
        if not callable(turn):
            _acts(turn)
    return turns


def read_turn(turn: object, request: Request) -> tuple[Act, ...]:
    """Returns the acts that answer `request`, calling functions. Raises TypeError for an invalid turn."""
    while callable(turn):
        turn = turn(request)
    return _acts(turn)


def _acts(turn: Any) -> tuple[Act, ...]:
    if isinstance(turn, Message):
        turn = turn.content
    elif not isinstance(turn, (list, tuple)):
        turn = (turn,)
    return all_well_formed(tuple(_act(item) for item in turn))


def _act(item: Any) -> Act:
    if isinstance(item, (Say, Think, Call, Wait, Fail, Cut, Finish, Usage, Source, File, Image, ProviderItem)):
        return item
    if isinstance(item, str):
        return Say(item)
    if isinstance(item, Text):
        return Say(item.text, refusal=item.refusal, signature=item.signature)
    if isinstance(item, Reasoning):
        return Think(item.text, kind=item.kind, signature=item.signature, redacted=item.redacted)
    if isinstance(item, ToolCall):
        return Call(
            item.name,
            item.arguments,
            id=item.id,
            by=item.by,
            custom=item.custom,
            signature=item.signature,
            item_id=item.item_id,
        )
    raise TypeError(f"{item!r} is not allowed in a script: a turn consists of strings, Say, Call, Wait, Fail, ….")
