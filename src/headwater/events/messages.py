"""Messages and their parts, and usage, as values.

Nothing here depends on a provider's wire format, an event or a loop. Providers translate messages to their own JSON and
back; only `fold` assembles them from events.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from types import NoneType
from typing import Any, ClassVar, Final, Literal, TypeAlias
from urllib.parse import unquote_to_bytes

import msgspec

from headwater.schema.arguments import Explained

__all__ = (
    "File",
    "FinishReason",
    "Image",
    "Message",
    "Part",
    "ProviderItem",
    "Reasoning",
    "Role",
    "Source",
    "Text",
    "ToolCall",
    "ToolError",
    "ToolResult",
    "Usage",
)

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "cancelled"]


_ROLES: Final = ("system", "user", "assistant", "tool")


class Part(msgspec.Struct, frozen=True, tag_field="type", kw_only=True, omit_defaults=True):
    """One piece of a message's content. `signature` is opaque data that its provider expects back with it.

    A part that the log could not hold is refused where it is created: TypeError.
    """

    signature: str | None = None


class Text(Part, frozen=True, tag="text"):
    """Text of a person or a model. `refusal` marks a model's refusal, which is not an answer."""

    text: str
    refusal: bool = False
    cache: bool = False
    """A prompt-caching mark: the provider may cache everything up to here, if it supports such marks."""

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise _wrong(self, "text", "a string")


class Reasoning(Part, frozen=True, tag="reasoning"):
    """A model's reasoning. `redacted` is its encrypted form, for providers that send only that."""

    text: str = ""
    kind: Literal["summary", "full"] = "full"
    redacted: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise _wrong(self, "text", "a string")


def _instead_of(kind: str) -> dict[str, str]:
    """What to write for a file's bytes and address, which other libraries call otherwise."""
    return {
        **dict.fromkeys(("path", "file", "filename", "file_path"), f'{kind}(data=Path("name").read_bytes())'),
        **dict.fromkeys(("bytes", "content"), f"{kind}(data=…), with the bytes"),
        **dict.fromkeys(("base64", "b64"), f"{kind}(data=base64.b64decode(text))"),
        **dict.fromkeys(("image_url", "uri", "file_url"), f'{kind}(url="https://…")'),
        "mime_type": f"{kind}(data=…, media_type=…)",
    }


class Image(Part, Explained, frozen=True, tag="image"):
    """An image: either its bytes or a URL that the provider can reach."""

    data: bytes | None = None
    url: str | None = None
    media_type: str = ""
    detail: Literal["low", "high", "auto"] | None = None
    cache: bool = False

    _instead: ClassVar[Mapping[str, str]] = _instead_of("Image")

    def __post_init__(self) -> None:
        if (self.data is None) == (self.url is None):
            raise TypeError("An Image needs either data= (bytes) or url=.")
        _check_bytes("Image", self.data)
        if not isinstance(self.url, (str, NoneType)):
            raise _wrong(self, "url", "a string")
        if self.data is not None and not self.media_type:
            # msgspec calls this once the fields are set; even a frozen value can be completed here.
            msgspec.structs.force_setattr(self, "media_type", sniff_media_type(self.data, "image/png"))


def _wrong(part: Part, field: str, wants: str) -> TypeError:
    return TypeError(f"{type(part).__name__}.{field} is {wants}, not {type(getattr(part, field)).__name__}.")


def _all_are(content: Any, kinds: type | tuple[type, ...]) -> bool:
    return isinstance(content, tuple) and all(isinstance(part, kinds) for part in content)


def _check_bytes(kind: str, data: Any) -> None:
    if data is not None and not isinstance(data, bytes):
        example = f'{kind}(data=Path("name").read_bytes()) or {kind}(url="https://…")'
        raise TypeError(f"The data of {'an' if kind[0] in 'AEIOU' else 'a'} {kind} is bytes: write {example}.")


class File(Part, Explained, frozen=True, tag="file"):
    """A document, audio or any other file: its bytes, a URL, or the id under which the provider stores it."""

    data: bytes | None = None
    url: str | None = None
    id: str | None = None
    name: str = ""
    media_type: str = ""
    cache: bool = False

    _instead: ClassVar[Mapping[str, str]] = {**_instead_of("File"), "file_id": "File(id=…)"}

    def __post_init__(self) -> None:
        if sum(x is not None for x in (self.data, self.url, self.id)) != 1:
            raise TypeError("A File needs one of data= (bytes), url= or id=.")
        _check_bytes("File", self.data)
        for name in ("url", "id"):
            if not isinstance(getattr(self, name), (str, NoneType)):
                raise _wrong(self, name, "a string")
        if self.data is not None and not self.media_type:
            msgspec.structs.force_setattr(self, "media_type", sniff_media_type(self.data, "text/plain"))


class ToolCall(Part, frozen=True, tag="tool_call"):
    """A model's request to call a tool.

    `arguments` is a dict, or the raw string if the model's text is not a JSON object (cut off, or a custom tool's
    input). `by` says who runs it: this library ("agent"), the provider ("provider"), or the caller ("client").
    """

    id: str
    name: str
    arguments: dict[str, Any] | str
    by: Literal["agent", "provider", "client"] = "agent"
    custom: bool = False
    """Called with free text instead of JSON (OpenAI's custom tools): `arguments` is that text."""
    item_id: str | None = None
    """The provider's second id of the call, if it has one (OpenAI Responses items)."""

    def __post_init__(self) -> None:
        if not (isinstance(self.id, str) and isinstance(self.name, str)):
            raise _wrong(self, "name" if isinstance(self.id, str) else "id", "a string")
        if not isinstance(self.arguments, (dict, str)):
            raise _wrong(self, "arguments", "a dict, or the raw string")


class ToolResult(Part, frozen=True, tag="tool_result"):
    """A tool's result for the call `id`. `content` is text, or parts if it holds images or files."""

    id: str
    name: str
    content: str | tuple[Text | Image | File, ...]
    error: bool = False
    custom: bool = False
    cache: bool = False

    def __post_init__(self) -> None:
        if not (isinstance(self.id, str) and isinstance(self.name, str)):
            raise _wrong(self, "name" if isinstance(self.id, str) else "id", "a string")
        content: Any = self.content
        if isinstance(content, list):
            msgspec.structs.force_setattr(self, "content", tuple(content))
        if not isinstance(self.content, str) and not _all_are(self.content, (Text, Image, File)):
            raise _wrong(self, "content", "a string, or a tuple of Text, Image and File")


class ToolError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tool error: which tool, for which call (its key in the run), and the text that the model got."""

    name: str
    call: str
    error: str


class Source(Part, frozen=True, tag="source"):
    """A citation. `span` is its position in the message's text, in characters: [start, end)."""

    kind: Literal["url", "document", "file"] = "url"
    url: str = ""
    title: str = ""
    quote: str = ""
    span: tuple[int, int] | None = None


class ProviderItem(Part, frozen=True, tag="provider_item"):
    """An item that only the provider `api` understands and expects back unchanged, at this place in the message."""

    api: str
    item: dict[str, Any]


AnyPart: TypeAlias = Text | Reasoning | Image | File | ToolCall | ToolResult | Source | ProviderItem


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn of a conversation.

    `api` and `model` say who wrote an assistant message: signatures and provider items go back only to that API.
    """

    role: Role
    content: tuple[AnyPart, ...] = ()
    name: str = ""
    api: str = ""
    model: str = ""
    replaces: int = 0
    """Marks a compaction: it is sent instead of that many messages from the start; the conversation keeps them."""

    def __post_init__(self) -> None:
        if self.role not in _ROLES:
            raise TypeError(f"The role of a Message is one of {', '.join(_ROLES)}, not {self.role!r}.")
        content: Any = self.content
        if isinstance(content, list):
            msgspec.structs.force_setattr(self, "content", tuple(content))
        if not _all_are(self.content, Part):
            whole = self.content if isinstance(self.content, tuple) else (self.content,)
            strange = next(part for part in whole if not isinstance(part, Part))
            raise TypeError(
                f"A Message contains parts such as Text and Image, not {type(strange).__name__}."
                ' Write Message.user("…") or Message.assistant("…") for text.'
            )

    @property
    def text(self) -> str:
        """The message's text parts, joined; without refusals and reasoning."""
        return "".join(part.text for part in self.content if isinstance(part, Text) and not part.refusal)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Its tool calls, in the order in which they started."""
        return tuple(part for part in self.content if isinstance(part, ToolCall))

    @classmethod
    def system(cls, text: str) -> Message:
        """Returns a system message."""
        return cls(role="system", content=(Text(text=text),))

    @classmethod
    def user(cls, *parts: str | Text | Image | File) -> Message:
        """Returns a user message of strings, images and files, in order."""
        return cls(role="user", content=tuple(Text(text=p) if isinstance(p, str) else p for p in parts))

    @classmethod
    def assistant(cls, *parts: str | Text | Reasoning | ToolCall | Source | ProviderItem) -> Message:
        """Returns an assistant message."""
        return cls(role="assistant", content=tuple(Text(text=p) if isinstance(p, str) else p for p in parts))

    @classmethod
    def tool(cls, *results: ToolResult) -> Message:
        """Returns a message of tool results, in the order of the calls."""
        return cls(role="tool", content=results)


def last_compaction(messages: Sequence[Message]) -> tuple[Message | None, int]:
    """Returns the last compaction and how many messages from the start it replaces; None and 0 without one.

    It never replaces what follows it: a program may have dropped messages before it.
    """
    for at in range(len(messages) - 1, -1, -1):
        if messages[at].replaces:
            return messages[at], min(messages[at].replaces, at)
    return None, 0


def sent_messages(messages: Sequence[Message]) -> Sequence[Message]:
    """Returns the messages that are sent to a model: the last compaction replaces those before it.

    A compaction is placed where it was made, after messages that are still sent; `replaces` counts from the start of
    the whole conversation, so a later compaction also replaces the earlier ones.
    """
    last, replaced = last_compaction(messages)
    if last is None:
        return messages
    return [last, *(message for message in messages[replaced:] if not message.replaces)]


def utf8_size(text: str) -> int:
    """Returns how many bytes of UTF-8 the text is; one surrogate counts as one."""
    return len(text.encode("utf-8", "replace"))


def tokens_of_bytes(size: int) -> int:
    """Estimates how many tokens that many bytes of UTF-8 are: in the vendors' tokenizers one has about four."""
    return (size + 3) // 4


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Token counts, as defined by OpenTelemetry's GenAI conventions; unreported counts are None, never 0.

    `input_tokens` includes cached tokens, `output_tokens` reasoning tokens. `raw` is the provider's own report.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    raw: dict[str, Any] | None = None
    cost: Decimal | None = None
    """Dollars; None if no price is known. A string in JSON, so that no reader rounds it."""

    @classmethod
    def estimated(cls, text: str) -> Usage:
        """Estimates the usage for generating `text`: four bytes of UTF-8 per token, the vendors' own rule of thumb."""
        return cls.of_bytes(utf8_size(text))

    @classmethod
    def of_bytes(cls, size: int) -> Usage:
        """Estimates the usage for that many bytes of UTF-8, see `estimated`."""
        return cls(output_tokens=tokens_of_bytes(size)) if size else cls()

    @property
    def total_tokens(self) -> int | None:
        """Input and output together; None if either was not reported."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        one, two = self.cost, other.cost
        return Usage(
            input_tokens=_plus(self.input_tokens, other.input_tokens),
            output_tokens=_plus(self.output_tokens, other.output_tokens),
            cached_input_tokens=_plus(self.cached_input_tokens, other.cached_input_tokens),
            cache_write_tokens=_plus(self.cache_write_tokens, other.cache_write_tokens),
            reasoning_tokens=_plus(self.reasoning_tokens, other.reasoning_tokens),
            cost=two if one is None else one if two is None else _DOLLARS.add(one, two),
        )

    def __bool__(self) -> bool:
        return not (
            self.input_tokens is None
            and self.output_tokens is None
            and self.cached_input_tokens is None
            and self.cache_write_tokens is None
            and self.reasoning_tokens is None
            and self.cost is None
        )

    def to_dict(self) -> dict[str, Any]:
        """The known values as JSON data: the counts with `total_tokens`, and the cost in dollars as a string."""
        known: dict[str, Any] = {name: value for name in _COUNTS if (value := getattr(self, name)) is not None}
        if self.total_tokens is not None:
            known["total_tokens"] = self.total_tokens
        if self.cost is not None:
            known["cost"] = str(self.cost)
        return known


_COUNTS = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens")

_DOLLARS: Final = Context(prec=50)
"""A decimal context for adding costs: the thread's context may round, and two readers of a log would disagree."""


def _plus(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


_MAGIC: Sequence[tuple[bytes, str]] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
)


def sniff_media_type(data: bytes, otherwise: str) -> str:
    """Detects the media type from the first bytes of `data`; returns `otherwise` if unknown."""
    for magic, media_type in _MAGIC:
        if data.startswith(magic):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] in (b"WEBP", b"WAVE"):
        return "image/webp" if data[8:12] == b"WEBP" else "audio/wav"
    return otherwise


def data_url(data: bytes, media_type: str) -> str:
    """Returns `data` as a `data:` URL (RFC 2397)."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def read_data_url(url: str) -> tuple[bytes, str] | None:
    """Returns the bytes and the media type of a `data:` URL (RFC 2397); None if `url` is not one, or is malformed."""
    if not url.startswith("data:"):
        return None
    head, comma, body = url[5:].partition(",")
    if not comma:
        return None
    media_type, *parameters = head.split(";")
    data = unquote_to_bytes(body)
    if "base64" in parameters:
        try:
            data = base64.b64decode(data, validate=True)
        except ValueError:
            return None
    return data, media_type or "text/plain"
