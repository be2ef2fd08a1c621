"""The Response: what a run came to, as a string that knows how it came about, and as JSON to be kept.

Owns its fields and their defaults. It is made by `fold` and put together by `answers`; nothing here reads an event.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, overload

import msgspec
from typing_extensions import TypeVar

from headwater.errors import InvalidRecord
from headwater.events.messages import File, FinishReason, Image, Message, Source, ToolCall, ToolError, Usage
from headwater.events.types import ErrorInfo

if TYPE_CHECKING:
    from headwater.events.codec import JSON

__all__ = ("Response", "ResponseRecord", "recorded", "restored")

OutputT = TypeVar("OutputT", default=str)
NewT = TypeVar("NewT")


class Response(str, Generic[OutputT]):
    """What a run came to: the answer's text, as a string that knows how it came about.

    It is a `str`: print it, join it, `json.dumps` it, compare it. An answer without text is falsy. Awaiting one gives
    itself, so that `agent.run(…)` and `await agent.run(…)` may both be written where a run blocks.
    """

    transcript: str
    """All the text that was shown, over all steps."""
    output: OutputT
    """The answer as the output type that was asked for; the text where none was."""
    reasoning: str
    refusal: str
    tool_errors: tuple[ToolError, ...]
    """Tools that raised or took too long, in the order in which they ended; the model was told, and went on."""
    tool_calls: tuple[ToolCall, ...]
    """Every call the model made, over all steps, in order."""
    sources: tuple[Source, ...]
    files: tuple[Image | File, ...]
    finish_reason: FinishReason | None
    provider_finish_reason: str | None
    """The provider's own word for the finish reason."""
    usage: Usage
    model: str
    provider: str
    messages: tuple[Message, ...]
    """Valid history to go on from: the conversation up to and including this answer."""
    run_id: str
    agent: str
    """Who answered: after a handoff, the agent that took over last; of a workflow, its own name."""
    duration: float
    """Seconds from the start of the run to its end."""
    time_to_first_token: float | None
    """Seconds from the start of the run to the first text, reasoning or tool call; None where there was none."""
    tokens_per_second: float | None
    partial: bool
    """True where the answer was cut: cancelled, failed, or left."""
    usage_origin: Literal["measured", "estimated", "unknown"]
    """Whether `usage` was reported by the provider for every attempt, or holds estimates, or lacks what nobody said."""
    callback_errors: int
    members: Mapping[str, Response[Any]]
    """Of a workflow: each member's Response, by its name, in the order of the members. After a handoff: what each agent
    said itself, in the order in which they spoke."""
    unheard: tuple[Message, ...]
    """What was said to the run while it worked, and no model has heard."""
    error: Exception | None
    """What ended it, where that was not raised because its workflow collects errors."""

    def __new__(cls, text: str = "", **fields: Any) -> Self:
        """Made by `fold`; `fields` are the attributes below by name. Raises TypeError for any other."""
        self = super().__new__(cls, text)
        self.__dict__.update(_UNSAID)
        self.__dict__["transcript"] = text
        self.__dict__["output"] = text
        unknown = fields.keys() - self.__dict__.keys()
        if unknown:
            raise TypeError(f"Response has no field {min(unknown)!r}.")
        self.__dict__.update(fields)
        return self

    @property
    def text(self) -> str:
        """The answer as a plain string: the text of the last step that has any."""
        return str.__str__(self)

    @property
    def content(self) -> str:
        """The same as `text`."""
        return str.__str__(self)

    @property
    def metadata(self) -> dict[str, Any]:
        """What a stream's last chunk tells of the run: model, provider, tokens (the usage), time_to_first_token,
        duration; a refusal where there was one.
        """
        known: dict[str, Any] = {
            "model": self.model or None,
            "provider": self.provider or None,
            "tokens": self.usage.to_dict() or None,
            "time_to_first_token": self.time_to_first_token,
            "duration": self.duration,
        }
        if self.refusal:
            known["refusal"] = self.refusal
        return known

    if not TYPE_CHECKING:  # a checker would take every name for known

        def __getattr__(self, name: str) -> Any:
            # Only asked for what there is not: names that people bring along from other libraries.
            hint = f" Here it is {ours}." if (ours := _ELSEWHERE.get(name)) else ""
            raise AttributeError(f"A Response has no {name!r}.{hint}", name=name, obj=self)

    def replaced(self, text: str, **fields: Any) -> Response[Any]:
        """A copy with another text and other fields."""
        return Response(text, **{**self.__dict__, **fields})

    def to_dict(self) -> dict[str, Any]:
        """The answer and how it came about, JSON-able, without the messages."""
        fields = {name: self.__dict__[name] for name in _PLAIN}
        return {"text": self.text, **fields, "usage": self.usage.to_dict()}

    def to_json(self) -> str:
        """All of it as JSON, to be kept: messages, members and what ended them. `from_json` reads it.

        An output of a type of yours is written as its JSON, an exception as what it says. Raises InvalidRecord where
        something has no JSON form.
        """
        from headwater.events.codec import write_record

        return write_record(recorded(self), "Response").decode()

    @overload
    @classmethod
    def from_json(cls, data: JSON, *, output_type: type[NewT]) -> Response[NewT]: ...
    @overload
    @classmethod
    def from_json(cls, data: JSON, *, output_type: Any = None) -> Response[Any]: ...
    @classmethod
    def from_json(cls, data: JSON, *, output_type: Any = None) -> Response[Any]:
        """The Response that `to_json` wrote: equal in every field, its output plain JSON data.

        With `output_type` the output is made a value of that type again; of a Response that is partial it stays the
        text. Raises InvalidRecord where it is no Response, one of a newer version, or its output does not fit;
        ConfigurationError where the type has no schema.
        """
        from headwater.events.codec import read_record

        record = read_record(data, ResponseRecord, "Response")
        response = restored(record)
        if output_type is not None and not record.partial:
            response.output = _as_type(output_type, response)
        return response

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        return (self.text,), dict(self.__dict__)

    def __await__(self) -> Generator[Any, None, Self]:
        return self
        yield  # type: ignore[unreachable]  # makes this function the generator that `await` wants

    def _repr_markdown_(self) -> str:
        return self.text


_ELSEWHERE: dict[str, str] = {
    "success": "`not response.partial`",
    "unwrap": "the response itself, which is its text; a run that failed raises",
    "data": "`response.output`",
    "result": "`response.output`",
    "final_output": "`response.output`",
    "parsed": "`response.output`",
    "output_text": "`response.text`",
    "message": "`response.text`, and `response.messages` for the conversation",
    "choices": "`response.text`",
    "history": "`response.messages`",
    "all_messages": "`response.messages`",
    "new_messages": "`response.messages`",
    "to_input_list": "`response.messages`",
    "thinking": "`response.reasoning`",
    "citations": "`response.sources`",
    "stop_reason": "`response.finish_reason`",
    "model_name": "`response.model`",
    "latency": "`response.duration`",
    "tokens": "`response.usage`",
}
"""What other libraries call it, and what it is called here."""

_UNSAID: dict[str, Any] = {
    "transcript": "",
    "output": "",
    "reasoning": "",
    "refusal": "",
    "tool_calls": (),
    "tool_errors": (),
    "sources": (),
    "files": (),
    "finish_reason": None,
    "provider_finish_reason": None,
    "usage": Usage(),
    "model": "",
    "provider": "",
    "messages": (),
    "run_id": "",
    "agent": "",
    "duration": 0.0,
    "time_to_first_token": None,
    "tokens_per_second": None,
    "partial": False,
    "usage_origin": "measured",
    "callback_errors": 0,
    "members": {},
    "error": None,
    "unheard": (),
}
_PLAIN = (
    "transcript",
    "reasoning",
    "refusal",
    "finish_reason",
    "provider_finish_reason",
    "model",
    "provider",
    "run_id",
    "agent",
    "duration",
    "time_to_first_token",
    "tokens_per_second",
    "partial",
)


# --- as JSON


class ResponseRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="response"):
    """A Response's fields; absent `transcript` and `output` are the text."""

    text: str
    transcript: str | msgspec.UnsetType = msgspec.UNSET
    output: Any = msgspec.UNSET
    reasoning: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_errors: tuple[ToolError, ...] = ()
    sources: tuple[Source, ...] = ()
    files: tuple[Image | File, ...] = ()
    finish_reason: str | None = None
    provider_finish_reason: str | None = None
    usage: Usage = Usage()
    model: str = ""
    provider: str = ""
    messages: tuple[Message, ...] = ()
    run_id: str = ""
    agent: str = ""
    duration: float = 0.0
    time_to_first_token: float | None = None
    tokens_per_second: float | None = None
    partial: bool = False
    usage_origin: str = "measured"
    callback_errors: int = 0
    members: dict[str, ResponseRecord] = {}
    error: ErrorInfo | None = None
    unheard: tuple[Message, ...] = ()


_DEFAULTS: dict[str, Any] = {
    name: value for name, value in msgspec.structs.asdict(ResponseRecord(text="")).items() if name != "text"
}


def recorded(response: Response[Any]) -> ResponseRecord:
    """The Response as it is written."""
    text = response.text
    said = {name: getattr(response, name) for name in _DEFAULTS}
    said["members"] = {name: recorded(member) for name, member in response.members.items()}
    said["error"] = None if response.error is None else ErrorInfo.of(response.error)
    for name in ("transcript", "output"):
        if isinstance(said[name], str) and said[name] == text:
            del said[name]
    # Defaults are left out by identity, and a Response's are equal to the record's without being the same.
    said = {name: value for name, value in said.items() if name == "output" or value != _DEFAULTS[name]}
    return ResponseRecord(text=text, **said)


def restored(record: ResponseRecord) -> Response[Any]:
    """The Response that was written."""
    said = {name: value for name in _DEFAULTS if (value := getattr(record, name)) is not msgspec.UNSET}
    said["members"] = {name: restored(member) for name, member in record.members.items()}
    said["error"] = None if record.error is None else record.error.exception()
    return Response(record.text, **said)


def _as_type(output_type: Any, response: Response[Any]) -> Any:
    """The output as a value of a type, from the text that it was made of, else from its JSON. Raises InvalidRecord."""
    from headwater.schema import OutputType, ValidationFailed, to_json

    kind, stored = OutputType(output_type), response.output
    # What a type writes is not always what it reads (aliases, hidden secrets), and the model's words are.
    wrong: tuple[str, ...] = ()
    for text, is_words in ((response.text, True), (stored if isinstance(stored, str) else to_json(stored), False)):
        try:
            value = kind.parse(text)
        except ValidationFailed as problem:
            wrong = problem.problems
            continue
        if not is_words or _is_written_as(value, stored):
            return value
    raise InvalidRecord(
        f"The Response's output is no {kind.name}: {'; '.join(wrong)}.", hint="Give the type that was asked for."
    )


def _is_written_as(value: Any, stored: Any) -> bool:
    from headwater.events.codec import as_json

    try:
        return bool(as_json(value) == stored)
    except InvalidRecord:
        return False
