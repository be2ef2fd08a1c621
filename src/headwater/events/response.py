"""The Response: a run's result, as a string with details of the run, and as JSON for storage.

Owns its fields and their defaults. `fold` creates it and `answers` composes it; nothing here reads an event.
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
    """A run's result: the answer's text, as a string with details of the run.

    It is a `str`: print it, join it, `json.dumps` it, compare it. An answer without text is falsy. Awaiting it returns
    itself, so `agent.run(…)` and `await agent.run(…)` both work where a run blocks.
    """

    transcript: str
    """All the text that was shown, over all steps."""
    output: OutputT
    """The answer as a value of the output type; the text if there is no output type."""
    reasoning: str
    refusal: str
    tool_errors: tuple[ToolError, ...]
    """Tools that raised or timed out, in the order in which they ended; the model was told and continued."""
    tool_calls: tuple[ToolCall, ...]
    """Every call the model made, over all steps, in order."""
    sources: tuple[Source, ...]
    files: tuple[Image | File, ...]
    finish_reason: FinishReason | None
    provider_finish_reason: str | None
    """The finish reason as the provider reported it."""
    usage: Usage
    model: str
    provider: str
    messages: tuple[Message, ...]
    """The conversation up to and including this answer; a valid history to continue from."""
    run_id: str
    agent: str
    """The name of the agent that answered: after a handoff, the last one; for a workflow, its own name."""
    duration: float
    """Seconds from the start of the run to its end."""
    time_to_first_token: float | None
    """Seconds from the start of the run to the first text, reasoning or tool call; None if there was none."""
    tokens_per_second: float | None
    partial: bool
    """True if the run did not finish: cancelled, failed, or abandoned."""
    usage_origin: Literal["measured", "estimated", "unknown"]
    """Whether the provider reported `usage` for every attempt, or it holds estimates, or parts of it are unknown."""
    callback_errors: int
    members: Mapping[str, Response[Any]]
    """For a workflow: each member's Response by name, in the order of the members. After a handoff: each agent's own
    Response, in the order in which they answered."""
    unheard: tuple[Message, ...]
    """Messages that were sent to the run while it was running, and that no model has seen."""
    error: Exception | None
    """The error that ended it, if it was not raised because the workflow collects errors."""

    def __new__(cls, text: str = "", **fields: Any) -> Self:
        """Called by `fold`; `fields` are the attributes above by name. Raises TypeError for any other name."""
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
        """Details of the run, as in a stream's last chunk: model, provider, tokens (the usage), time_to_first_token,
        duration; a refusal if there was one.
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

    if not TYPE_CHECKING:  # type checkers would otherwise accept any name

        def __getattr__(self, name: str) -> Any:
            # Called only for missing attributes: names that users know from other libraries.
            # Python puts ". Did you mean: …" behind a message without a hint, so that has no point of its own.
            hint = f". Use {ours}." if (ours := _ELSEWHERE.get(name)) else ""
            raise AttributeError(f"A Response has no {name!r}{hint}", name=name, obj=self)

    def replaced(self, text: str, **fields: Any) -> Response[Any]:
        """Returns a copy with another text and other fields."""
        return Response(text, **{**self.__dict__, **fields})

    def to_dict(self) -> dict[str, Any]:
        """Returns the answer and the details of the run as JSON data, without the messages."""
        fields = {name: self.__dict__[name] for name in _PLAIN}
        return {"text": self.text, **fields, "usage": self.usage.to_dict()}

    def to_json(self) -> str:
        """Returns everything as JSON, for storage: messages, members and their errors. `from_json` reads it.

        An output of your own type is written as its JSON, an exception as its message. Raises InvalidRecord if a value
        has no JSON form.
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
        """Reads the output of `to_json`: every field is equal, the output is plain JSON data.

        With `output_type` the output becomes a value of that type again; in a partial Response it stays the text.
        Raises InvalidRecord if the data is not a Response, is of a newer version, or its output does not fit;
        ConfigurationError if the type has no schema.
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
    "unwrap": "the response itself, which is its text; a failed run raises",
    "data": "`response.output`",
    "json": "`response.output` for the answer's value, `response.to_json()` for everything",
    "dict": "`response.to_dict()`",
    "model_dump": "`response.to_dict()`",
    "model_dump_json": "`response.to_json()`",
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
"""Names from other libraries, and their equivalents here."""

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
    """A Response's fields; `transcript` and `output` default to the text."""

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
    """Returns the JSON form of the Response."""
    text = response.text
    said = {name: getattr(response, name) for name in _DEFAULTS}
    said["members"] = {name: recorded(member) for name, member in response.members.items()}
    said["error"] = None if response.error is None else ErrorInfo.of(response.error)
    for name in ("transcript", "output"):
        if isinstance(said[name], str) and said[name] == text:
            del said[name]
    # msgspec omits defaults by identity; a Response's defaults are equal to the record's, but not identical.
    said = {name: value for name, value in said.items() if name == "output" or value != _DEFAULTS[name]}
    return ResponseRecord(text=text, **said)


def restored(record: ResponseRecord) -> Response[Any]:
    """Returns the Response from its JSON form."""
    said = {name: value for name in _DEFAULTS if (value := getattr(record, name)) is not msgspec.UNSET}
    said["members"] = {name: restored(member) for name, member in record.members.items()}
    said["error"] = None if record.error is None else record.error.exception()
    return Response(record.text, **said)


def _as_type(output_type: Any, response: Response[Any]) -> Any:
    """Returns the output as a value of a type, from its original text, else from its JSON. Raises InvalidRecord."""
    from headwater.schema.output import OutputType
    from headwater.schema.plain import to_json
    from headwater.schema.problems import ValidationFailed

    kind, stored = OutputType(output_type), response.output
    # A type cannot always read what it writes (aliases, hidden secrets), but it can read the model's text.
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
        f"The Response's output is not a valid {kind.name}: {'; '.join(wrong)}.",
        hint="Pass the output type of the original run.",
    )


def _is_written_as(value: Any, stored: Any) -> bool:
    from headwater.events.codec import as_json

    try:
        return bool(as_json(value) == stored)
    except InvalidRecord:
        return False
