"""Encodes requests to Anthropic's Messages API: a conversation as turns of content blocks, settings as its fields.

Owns what is sent, and which model family supports which setting; `response` owns the answer and documents how its
blocks are stored in a message. It must never do I/O, nor drop an unsupported setting. Sources:
platform.claude.com/docs/en/api/messages, and the pages named below.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import urlencode

import msgspec

from headwater.errors import InvalidRequest, UnsupportedSetting
from headwater.events.messages import AnyPart, File, Image, Message, ProviderItem, Reasoning, Text, ToolCall, ToolResult
from headwater.providers.request import Endpoint, HTTPRequest, OutputSpec, Quirks, Request, Settings, ToolSpec
from headwater.providers.writing import arguments_object, json_text, posted, refuse_background, with_own_ids, with_words

__all__ = ("API", "CALL_TYPES", "encode", "json_or_text")

API: Final = "anthropic"
VERSION: Final = "2023-06-01"
"""The default `anthropic-version` unless `endpoint.headers` has one: the last one that accepts sampling settings."""

NOTHING_SAID: Final = "(empty)"
"""The placeholder for an empty or missing first user message."""

CALL_TYPES: Final[Mapping[str, str]] = {"agent": "tool_use", "provider": "server_tool_use"}
"""The default type of a call's block, by who runs it."""


# --- model families


class _Family(msgspec.Struct, frozen=True):
    max_tokens: int
    """The longest answer, in tokens."""
    thinking: Literal["none", "budget", "adaptive"] = "adaptive"
    off: Literal["omit", "disabled", "between_tools", "never"] = "omit"
    """How thinking is turned off: by omitting it, by a value, or not at all."""
    budgets: bool = False
    """Whether a token budget is supported besides adaptive thinking."""
    xhigh: str = "xhigh"
    """Its name for the effort above high."""
    native_output: bool = True
    """Whether it supports a JSON Schema for its answer."""
    sampling: bool = False
    """Whether it supports temperature, top_p and top_k: models after Opus 4.6 refuse all but the defaults."""


_FAMILIES: Final[tuple[tuple[str, _Family], ...]] = (
    # By prefix; the first match counts. From platform.claude.com/docs: models/overview (longest answer), and in
    # build-with-claude: effort, thinking-troubleshooting (which thinking modes are refused), structured-outputs.
    ("claude-3-7", _Family(64_000, "budget", native_output=False, sampling=True)),
    ("claude-3-5", _Family(8_192, "none", native_output=False, sampling=True)),
    ("claude-3", _Family(4_096, "none", native_output=False, sampling=True)),
    ("claude-opus-4-5", _Family(64_000, "budget", sampling=True)),
    ("claude-opus-4-6", _Family(128_000, budgets=True, xhigh="max", sampling=True)),
    ("claude-opus-4-7", _Family(128_000)),
    ("claude-opus-4-8", _Family(128_000)),
    ("claude-opus-4", _Family(32_000, "budget", native_output=False, sampling=True)),
    ("claude-sonnet-4-6", _Family(128_000, budgets=True, xhigh="max", sampling=True)),
    ("claude-sonnet-4-5", _Family(64_000, "budget", sampling=True)),
    ("claude-haiku-4-5", _Family(64_000, "budget", sampling=True)),
    ("claude-sonnet-4", _Family(64_000, "budget", native_output=False, sampling=True)),
    ("claude-sonnet-5-5", _Family(128_000, off="between_tools")),
    ("claude-opus-5-5", _Family(128_000, off="never")),
    ("claude-fable", _Family(128_000, off="never")),
    ("claude-mythos", _Family(128_000, off="never")),
    ("claude", _Family(128_000, off="disabled")),
)
_UNKNOWN: Final = _Family(8_192, "budget", sampling=True)
"""Another vendor's model behind this API: enough for an answer, and small enough for servers with a short context."""

_BUDGETS: Final[Mapping[str, int]] = {"minimal": 1024, "low": 4096, "medium": 12_288, "high": 24_576, "xhigh": 32_768}
"""Thinking budgets for efforts, for models that support only budgets."""
_LEAST_BUDGET: Final = 1024  # the API's minimum


def _family(model: str) -> _Family:
    """Returns the family of a model's name, ignoring prefixes (`anthropic/`, `us.anthropic.`) and the form of dots."""
    name = model.lower()
    name = name[max(0, name.find("claude")) :].replace(".", "-").replace("@", "-")
    return next((family for prefix, family in _FAMILIES if name.startswith(prefix)), _UNKNOWN)


# --- encoding


def encode(request: Request, endpoint: Endpoint) -> HTTPRequest:
    """Encodes a streaming request to the Messages API.

    In `settings.extra`, `betas` (a list) goes to the `anthropic-beta` header and `tools` are appended, so that the
    provider's own tools can be added. Raises UnsupportedSetting, InvalidRequest.
    """
    request = with_words(request)
    settings, quirks = request.settings, endpoint.quirks
    family = _family(request.model)
    _check(settings, endpoint, family)
    max_tokens = settings.max_tokens if settings.max_tokens is not None else family.max_tokens
    conversation = _Conversation(with_own_ids(request.messages, _ident))
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": max_tokens,
        "messages": conversation.turns,
        "stream": True,
    }
    tools = [*(_tool(tool, quirks) for tool in request.tools), *({**tool.spec} for tool in request.provider_tools)]
    if request.output is not None:
        if family.native_output and quirks.json_schema:
            schema = _narrow(request.output.schema) if request.output.strict else request.output.schema
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        else:
            conversation.system.append(_in_words(request.output))
    if settings.cache and (conversation.system or tools):
        (conversation.system or tools)[-1]["cache_control"] = _EPHEMERAL  # tools come before the system prompt
    if conversation.system:
        body["system"] = conversation.system
    if tools:
        body["tools"] = tools
    if (choice := _tool_choice(settings, bool(tools))) is not None:
        body["tool_choice"] = choice
    if conversation.container:
        body["container"] = conversation.container
    body.update(_sampling(settings))
    _think(body, settings.reasoning, family, max_tokens)
    _check_thinking(body)
    betas = [*conversation.betas, *_add_extra(body, settings.extra or {})]
    return posted(_url(endpoint), _headers(endpoint, betas), body)


_EPHEMERAL: Final = {"type": "ephemeral"}
_UNSUPPORTED: Final = ("seed", "presence_penalty", "frequency_penalty", "verbosity")


_SAMPLING: Final[Mapping[str, tuple[float, ...]]] = {"temperature": (1.0,), "top_p": (1.0,), "top_k": ()}
"""The values that models without sampling settings accept: their defaults."""
_TIERS: Final = ("auto", "standard_only")


def _check(settings: Settings, endpoint: Endpoint, family: _Family) -> None:
    given = settings.given()
    for name, taken in _SAMPLING.items():
        if name in given and not family.sampling and given[name] not in taken:
            raise UnsupportedSetting(
                f"This model does not support the setting {name}.",
                hint=f"Leave {name} out: models after Opus 4.6 refuse it.",
            )
    if settings.service_tier not in (None, *_TIERS):
        raise UnsupportedSetting(
            f"{endpoint.provider} does not support service_tier={settings.service_tier!r}.",
            hint="It accepts 'auto' and 'standard_only'.",
        )
    for name in (*_UNSUPPORTED, *sorted(endpoint.quirks.unsupported)):
        if name in given:
            raise UnsupportedSetting(
                f"{endpoint.provider} does not support the setting {name}.", hint=f"Leave {name} out."
            )
    refuse_background(settings, endpoint.provider)
    if settings.store:
        raise UnsupportedSetting("The Messages API cannot store answers: store=True is not supported.")


def _sampling(settings: Settings) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for name in ("temperature", "top_p", "top_k", "service_tier"):
        if (value := getattr(settings, name)) is not None:
            body[name] = value
    if settings.stop is not None:
        body["stop_sequences"] = list(settings.stop)
    if settings.user is not None:
        body["metadata"] = {"user_id": settings.user}
    return body


def _think(body: dict[str, Any], wish: str | bool | int | None, family: _Family, max_tokens: int) -> None:
    if wish is None:
        return
    if wish is False or wish == 0 or wish == "none":
        if family.off == "never":
            raise UnsupportedSetting("This model always reasons.", hint="Set a low effort: reasoning='low'.")
        if family.off != "omit":
            body["thinking"] = {"type": family.off}
    elif family.thinking == "none":
        raise UnsupportedSetting("This model does not support reasoning.")
    elif isinstance(wish, int) and wish is not True:
        if family.thinking == "adaptive" and not family.budgets:
            raise UnsupportedSetting(
                "This model does not support a token budget for reasoning.", hint="Set an effort instead."
            )
        if not _LEAST_BUDGET <= wish < max_tokens:
            raise UnsupportedSetting(
                f"A reasoning budget must be at least {_LEAST_BUDGET} tokens and less than max_tokens ({max_tokens}).",
                hint="Change reasoning or max_tokens.",
            )
        body["thinking"] = {"type": "enabled", "budget_tokens": wish}
    elif family.thinking == "adaptive":
        # Newer models omit the text of thinking blocks by default.
        body["thinking"] = {"type": "adaptive", "display": "summarized"}
        if isinstance(wish, str):
            effort = {"minimal": "low", "xhigh": family.xhigh}.get(wish, wish)
            body["output_config"] = {**body.get("output_config", {}), "effort": effort}
    else:
        if max_tokens <= _LEAST_BUDGET:
            raise UnsupportedSetting(f"For reasoning, this model needs max_tokens above {_LEAST_BUDGET}.")
        budget = _BUDGETS[wish if isinstance(wish, str) else "medium"]
        # The budget is part of max_tokens: leave at least half for the answer if possible.
        body["thinking"] = {"type": "enabled", "budget_tokens": min(budget, max(_LEAST_BUDGET, max_tokens // 2))}


_LEAST_TOP_P: Final = 0.95  # of a model that reasons


def _check_thinking(body: Mapping[str, Any]) -> None:
    """Refuses what the API refuses for a reasoning model: forced calls, and non-default sampling."""
    if body.get("thinking", {}).get("type") not in ("enabled", "adaptive"):
        return
    if body.get("tool_choice", {}).get("type") in ("any", "tool"):
        raise UnsupportedSetting(
            "The Messages API cannot force a tool call while the model reasons.",
            hint='Leave tool_choice out, or set reasoning="none".',
        )
    sampled = {"temperature": body.get("temperature", 1) != 1, "top_k": "top_k" in body}
    sampled["top_p"] = body.get("top_p", 1) < _LEAST_TOP_P
    for name in (name for name, refused in sampled.items() if refused):
        raise UnsupportedSetting(
            f"The Messages API does not support {name}={body[name]!r} while the model reasons.",
            hint=f'Leave {name} out, or set reasoning="none".',
        )


def _tool(tool: ToolSpec, quirks: Quirks) -> dict[str, Any]:
    strict = bool(tool.strict) and quirks.strict_tools
    parameters = {"type": "object", **tool.parameters}
    written: dict[str, Any] = {"name": tool.name, "input_schema": _narrow(parameters) if strict else parameters}
    if tool.description:
        written["description"] = tool.description
    if strict:
        written["strict"] = True
    return written


def _tool_choice(settings: Settings, any_tools: bool) -> dict[str, Any] | None:
    choice = settings.tool_choice
    single = settings.parallel_tool_calls is False
    if choice in (None, "auto", "none") and not any_tools:
        return None  # there are no tools
    if choice is None and not single:
        return None
    named = {None: "auto", "auto": "auto", "none": "none", "required": "any"}.get(choice)
    written: dict[str, Any] = {"type": named} if named else {"type": "tool", "name": choice}
    if single and named != "none":
        written["disable_parallel_tool_use"] = True
    return written


def _add_extra(body: dict[str, Any], extra: Mapping[str, Any]) -> list[str]:
    """Merges the provider's own fields into `body`; returns the betas among them."""
    betas: list[str] = []
    for name, value in extra.items():
        if name == "betas":
            betas.extend(value)
        elif name == "tools" and isinstance(value, (list, tuple)):
            body[name] = [*body.get(name, ()), *value]
        elif isinstance(value, dict) and isinstance(body.get(name), dict):
            body[name] = {**body[name], **value}
        else:
            body[name] = value
    return betas


def _url(endpoint: Endpoint) -> str:
    stem = endpoint.base_url.rstrip("/")
    url = f"{stem}/messages" if stem.endswith("/v1") else f"{stem}/v1/messages"
    return f"{url}?{urlencode(endpoint.query)}" if endpoint.query else url


def _headers(endpoint: Endpoint, betas: Sequence[str]) -> dict[str, str]:
    headers = {"content-type": "application/json", "accept": "text/event-stream", "anthropic-version": VERSION}
    headers.update((name.lower(), value) for name, value in endpoint.key_headers("x-api-key").items())
    headers.update((name.lower(), value) for name, value in endpoint.headers.items())
    given = headers.get("anthropic-beta", "").split(",")
    if wanted := dict.fromkeys(beta for beta in (*(name.strip() for name in given), *betas) if beta):
        headers["anthropic-beta"] = ",".join(wanted)
    return headers


# --- messages


class _Conversation:
    """Messages in the API's form: a separate system prompt, alternating turns, results first in their turn."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.system: list[dict[str, Any]] = []
        self.turns: list[dict[str, Any]] = []
        self.betas: list[str] = []
        self.container = _container(messages)
        for message in messages:
            blocks = [block for part in message.content if (block := self._block(part, message)) is not None]
            if message.role == "system":
                self.system += blocks
            elif blocks:
                self._add("assistant" if message.role == "assistant" else "user", blocks)
        for turn in self.turns:
            if turn["role"] == "user":
                turn["content"].sort(key=lambda block: block.get("type") != "tool_result")
        if not self.turns or self.turns[0]["role"] == "assistant":
            # The API requires the first turn to be the user's, and refuses empty text.
            self.turns.insert(0, {"role": "user", "content": [{"type": "text", "text": NOTHING_SAID}]})
        if self.turns[-1]["role"] == "assistant" and (last := self.turns[-1]["content"][-1]).get("text"):
            last["text"] = last["text"].rstrip()  # the API refuses a prefilled answer that ends in whitespace

    def _add(self, role: str, blocks: list[dict[str, Any]]) -> None:
        if self.turns and self.turns[-1]["role"] == role:
            self.turns[-1]["content"] += blocks
        else:
            self.turns.append({"role": role, "content": blocks})

    def _block(self, part: AnyPart, message: Message) -> dict[str, Any] | None:
        ours = message.api == API
        match part:
            case Text():
                return _text_block(part, ours)
            case Reasoning():
                return _thinking_block(part) if ours else None
            case ToolCall():
                return _call_block(part, ours)
            case ProviderItem():
                return part.item if part.api == API and part.item.get("type") != "container" else None
            case ToolResult():
                return self._result_block(part)
            case Image() | File():
                return self._media(part, message)
            case _:
                return None  # a citation is sent back with its text

    def _media(self, part: Image | File, message: Message) -> dict[str, Any]:
        if message.role == "assistant":
            # The API accepts none in the model's own turn; leave a placeholder.
            return {"type": "text", "text": f"[{part.media_type or 'file'}]"}
        if isinstance(part, Image):
            block = {"type": "image", "source": _image_source(part)}
        else:
            if part.id is not None:
                self.betas.append("files-api-2025-04-14")
            block = _document(part)
        return _marked(block, part.cache)

    def _result_block(self, result: ToolResult) -> dict[str, Any]:
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": result.id}
        if isinstance(result.content, str):
            if result.content.strip():
                block["content"] = result.content
        else:
            inner = Message(role="tool", content=result.content)
            block["content"] = [b for part in result.content if (b := self._block(part, inner)) is not None]
        if result.error:
            block["is_error"] = True
        return _marked(block, result.cache)


def _text_block(part: Text, ours: bool) -> dict[str, Any] | None:
    if not part.text.strip():
        return None  # refused by the API
    return _marked({"type": "text", "text": part.text, **_stored(part.signature, ours)}, part.cache)


def _thinking_block(part: Reasoning) -> dict[str, Any] | None:
    if part.redacted is not None:
        return {"type": "redacted_thinking", "data": part.redacted}
    if part.signature is None:
        return None  # cut off before it was signed: the API would refuse it
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _call_block(call: ToolCall, ours: bool) -> dict[str, Any] | None:
    if call.by == "provider" and not ours:
        return None  # another provider's own tool: its result is not available here
    arguments = arguments_object(call)
    kind = CALL_TYPES["provider" if call.by == "provider" else "agent"]
    written = {"type": kind, "id": call.id, "name": call.name, "input": arguments}
    return {**written, **_stored(call.signature, ours)}


def _stored(signature: str | None, ours: bool) -> dict[str, Any]:
    """The block's other fields, which the decoder stored in the signature of a text or a call."""
    value = json_or_text(signature.encode()) if signature and ours else None
    return value if isinstance(value, dict) else {}


def _marked(block: dict[str, Any], cache: bool) -> dict[str, Any]:
    return {**block, "cache_control": _EPHEMERAL} if cache else block


def _ident(ident: str) -> str:
    """Returns a call id in the characters that the API accepts; other providers' ids may have more."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", ident) or "call"


def _container(messages: Sequence[Message]) -> str | None:
    """The container of a turn that still waits for results: the provider's code in it waits for them too."""
    for message in reversed(messages):
        if message.role == "assistant":
            items = [part.item for part in message.content if isinstance(part, ProviderItem) and part.api == API]
            return next((item.get("id") for item in items if item.get("type") == "container"), None)
        if message.role != "tool":
            return None
    return None


def _base64(data: bytes, media_type: str) -> dict[str, Any]:
    return {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode()}


def _image_source(image: Image) -> dict[str, Any]:
    if image.data is not None:
        return _base64(image.data, image.media_type)
    assert image.url is not None
    if image.url.startswith("data:"):
        head, _, data = image.url.removeprefix("data:").partition(",")
        return {"type": "base64", "media_type": head.partition(";")[0], "data": data}
    return {"type": "url", "url": image.url}


def _document(file: File) -> dict[str, Any]:
    picture = file.media_type.startswith("image/")
    if file.id is not None:
        source: dict[str, Any] = {"type": "file", "file_id": file.id}
    elif file.url is not None:
        source = {"type": "url", "url": file.url}
    elif picture or file.media_type == "application/pdf":
        source = _base64(file.data or b"", file.media_type)
    else:
        try:
            source = {"type": "text", "media_type": "text/plain", "data": (file.data or b"").decode()}
        except UnicodeDecodeError:
            raise InvalidRequest(
                f"The Messages API accepts images, PDF and text, but not {file.media_type}.", provider=API
            ) from None
    block: dict[str, Any] = {"type": "image" if picture else "document", "source": source}
    if file.name and not picture:
        block["title"] = file.name
    return block


# --- schemas


def _in_words(output: OutputSpec) -> dict[str, Any]:
    schema = json_text(output.schema)
    return {
        "type": "text",
        "text": f"Answer only with JSON that fits this JSON Schema, without any other text:\n{schema}",
    }


_NESTED: Final = ("properties", "$defs", "definitions")
_LISTED: Final = ("anyOf", "oneOf", "allOf")
_TAKEN: Final = frozenset(
    {"type", "description", "title", "enum", "const", "default", "required", "items", "$ref", *_NESTED, *_LISTED}
)
_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)


def _narrow(schema: dict[str, Any]) -> dict[str, Any]:
    """Reduces a schema to the enforced subset: closed objects, other constraints moved into the description."""
    narrow: dict[str, Any] = {}
    told: list[str] = []
    for name, value in schema.items():
        if name in _NESTED and isinstance(value, dict):
            narrow[name] = {key: _narrow(inner) if isinstance(inner, dict) else inner for key, inner in value.items()}
        elif name in _LISTED and isinstance(value, list):
            key = "anyOf" if name == "oneOf" else name
            narrow[key] = [_narrow(inner) if isinstance(inner, dict) else inner for inner in value]
        elif name == "items" and isinstance(value, dict):
            narrow[name] = _narrow(value)
        elif name in _TAKEN or (name == "format" and value in _FORMATS) or (name == "minItems" and value in (0, 1)):
            narrow[name] = value
        elif name != "additionalProperties":
            told.append(f"{name}: {json_text(value)}")
    if schema.get("type") == "object":
        narrow["additionalProperties"] = False
    if told:
        narrow["description"] = " ".join(filter(None, (schema.get("description"), f"({', '.join(told)})")))
    return narrow


# --- JSON


def json_or_text(data: bytes) -> Any:
    """Returns `data` decoded as JSON, else as text."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return data.decode("utf-8", "replace")
