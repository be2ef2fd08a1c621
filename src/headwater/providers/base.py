"""What every provider API shares: requests as values, the decoder's contract, and the grammar of parts.

An API module (`openai_chat`, `anthropic`, …) offers two things: `encode(request, endpoint) -> HTTPRequest` and a
`Decoder`. Everything else about talking to a provider lives elsewhere: names and keys in `registry`, sockets in
`transport`, clocks and retries in `attempts`. Nothing here may do I/O, read a clock, or invent an id at random.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

import msgspec

from headwater import errors
from headwater.events import (
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    Event,
    FileMade,
    ProviderItemMade,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    SourceFound,
    TextDelta,
    TextEnded,
    TextStarted,
    UsageReported,
    Warned,
)
from headwater.messages import FinishReason, Message, Usage
from headwater.providers.scrub import without_secrets

__all__ = (
    "API",
    "Decoder",
    "Endpoint",
    "HTTPRequest",
    "OutputSpec",
    "Place",
    "Quirks",
    "Request",
    "Secret",
    "Settings",
    "ToolChoice",
    "ToolSpec",
    "http_error",
    "in_band_error",
)


# --- what is asked for

Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a model is to answer, by the field's usual names; None is the provider's own default.

    One that the provider cannot honour raises UnsupportedSetting when the request is encoded; none is dropped.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    reasoning: Effort | bool | int | None = None
    """How much to think: an effort, a budget in tokens, or on (True) and off (False)."""
    verbosity: Literal["low", "medium", "high"] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    service_tier: str | None = None
    user: str | None = None
    cache: bool | None = None
    """Ask for prompt caching of the instructions and tools, where the provider wants to be asked."""
    store: bool | None = None
    extra: dict[str, Any] | None = None
    """The provider's own fields, merged into the request body as they are; they win over ours."""

    def given(self) -> dict[str, Any]:
        """The settings that were set, by name."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}

    def shown(self) -> dict[str, Any]:
        """`given`, for eyes and logs: what stands in `extra` under a secret's name is hidden."""
        given = self.given()
        return given if self.extra is None else {**given, "extra": without_secrets(self.extra)}

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.shown().items())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [*self.shown().items()]


ToolChoice: TypeAlias = str
""""auto", "none", "required", or the name of the one tool to call."""


class ToolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as a provider is told of it: `parameters` is a JSON Schema of type object."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool | None = None


class OutputSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The shape the answer must have, as a JSON Schema."""

    name: str
    schema: dict[str, Any]
    strict: bool = True
    description: str = ""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One question to a model: all that an API module needs to write it down, streaming."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    output: OutputSpec | None = None
    settings: Settings = Settings()
    thread: str | None = None
    """A stable name of the conversation, for providers that cache prompts by it."""


# --- where it is sent


class Secret:
    """A key that does not show: its repr and str are dots; `reveal` is called only where a header is written."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('…')"

    __str__ = __repr__

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> Any:
        raise TypeError("A Secret is not pickled: give the key again where it is needed.")


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """How one server differs from the API it speaks. A record, not a branch: add a field, and a recording for it."""

    max_tokens_field: str = "max_tokens"
    """OpenAI's own models want max_completion_tokens; most compatible servers know only max_tokens."""
    stream_options: bool = True
    """Whether `stream_options: {"include_usage": true}` is taken."""
    system_role: Literal["system", "developer"] = "system"
    reasoning_field: Literal[
        "reasoning_effort", "reasoning", "thinking", "enable_thinking", "chat_template_kwargs", "none"
    ] = "reasoning_effort"
    """Where the reasoning setting goes."""
    reasoning_back: Literal["", "reasoning_content", "reasoning", "reasoning_details", "thinking"] = ""
    """Under which name earlier reasoning is sent back, where the server wants it; "thinking" is a part of content."""
    strict_tools: bool = True
    """Whether `strict` may stand in a tool's function."""
    json_schema: bool = True
    """Whether `response_format: json_schema` is taken; else json_object and the schema in words."""
    parallel_tool_calls: bool = True
    """Whether `parallel_tool_calls` is taken; where it is not, calls may always come in parallel."""
    seed_field: str = "seed"
    thread_field: str = ""
    """Where a conversation's name goes, for servers that cache prompts by it; "" sends none."""
    cache_marks: bool = False
    """Whether content may carry `cache_control`."""
    message_names: bool = False
    """Whether a message may say by `name` who speaks."""
    files_by_url: Literal["", "file_data", "document_url"] = ""
    """How a file that the server is to fetch is written; "" where it fetches none."""
    call_id_length: int = 0
    """How long a call's id must be, in letters and digits; 0 where any will do."""
    unsupported: frozenset[str] = frozenset()
    """Names of Settings that this server refuses or ignores."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A provider to ask: who, where, with which key. Headers and query may hold one too, so none of them shows."""

    provider: str
    api: str
    base_url: str
    key: Secret | None = None
    key_header: str = ""
    """The header for the key, where it is not the API's own: "api-key" (Azure), "authorization" (a bearer token)."""
    token: Literal["", "azure", "google"] = ""
    """Whose credentials to ask for a bearer token before each request, where there is no key; see `registry`."""
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    quirks: Quirks = Quirks()

    def key_headers(self, header: str) -> dict[str, str]:
        """The header that holds the key, by the API's own way (`header`) where the endpoint names no other; {} without.

        In `authorization` the key stands as a bearer token, anywhere else as it is.
        """
        if not self.key:
            return {}
        name = self.key_header or header
        value = self.key.reveal()
        return {name: f"Bearer {value}" if name.lower() == "authorization" else value}

    def __repr__(self) -> str:
        return f"Endpoint({self.provider} by {self.api} at {self.base_url})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("provider", self.provider), ("api", self.api), ("base_url", self.base_url)]


class HTTPRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What goes to the transport. Its headers hold the key: it must never be logged or shown."""

    method: str = "POST"
    url: str
    headers: dict[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"HTTPRequest({self.method} {self.url.partition('?')[0]}, {len(self.body)} bytes)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("method", self.method), ("url", self.url.partition("?")[0]), ("bytes", len(self.body))]


class API(Protocol):
    """What an API module offers (a module satisfies a protocol by its functions)."""

    def encode(self, request: Request, endpoint: Endpoint) -> HTTPRequest:
        """The request as this API writes it. Raises UnsupportedSetting, InvalidRequest."""

    @property
    def Decoder(self) -> type[Decoder]:  # noqa: N802
        """The decoder of its responses."""


# --- what comes back


class Place(msgspec.Struct, kw_only=True):
    """Where in a run a response stands; what its decoder needs to number things without knowing the run."""

    step: int = 1
    attempt: int = 1
    part: int = 0
    """The first part number that is free in this step."""
    lead: str = ""
    """What parts this step's text from the text of the step before it."""
    call_prefix: str = "call"
    """Stem of the ids that are given to calls whose provider gives none: `<prefix>_<n>`."""
    calls: set[str] = msgspec.field(default_factory=set)
    """The call keys taken in this run; a decoder adds its own."""


class Call:
    """A tool call being written: the state a decoder keeps of one."""

    __slots__ = ("args", "by", "custom", "id", "item_id", "key", "name", "ready", "signature")

    def __init__(self, key: str, ident: str, name: str, by: Literal["agent", "provider", "client"]) -> None:
        self.key = key
        self.id = ident
        self.name = name
        self.by = by
        self.args: list[str] = []
        self.custom = False
        self.ready = False
        self.signature: str | None = None
        self.item_id: str | None = None


class Part:
    """A part of text or reasoning being written."""

    __slots__ = ("kind", "number", "redacted", "signature")

    def __init__(self, kind: str, number: int) -> None:
        self.kind = kind
        self.number = number
        self.signature: str | None = None
        self.redacted: str | None = None


class Decoder:
    """Bytes of one response in, events out.

    `feed` what the socket gave and append what it returns to the log; `finish` once the input has ended, however it
    ended. Afterwards (and already before) the attributes say how it went:

    * `complete`: the API's end marker was seen. Without it the answer is cut, whatever the connection said.
    * `ended`: what makes the answer whole was seen, but more may follow (usage after a finish reason).
    * `error`: an error that the provider reported inside the stream, or bytes that are none of its API's.
    * `finish_reason`, `provider_finish_reason`: the common word and the provider's own; None where it said none.
    * `model`, `usage`, `response_id`: as reported.

    A subclass implements `_feed` and `_finish` and says things through the methods below, which keep the grammar: what
    is started is ended, deltas are never empty, part numbers and call keys are unique, text carries its lead once.
    After `complete` or `error` further bytes are ignored.
    """

    api: ClassVar[str] = ""
    more_promised: ClassVar[bool] = True
    """Whether something worth a longer wait (usage, a [DONE]) may follow once `ended` is True."""

    def __init__(self, place: Place | None = None, quirks: Quirks | None = None) -> None:
        self.place = place or Place()
        self.quirks = quirks or Quirks()
        self.complete = False
        self.ended = False
        self.error: errors.HeadwaterError | None = None
        self.finish_reason: FinishReason | None = None
        self.provider_finish_reason: str | None = None
        self.model: str | None = None
        self.response_id: str | None = None
        self.usage: Usage | None = None
        self.events: list[Event] = []
        self.calls: list[Call] = []
        self._step = self.place.step
        self._next_part = self.place.part
        self._lead = self.place.lead
        self._open: list[Part] = []
        self._current: Part | None = None
        self._current_kind = ""
        self._current_number = 0
        self._warned: set[str] = set()

    # --- the contract

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete, in order. Never raises for what the bytes hold."""
        if self.complete or self.error is not None:
            return []
        try:
            self._feed(data)
        except errors.HeadwaterError as error:
            self.error = error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self.error = malformed(self.api, error)
        self.ended |= self.complete  # so that no decoder needs to say both
        return self.take()

    def finish(self) -> list[Event]:
        """The input has ended: what was held back, and the end of all that is open. To be called once."""
        if not self.complete and self.error is None:
            try:
                self._finish()
            except errors.HeadwaterError as error:
                self.error = error
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass  # a last frame cut in its middle: nothing of it was promised, and the end marker is missing
        self.ended |= self.complete
        self.end_parts()
        for call in self.calls:
            self.end_call(call, cut=not self.complete)
        return self.take()

    @property
    def visible(self) -> bool:
        """Whether anything of the answer was said: text, reasoning or the beginning of a call."""
        return bool(self.calls) or self._next_part > self.place.part

    @property
    def next_part(self) -> int:
        """The first part number that is free after what was said."""
        return self._next_part

    def take(self) -> list[Event]:
        """The events made since the last call."""
        events, self.events = self.events, []
        return events

    def _feed(self, data: bytes) -> None:
        raise NotImplementedError

    def _finish(self) -> None:
        """Called at the end of input, for what framing holds back."""

    # --- saying text and reasoning

    def text(self, text: str) -> None:
        """The next piece of the answer; opens a part of text where none is current, closing one of reasoning."""
        if text:
            if self._current_kind != "answer":
                self._switch("answer")
            self.events.append(TextDelta(step=self._step, part=self._current_number, text=text))

    def refusal(self, text: str) -> None:
        """The next piece of a refusal."""
        if text:
            if self._current_kind != "refusal":
                self._switch("refusal")
            self.events.append(TextDelta(step=self._step, part=self._current_number, text=text))

    def reasoning(self, text: str, kind: Literal["full", "summary"] = "full") -> None:
        """The next piece of reasoning."""
        if text:
            if self._current_kind != kind:
                self._switch(kind)
            self.events.append(ReasoningDelta(step=self._step, part=self._current_number, text=text))

    def _switch(self, kind: str) -> None:
        if self._current is not None:
            self.close_part(self._current)
        self.open_part(kind)

    # --- the same with parts in hand, for APIs that number them and let them overlap

    def open_part(self, kind: str) -> Part:
        """Begin a part: "answer", "refusal", "full" or "summary"; it becomes the current one."""
        part = Part(kind, self._next_part)
        self._next_part += 1
        self._open.append(part)
        self._make_current(part)
        if kind == "answer" or kind == "refusal":
            lead, self._lead = self._lead, ""
            self.events.append(
                TextStarted(step=self._step, part=part.number, kind=kind, lead=lead)  # type: ignore[arg-type]
            )
        else:
            self.events.append(
                ReasoningStarted(step=self._step, part=part.number, kind=kind)  # type: ignore[arg-type]
            )
        return part

    def part_delta(self, part: Part, text: str) -> None:
        """The next piece of an open part."""
        if not text:
            return
        if part.kind == "answer" or part.kind == "refusal":
            self.events.append(TextDelta(step=self._step, part=part.number, text=text))
        else:
            self.events.append(ReasoningDelta(step=self._step, part=part.number, text=text))

    def close_part(self, part: Part) -> None:
        """The part is over; closing one twice does nothing."""
        if part not in self._open:
            return
        self._open.remove(part)
        if part is self._current:
            self._make_current(None)
        if part.kind == "answer" or part.kind == "refusal":
            self.events.append(TextEnded(step=self._step, part=part.number, signature=part.signature))
        else:
            self.events.append(
                ReasoningEnded(step=self._step, part=part.number, signature=part.signature, redacted=part.redacted)
            )

    def end_parts(self) -> None:
        """Close all that is open."""
        for part in tuple(self._open):
            self.close_part(part)

    @property
    def current(self) -> Part | None:
        """The part that `text`, `refusal` and `reasoning` write to, for hanging a signature on."""
        return self._current

    def _make_current(self, part: Part | None) -> None:
        self._current = part
        self._current_kind = part.kind if part else ""
        self._current_number = part.number if part else 0

    # --- saying tool calls

    def start_call(self, ident: str | None, name: str, by: Literal["agent", "provider", "client"] = "agent") -> Call:
        """The model begins a call; `ident` is the provider's id, or nothing where it gives none."""
        if self._current is not None:
            self.close_part(self._current)
        key = given = ident or f"{self.place.call_prefix}_{len(self.calls)}"
        again = 2
        while key in self.place.calls:
            key = f"{given}#{again}"
            again += 1
        self.place.calls.add(key)
        call = Call(key, given, name, by)
        self.calls.append(call)
        self.events.append(CallStarted(step=self._step, call=key, name=name, id="" if given == key else given, by=by))
        return call

    def call_delta(self, call: Call, text: str) -> None:
        """The next piece of the call's arguments."""
        if text and not call.ready:
            call.args.append(text)
            self.events.append(CallDelta(step=self._step, call=call.key, json=text))

    def end_call(self, call: Call, arguments: dict[str, Any] | str | None = None, *, cut: bool = False) -> None:
        """The call is whole; doing it twice does nothing.

        `arguments` are the final ones where the API says them outright: a dict, or JSON; else the deltas joined.
        They come out as call.ready where they are a JSON object (or a custom tool's text), else as call.rejected.
        `cut`: the input ended before the call did, so that it is rejected, valid JSON or not.
        """
        if call.ready:
            return
        call.ready = True
        raw: dict[str, Any] | str = "".join(call.args) if arguments is None else arguments
        cut = cut or (raw == "" and self.finish_reason == "length")
        parsed = raw if isinstance(raw, dict) or call.custom else parse_arguments(raw)
        if cut or parsed is None:
            text = raw if isinstance(raw, str) else json.dumps(raw)
            self.events.append(
                CallRejected(
                    step=self._step,
                    call=call.key,
                    name=call.name,
                    raw=text,
                    error="The arguments were cut off." if cut else "The arguments are not a JSON object.",
                    cut=cut,
                    by=call.by,
                    signature=call.signature,
                    item_id=call.item_id,
                )
            )
        else:
            self.events.append(
                CallReady(
                    step=self._step,
                    call=call.key,
                    name=call.name,
                    arguments=parsed,
                    by=call.by,
                    custom=call.custom,
                    signature=call.signature,
                    item_id=call.item_id,
                )
            )

    # --- saying the rest

    def source(self, **fields: Any) -> None:
        """A citation; see `events.SourceFound`."""
        self.events.append(SourceFound(step=self._step, **fields))

    def file(self, **fields: Any) -> None:
        """A picture or file that the model made; see `events.FileMade`."""
        self.events.append(FileMade(step=self._step, **fields))

    def item(self, item: dict[str, Any]) -> None:
        """Something the provider wants back as it is, at this place."""
        self.events.append(ProviderItemMade(step=self._step, api=self.api, item=item))

    def report(self, usage: Usage) -> None:
        """What the response has cost so far; the last report counts. Said once where it does not change."""
        if usage and usage != self.usage:
            self.usage = usage
            self.events.append(UsageReported(step=self._step, attempt=self.place.attempt, usage=usage))

    def warn(self, code: str, message: str, hint: str = "") -> None:
        """Something to know, told once a response."""
        if code not in self._warned:
            self._warned.add(code)
            self.events.append(Warned(code=code, message=message, hint=hint))


def parse_arguments(text: str) -> dict[str, Any] | None:
    """A call's argument JSON as a dict; nothing written means no arguments; None where it is no JSON object."""
    if not text.strip():
        return {}
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


# --- what goes wrong


def http_error(
    provider: str, status: int, headers: Mapping[str, str], body: bytes, *, now: float = 0.0
) -> errors.ProviderError:
    """The error that an HTTP response other than 2xx stands for, whatever its body holds: JSON, HTML or nothing.

    `headers` have lower-case names. `now` (Unix seconds) is what dates in headers are measured from.
    """
    code, message = read_error_body(body)
    return provider_error(
        provider,
        message or _unsaid(status, body),
        status=status,
        code=code,
        request_id=headers.get("x-request-id") or headers.get("request-id"),
        retry_after=retry_after(headers, now),
    )


def _unsaid(status: int, body: bytes) -> str:
    """What a status says where its body has no message: a web page's title, else the status in words."""
    title = re.search(rb"<title[^>]*>\s*([^<]+?)\s*<", body[:20_000], re.IGNORECASE)
    if title is not None:
        return f"a web page, {title[1].decode('utf-8', 'replace')[:200]!r}"
    page = "a web page" if body.lstrip()[:1] == b"<" else ""
    try:
        return page or HTTPStatus(status).phrase
    except ValueError:
        return "no reason"


def read_error_body(body: bytes) -> tuple[str | None, str]:
    """The code and the message in an error body, in any of the shapes that providers use."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        text = body[:2000].decode("utf-8", "replace").strip()
        return None, "" if text.startswith("<") else text[:500]
    return read_error(value)


def read_error(value: Any) -> tuple[str | None, str]:
    """The code and the message in an error value: `{"error": {…}}`, `{"error": "…"}`, `[{"error": …}]`, or bare."""
    if isinstance(value, list):
        value = value[0] if value else {}
    if isinstance(value, dict) and value.get("error"):
        inner = value["error"]
        if isinstance(inner, str):
            return _word(value.get("code")) or _word(value.get("type")), inner
        value = inner
    if isinstance(value, str):
        return None, value
    if not isinstance(value, dict):
        return None, str(value)
    code = _word(value.get("code")) or _word(value.get("type")) or _word(value.get("status"))
    for name in ("message", "detail", "msg", "error_message"):
        if value.get(name):
            text = value[name]
            return code, text if isinstance(text, str) else json.dumps(text)
    return code, json.dumps(value) if value else ""


def _word(value: Any) -> str | None:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "" else None


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait before trying again, where the headers say: retry-after-ms, Retry-After (seconds or a date)."""
    if (text := headers.get("retry-after-ms")) is not None:
        try:
            return max(0.0, float(text) / 1000)
        except ValueError:
            pass
    if (text := headers.get("retry-after")) is not None:
        try:
            return max(0.0, float(text))
        except ValueError:
            pass
        from email.utils import parsedate_to_datetime  # rare, and not light

        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - now)
        except (ValueError, TypeError):
            pass
    return None


_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "credit_balance_too_low"})
_KEY_HINT = "Check that the key is whole, current, and of this provider."


def provider_error(
    provider: str,
    message: str,
    *,
    status: int | None = None,
    code: str | None = None,
    request_id: str | None = None,
    retry_after: float | None = None,
) -> errors.ProviderError:
    """The error of the tree that a status and a provider's code mean. Without a status the code decides alone."""
    kind, hint = _classify(status, (code or "").lower(), message.lower())
    where = f" (HTTP {status})" if status is not None else ""
    return kind(
        f"{provider or 'The provider'} answered{where}: {_sentence(message.strip()[:2000])}",
        hint=_wait_hint(retry_after) if kind is errors.RateLimited else hint,
        provider=provider,
        status=status,
        code=code,
        request_id=request_id,
        retry_after=retry_after,
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _wait_hint(seconds: float | None) -> str:
    return f"It asks to wait {seconds:.0f} s before trying again." if seconds else "Wait a while, or ask less often."


def _classify(status: int | None, code: str, message: str) -> tuple[type[errors.ProviderError], str]:
    said = f"{code} {message}"
    if (
        "context_length" in said
        or "context length" in said
        or "prompt is too long" in said
        or "maximum context" in said
    ):
        return errors.ContextTooLong, "Shorten the history, or use a model with a larger context."
    if code in _QUOTA or status == 402:
        return errors.QuotaExhausted, "Check the account's plan and billing."
    if status == 401 or "authentication" in code or "invalid_api_key" in code or "unauthorized" in code:
        return errors.AuthenticationFailed, _KEY_HINT
    if status == 400 and "api key not valid" in message:
        return errors.AuthenticationFailed, _KEY_HINT
    if status == 403 or "permission" in code:
        return errors.PermissionDenied, "The key may not use this model or address."
    if status == 404 or "model_not_found" in code or code in ("not_found", "not_found_error"):
        return errors.ModelNotFound, "Check the model's name and the base URL."
    if status == 429 or "rate_limit" in code or code in ("429", "resource_exhausted", "too_many_requests"):
        return errors.RateLimited, ""
    if status in (503, 529) or "overloaded" in code or code in ("503", "529", "unavailable"):
        return errors.Overloaded, "Try again in a while, or name a fallback model."
    if status is None:
        if code.startswith("4") or "invalid" in code or "bad_request" in code:
            return errors.InvalidRequest, ""
        return errors.ServerError, ""
    if status >= 500 or status in (408, 409):
        return errors.ServerError, "Try again in a while, or name a fallback model."
    return errors.InvalidRequest, ""


def in_band_error(provider: str, value: Any) -> errors.ProviderError:
    """The error that a provider reported inside a stream that had begun well."""
    code, message = read_error(value)
    return provider_error(provider, message or "an error without a message", code=code)


def malformed(provider: str, cause: Exception) -> errors.MalformedResponse:
    """Bytes that are not what the API promises."""
    return errors.MalformedResponse(
        f"What {provider} sent is not valid: {cause}.",
        hint="If this stays so, check that the base URL speaks this API.",
        provider=provider,
    )
