"""Encodes requests to the Gemini API: a conversation as contents, settings as `generationConfig`.

Owns what is sent; `response` owns the answer. It must never do I/O, drop a setting silently, or move a signature to
another part. https://ai.google.dev/api/generate-content and the `google-genai` package's types.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from headwater import errors
from headwater.events.messages import (
    AnyPart,
    File,
    Image,
    Message,
    ProviderItem,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    read_data_url,
)
from headwater.providers.request import Endpoint, HTTPRequest, Request, Settings, ToolSpec
from headwater.providers.writing import arguments_object, posted, refuse_background, with_own_ids, with_words
from headwater.schema.well_formed import well_formed

__all__ = ("API", "NO_SIGNATURE", "encode")

API: Final = "gemini"

_VERSION = re.compile(r"/v\d+(?:alpha|beta)?\d*$")
_GENERATION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")
_RESOURCES: Final = ("models/", "tunedModels/", "publishers/", "projects/", "endpoints/")

_BUDGETS: Final = {"minimal": 512, "low": 1024, "medium": 8192, "high": 24576}
"""Thinking tokens for an effort, for models that support only budgets; as in Google's own OpenAI endpoint, except for
"minimal", which that endpoint treats like "low"."""

NO_SIGNATURE: Final = "skip_thought_signature_validator"
"""The documented placeholder signature for a call that another model made: Gemini 3 refuses a call without one."""


def encode(request: Request, endpoint: Endpoint) -> HTTPRequest:
    """Encodes a request for `streamGenerateContent` with server-sent events.

    `settings.extra` is merged in last: objects are merged, `tools` are appended, anything else replaces headwater's
    value. An image's `detail` is a hint, sent to the generations that accept one per part.

    Raises: UnsupportedSetting; InvalidRequest for content that Gemini cannot represent.
    """
    request = with_words(request)
    settings, generation = request.settings, _generation(request.model)
    _refuse(settings, endpoint)
    writer = _Writer(endpoint, generation)
    body: dict[str, Any] = {"contents": writer.contents(with_own_ids(request.messages))}
    if writer.system:
        body["systemInstruction"] = {"parts": writer.system}
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in request.tools]}]
    if request.provider_tools:
        body["tools"] = [*body.get("tools", ()), *(tool.spec for tool in request.provider_tools)]
    if settings.tool_choice is not None:
        body["toolConfig"] = {"functionCallingConfig": _tool_choice(settings.tool_choice)}
    config = _generation_config(request, generation)
    if config:
        body["generationConfig"] = config
    if (tier := _TIERS.get(settings.service_tier or "")) is not None:
        body["serviceTier"] = tier
    if settings.store is not None:
        body["store"] = settings.store
    _merge(body, settings.extra or {})
    headers = {"content-type": "application/json", **endpoint.key_headers("x-goog-api-key"), **endpoint.headers}
    return posted(_url(endpoint, request.model), headers, body)


def _generation(model: str) -> tuple[int, int] | None:
    """Returns the Gemini version in a name, as (major, minor); None if it has none. `-latest` names mean 3 or later."""
    if found := _GENERATION.search(model):
        return int(found[1]), int(found[2] or 0)
    return (3, 0) if model.endswith("-latest") else None


def _root(endpoint: Endpoint) -> str:
    root = endpoint.base_url.rstrip("/")
    return root if _VERSION.search(root) or "/projects/" in root else f"{root}/v1beta"


def _url(endpoint: Endpoint, model: str) -> str:
    path = model if model.startswith(_RESOURCES) else f"models/{model}"
    query = urlencode({"alt": "sse", **endpoint.query})
    return f"{_root(endpoint)}/{quote(well_formed(path))}:streamGenerateContent?{query}"


_TIERS: Final[Mapping[str, str | None]] = {
    "auto": None,  # the default of Gemini
    "default": "standard",
    "standard": "standard",
    "flex": "flex",
    "priority": "priority",
}
"""The service tiers, and the API's names for them."""


def _refuse(settings: Settings, endpoint: Endpoint) -> None:
    refuse_background(settings, endpoint.provider or API)
    given = settings.given()
    if settings.parallel_tool_calls:
        given.pop("parallel_tool_calls")  # the default of Gemini
    refused = {"verbosity", "user", "parallel_tool_calls"} | endpoint.quirks.unsupported
    for name in given:
        if name in refused:
            raise errors.UnsupportedSetting(
                f"{endpoint.provider or API} does not support {name}={given[name]!r}.",
                hint=f"Leave {name} out, or pass the API's own field in extra=.",
            )
    if settings.service_tier not in (None, *_TIERS):
        raise errors.UnsupportedSetting(
            f"{endpoint.provider or API} does not support service_tier={settings.service_tier!r}.",
            hint=f"It accepts {', '.join(_TIERS)}.",
        )


_PLAIN: Final = frozenset({"type", "properties", "required", "additionalProperties", "title", "description", "$schema"})


def _asks_for_nothing(schema: dict[str, Any]) -> bool:
    """Whether a tool has no parameters: Gemini refuses an object without properties."""
    if schema.keys() - _PLAIN or schema.get("properties"):
        return False
    return not isinstance(schema.get("additionalProperties"), dict)


def _declaration(tool: ToolSpec) -> dict[str, Any]:
    declaration: dict[str, Any] = {"name": tool.name}
    if tool.description:
        declaration["description"] = tool.description
    if not _asks_for_nothing(tool.parameters):
        declaration["parametersJsonSchema"] = tool.parameters
    return declaration


def _tool_choice(choice: str) -> dict[str, Any]:
    modes = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
    return {"mode": modes[choice]} if choice in modes else {"mode": "ANY", "allowedFunctionNames": [choice]}


_CONFIG: Final = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_tokens": "maxOutputTokens",
    "stop": "stopSequences",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}


def _generation_config(request: Request, generation: tuple[int, int] | None) -> dict[str, Any]:
    given = request.settings.given()
    config: dict[str, Any] = {wire: given[name] for name, wire in _CONFIG.items() if name in given}
    if request.output is not None:
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = request.output.schema
    if request.settings.reasoning is not None:
        thinking = _thinking(request.model, generation, request.settings.reasoning)
        if thinking:
            config["thinkingConfig"] = thinking
    return config


def _thinking(model: str, generation: tuple[int, int] | None, reasoning: str | bool | int) -> dict[str, Any]:
    """Returns `thinkingConfig`: Gemini 3 and later use a level, 2.5 a budget, earlier ones do not think."""
    off = reasoning is False or reasoning == "none" or (reasoning == 0 and reasoning is not True)
    old = generation is not None and generation < (2, 5)
    levels = generation is not None and generation >= (3, 0)
    if off:
        if old:
            return {}
        if levels or "2.5-pro" in model:
            raise errors.UnsupportedSetting(
                f"{model} cannot turn thinking off, but reasoning={reasoning!r} was set.",
                hint='The minimum is reasoning="low".',
            )
        return {"thinkingBudget": 0}
    if old:
        raise errors.UnsupportedSetting(
            f"{model} cannot think, but reasoning={reasoning!r} was set.", hint="Gemini 2.5 and later can."
        )
    if reasoning is True:
        return {"includeThoughts": True} if levels else {"includeThoughts": True, "thinkingBudget": -1}
    if isinstance(reasoning, int):
        return {"includeThoughts": True, "thinkingBudget": reasoning}
    if levels and reasoning in _BUDGETS:
        return {"includeThoughts": True, "thinkingLevel": reasoning}
    if reasoning not in _BUDGETS:
        raise errors.UnsupportedSetting(
            f"{model} does not support reasoning={reasoning!r}.",
            hint='The maximum is reasoning="high", or use a budget in tokens.',
        )
    return {"includeThoughts": True, "thinkingBudget": _BUDGETS[reasoning]}


def _merge(ours: dict[str, Any], theirs: dict[str, Any], depth: int = 0) -> None:
    for name, value in theirs.items():
        mine = ours.get(name)
        if isinstance(mine, dict) and isinstance(value, dict):
            ours[name] = merged = dict(mine)
            _merge(merged, value, depth + 1)
        elif depth == 0 and name == "tools" and isinstance(mine, list) and isinstance(value, (list, tuple)):
            ours[name] = [*mine, *value]
        else:
            ours[name] = value


class _Writer:
    """Encodes messages as contents; keeps the system messages and the ids of Gemini's own calls."""

    def __init__(self, endpoint: Endpoint, generation: tuple[int, int] | None) -> None:
        self.system: list[dict[str, Any]] = []
        self._endpoint = endpoint
        self._current = generation is not None and generation >= (3, 0)
        self._ids: dict[str, str] = {}

    def contents(self, messages: Iterable[Message]) -> list[dict[str, Any]]:
        """Encodes all but the system messages, in order. The results for one step's calls go into one content."""
        contents: list[dict[str, Any]] = []
        before = ""
        for message in messages:
            parts: list[dict[str, Any]]
            match message.role:
                case "system":
                    self.system += [self._said_part(part) for part in message.content]
                    continue
                case "assistant":
                    role, parts = "model", self._model_parts(message)
                case "tool":
                    role, parts = "user", self._results(message)
                case _:
                    role, parts = "user", [self._said_part(part) for part in message.content]
            if before == message.role == "tool":
                contents[-1]["parts"] += parts
            elif parts:
                contents.append({"role": role, "parts": parts})
            before = message.role
        return contents

    def _said_part(self, part: AnyPart) -> dict[str, Any]:
        if isinstance(part, Text):
            return {"text": part.text}
        if isinstance(part, (Image, File)):
            return self._media(part)
        raise errors.InvalidRequest(
            f"Gemini accepts a {type(part).__name__} only in the model's messages.", provider=API
        )

    def _model_parts(self, message: Message) -> list[dict[str, Any]]:
        own = message.api == API
        parts: list[dict[str, Any]] = []
        called = False
        for part in message.content:
            wire: dict[str, Any] | None = None
            match part:
                case Text() if part.text:
                    wire = {"text": part.text}
                case Reasoning() if own and part.text:
                    wire = {"text": part.text, "thought": True}
                case ToolCall() if part.by != "provider":
                    wire = self._call(part, own)
                    if self._current and not called and not (own and part.signature):
                        wire["thoughtSignature"] = NO_SIGNATURE
                    called = True
                case Image() | File():
                    wire = self._media(part)
                case ProviderItem(api="gemini"):
                    wire = dict(part.item)
                case _:
                    pass
            if wire is not None:
                if own and part.signature:
                    wire["thoughtSignature"] = part.signature
                parts.append(wire)
        return parts

    def _call(self, call: ToolCall, own: bool) -> dict[str, Any]:
        wire: dict[str, Any] = {"name": call.name, "args": arguments_object(call, "input")}
        if own and call.item_id:
            wire["id"] = self._ids[call.id] = call.item_id
        return {"functionCall": wire}

    def _results(self, message: Message) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        beside: list[dict[str, Any]] = []
        for result in message.content:
            if not isinstance(result, ToolResult):
                raise errors.InvalidRequest(f"A tool message holds a {type(result).__name__}.", provider=API)
            content = (Text(text=result.content),) if isinstance(result.content, str) else result.content
            text = "\n".join(part.text for part in content if isinstance(part, Text))
            media = [self._media(part) for part in content if not isinstance(part, Text)]
            wire: dict[str, Any] = {"name": result.name, "response": {"error" if result.error else "output": text}}
            if result.id in self._ids:
                wire["id"] = self._ids[result.id]
            if media and self._current:
                wire["parts"] = media
            else:
                beside += media  # before Gemini 3, media follow the responses, which must come first
            parts.append({"functionResponse": wire})
        return parts + beside

    def _media(self, part: Image | File) -> dict[str, Any]:
        data, media_type, uri = part.data, part.media_type, part.url
        if uri is not None and (inline := read_data_url(uri)) is not None:
            data, media_type = inline
        if data is not None:
            wire: dict[str, Any] = {
                "inlineData": {"mimeType": media_type, "data": base64.b64encode(data).decode("ascii")}
            }
        else:
            if isinstance(part, File) and part.id is not None:
                uri = f"{_root(self._endpoint)}/{part.id}" if part.id.startswith("files/") else part.id
            wire = {"fileData": {"fileUri": uri}}
            if media_type:
                wire["fileData"]["mimeType"] = media_type
        if self._current and isinstance(part, Image) and part.detail in ("low", "high"):
            wire["mediaResolution"] = {"level": f"MEDIA_RESOLUTION_{part.detail.upper()}"}
        return wire
