"""What is asked of a model and where it is sent, as values: settings, tools, the request, the endpoint and its key.

Values only. How a request is written is each API module's; where an endpoint comes from is `registry`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

from headwater.events.messages import Message
from headwater.providers.redaction import without_secrets

__all__ = (
    "Effort",
    "Endpoint",
    "HTTPRequest",
    "OutputSpec",
    "ProviderTool",
    "Quirks",
    "Request",
    "Secret",
    "Settings",
    "ToolChoice",
    "ToolSpec",
)

# --- what is asked for

Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a model should answer, by the usual names; None is the provider's default.

    A setting that the provider cannot honour raises UnsupportedSetting when the request is encoded; none is dropped.
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
    """Ask for prompt caching of the instructions and tools, if the provider has to be asked."""
    store: bool | None = None
    extra: dict[str, Any] | None = None
    """The provider's own fields, merged into the request body unchanged; they override ours."""

    def given(self) -> dict[str, Any]:
        """Returns the settings that were set, by name."""
        if self == _NOTHING_SET:  # which is told in a tenth of the time, three times a run
            return {}
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}

    def shown(self) -> dict[str, Any]:
        """Returns `given` for display and logs: values in `extra` under a secret's name are hidden."""
        given = self.given()
        return given if self.extra is None else {**given, "extra": without_secrets(self.extra)}

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.shown().items())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [*self.shown().items()]


_NOTHING_SET: Final = Settings()

ToolChoice: TypeAlias = str
""""auto", "none", "required", or the name of the one tool to call."""


class ToolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as described to a provider; `parameters` is a JSON Schema of type object."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool | None = None


class ProviderTool(msgspec.Struct, frozen=True):
    """A tool that the provider runs on its side, such as its web search, in its own words: `{"type": "web_search"}`."""

    spec: dict[str, Any]

    def __post_init__(self) -> None:
        if not isinstance(self.spec, dict) or not self.spec:
            raise TypeError(
                'A ProviderTool is a dict in the provider\'s own words: ProviderTool({"type": "web_search"}).'
            )


class OutputSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The shape the answer must have, as a JSON Schema."""

    name: str
    schema: dict[str, Any]
    strict: bool = True
    description: str = ""
    in_words: bool = False
    """Whether it is asked for in the instructions, for servers that refuse a schema beside them."""
    tool: str = ""
    """The tool among the request's by which it is given, where it is asked for so."""

    @property
    def mode(self) -> Literal["native", "tool", "prompted"]:
        """How it is asked for: as a schema, as a tool's arguments, in words."""
        return "tool" if self.tool else "prompted" if self.in_words else "native"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request to a model: all that an API module needs to encode it."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    provider_tools: tuple[ProviderTool, ...] = ()
    output: OutputSpec | None = None
    settings: Settings = Settings()
    connect: float | msgspec.UnsetType | None = msgspec.UNSET
    """Seconds that a connection may take (None: any), if the run says so; unset, each model's own clock holds."""


# --- where it is sent


class Secret:
    """A key that does not show: its repr and str are dots; `reveal` is called only to write a header."""

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
    """How one server differs from the API it speaks: values, not branches. A new field needs a recording."""

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
    """The field in which earlier reasoning is sent back, if the server wants it; "thinking" is a part of content."""
    reasoning_fields: frozenset[str] = frozenset()
    """Further fields of a reasoning item that the server wants back (Responses)."""
    strict_tools: bool = True
    """Whether `strict` may stand in a tool's function."""
    json_schema: bool = True
    """Whether `response_format: json_schema` is taken; else json_object and the schema in words."""
    parallel_tool_calls: bool = True
    """Whether `parallel_tool_calls` is taken; where it is not, calls may always come in parallel."""
    seed_field: str = "seed"
    cache_marks: bool = False
    """Whether content may carry `cache_control`."""
    message_names: bool = False
    """Whether a message may say by `name` who speaks."""
    files_by_url: Literal["", "file_data", "document_url"] = ""
    """How a file that the server should fetch is written; "" if it fetches none."""
    efforts: frozenset[str] = frozenset()
    """The words for how much to think that are taken; empty for all of them."""
    sounds: frozenset[str] = frozenset()
    """The formats of sound that a message may hold; empty for all of them."""
    audio: bool = True
    """Whether a message may hold sound (`input_audio`)."""
    video: bool = True
    """Whether a message may show a video (`video_url`)."""
    documents: bool = True
    """Whether a message may hold a file that is neither picture, sound nor plain text."""
    kept_fields: frozenset[str] | None = None
    """Which further fields of an earlier answer and its calls (`audio`, `extra_content`) go back; None for all."""
    custom_calls: bool = False
    """Whether a call by free text may go back as one (`"type": "custom"`); else as a function's, with `input`."""
    tiers: frozenset[str] = frozenset()
    """The words for a service tier that are taken; empty for all of them."""
    call_id_length: int = 0
    """How long a call's id must be, in letters and digits; 0 for any length."""
    unsupported: frozenset[str] = frozenset()
    """Names of Settings that this server refuses or ignores."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests are sent: provider, API, base URL and key. Headers and query may hold a key too, so none is
    shown."""

    provider: str
    api: str
    base_url: str
    key: Secret | None = None
    key_header: str = ""
    """The header for the key, where it is not the API's own: "api-key" (Azure), "authorization" (a bearer token)."""
    token: Literal["", "azure", "google"] = ""
    """Whose credentials provide a bearer token for each request without a key; see `catalog.TOKEN_SCOPES`."""
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    quirks: Quirks = Quirks()
    start_hint: str = ""
    """What to do where no server answers on one's own machine."""
    model_hint: str = ""
    """What to do where the provider does not have the model."""

    def key_headers(self, header: str) -> dict[str, str]:
        """Returns the header that holds the key: the endpoint's own, else the API's (`header`); {} without a key.

        In `authorization` the key is a bearer token, in any other header it stands alone.
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
    """What goes to the transport. Its headers hold the key, so it must never be logged or shown."""

    method: str = "POST"
    url: str
    headers: dict[str, str]
    body: bytes
    start_hint: str = ""
    """What to do where no server answers on one's own machine."""
    replaced: bool = False
    """Whether the text held halves of surrogate pairs, which went as U+FFFD."""

    def __repr__(self) -> str:
        return f"HTTPRequest({self.method} {self.url.partition('?')[0]}, {len(self.body)} bytes)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("method", self.method), ("url", self.url.partition("?")[0]), ("bytes", len(self.body))]
