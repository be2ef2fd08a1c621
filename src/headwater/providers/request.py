"""A model request and its destination, as values: settings, tools, the request, the endpoint and its key.

Values only. Each API module encodes requests; `registry` creates endpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

from headwater.events.messages import Message
from headwater.providers.redaction import without_secrets
from headwater.schema.arguments import Explained

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

# --- the request

Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


class Settings(Explained, frozen=True, kw_only=True, omit_defaults=True):
    """Settings of a model, by their usual names; None is the provider's default.

    A setting that the provider does not support raises UnsupportedSetting when the request is encoded; none is dropped.
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
    """How much to reason: an effort, a budget in tokens, or on (True) and off (False)."""
    verbosity: Literal["low", "medium", "high"] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    service_tier: str | None = None
    user: str | None = None
    cache: bool | None = None
    """Request prompt caching of the instructions and tools, if the provider needs a request for it."""
    store: bool | None = None
    background: bool | None = None
    """Compute the answer in the background (OpenAI's Responses API), so that a broken stream can be taken up again;
    implies `store`."""
    extra: dict[str, Any] | None = None
    """The provider's own fields, merged into the request body unchanged; they override headwater's."""

    def given(self) -> dict[str, Any]:
        """Returns the settings that were set, by name."""
        if self == _NOTHING_SET:  # a check that is ten times faster, three times per run
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
    """A tool that the provider runs on its side, such as web search, in its own format: `{"type": "web_search"}`."""

    spec: dict[str, Any]

    def __post_init__(self) -> None:
        if not isinstance(self.spec, dict) or not self.spec:
            raise TypeError(
                'A ProviderTool is a dict in the provider\'s own format: ProviderTool({"type": "web_search"}).'
            )


class OutputSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The output format: a JSON Schema for the answer."""

    name: str
    schema: dict[str, Any]
    strict: bool = True
    description: str = ""
    in_words: bool = False
    """Whether the schema goes into the instructions, for servers that refuse it elsewhere."""
    tool: str = ""
    """The name of the request's tool that takes the answer, in that mode."""

    @property
    def mode(self) -> Literal["native", "tool", "prompted"]:
        """The output mode: as a schema, as a tool's arguments, in the instructions."""
        return "tool" if self.tool else "prompted" if self.in_words else "native"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request to a model: everything that an API module needs to encode it."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    provider_tools: tuple[ProviderTool, ...] = ()
    output: OutputSpec | None = None
    settings: Settings = Settings()
    connect: float | msgspec.UnsetType | None = msgspec.UNSET
    """Connect timeout in seconds (None: unlimited) if the run sets one; if unset, each model's own timeout applies."""


# --- the endpoint


class Secret:
    """A key that is never shown: its repr and str are dots; `reveal` is called only to write a header."""

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
        raise TypeError("A Secret cannot be pickled. Pass the key again where it is needed.")


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """How one server differs from the API it speaks: values, not branches. A new field needs a recording."""

    max_tokens_field: str = "max_tokens"
    """OpenAI's own models require max_completion_tokens; most compatible servers know only max_tokens."""
    stream_options: bool = True
    """Whether `stream_options: {"include_usage": true}` is accepted."""
    system_role: Literal["system", "developer"] = "system"
    reasoning_field: Literal[
        "reasoning_effort", "reasoning", "thinking", "enable_thinking", "chat_template_kwargs", "none"
    ] = "reasoning_effort"
    """The field for the reasoning setting."""
    reasoning_back: Literal["", "reasoning_content", "reasoning", "reasoning_details", "thinking"] = ""
    """The field in which earlier reasoning is sent back, if the server expects it; "thinking" is a part of content."""
    reasoning_fields: frozenset[str] = frozenset()
    """Additional fields of a reasoning item that the server expects back (Responses)."""
    strict_tools: bool = True
    """Whether a tool's function may have `strict`."""
    json_schema: bool = True
    """Whether `response_format: json_schema` is accepted; else json_object with the schema in the instructions."""
    parallel_tool_calls: bool = True
    """Whether `parallel_tool_calls` is accepted; if not, calls may always be parallel."""
    seed_field: str = "seed"
    cache_marks: bool = False
    """Whether content may have `cache_control`."""
    message_names: bool = False
    """Whether a message may have a `name` for its author."""
    files_by_url: Literal["", "file_data", "document_url"] = ""
    """How a file for the server to fetch is written; "" if it fetches none."""
    efforts: frozenset[str] = frozenset()
    """The accepted reasoning efforts; empty for all."""
    sounds: frozenset[str] = frozenset()
    """The accepted audio formats; empty for all."""
    audio: bool = True
    """Whether a message may contain audio (`input_audio`)."""
    video: bool = True
    """Whether a message may contain a video (`video_url`)."""
    documents: bool = True
    """Whether a message may contain a file other than image, audio or plain text."""
    kept_fields: frozenset[str] | None = None
    """Additional fields of an earlier answer and its calls (`audio`, `extra_content`) that are sent back; None for
    all."""
    custom_calls: bool = False
    """Whether a free-text call may be sent back as such (`"type": "custom"`); else as a function's, with `input`."""
    tiers: frozenset[str] = frozenset()
    """The accepted service tiers; empty for all."""
    call_id_length: int = 0
    """The required length of a call's id, in letters and digits; 0 for any length."""
    background: bool = True
    """Whether answers can be computed in the background (Responses)."""
    unsupported: frozenset[str] = frozenset()
    """Names of Settings that this server refuses or ignores."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests are sent: provider, API, base URL and key. Headers and query may hold a key too, so none of them
    is shown."""

    provider: str
    api: str
    base_url: str
    key: Secret | None = None
    key_header: str = ""
    """The header for the key, if it is not the API's own: "api-key" (Azure), "authorization" (a bearer token)."""
    token: Literal["", "azure", "google"] = ""
    """Whose credentials provide a bearer token if there is no key; see `catalog.TOKEN_SCOPES`."""
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    quirks: Quirks = Quirks()
    start_hint: str = ""
    """What to do where no server answers on one's own machine."""
    model_hint: str = ""
    """The hint if the provider does not have the model."""

    def key_headers(self, header: str) -> dict[str, str]:
        """Returns the header that holds the key: the endpoint's own, else the API's (`header`); {} without a key.

        In `authorization` the key is a bearer token, in any other header it is the whole value.
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
    """The request for the transport. Its headers hold the key, so it must never be logged or shown."""

    method: str = "POST"
    url: str
    headers: dict[str, str]
    body: bytes
    start_hint: str = ""
    """What to do where no server answers on one's own machine."""
    replaced: bool = False
    """Whether the text had lone surrogates, which were sent as U+FFFD."""

    def __repr__(self) -> str:
        return f"HTTPRequest({self.method} {self.url.partition('?')[0]}, {len(self.body)} bytes)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("method", self.method), ("url", self.url.partition("?")[0]), ("bytes", len(self.body))]
