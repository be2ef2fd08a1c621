"""Encodes requests to OpenAI's Responses API: a conversation as input items, settings as its fields.

Owns what is sent; `response` owns the answer, and `output` documents how an answer's items are stored in a message, so
that they are sent back unchanged. It must never do I/O, nor send a field that was not asked for because some server
might like it: `Quirks` has the differences of servers. https://platform.openai.com/docs/api-reference/responses/create
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

import msgspec

from headwater.errors import UnsupportedSetting
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
    data_url,
)
from headwater.providers.request import Endpoint, HTTPRequest, OutputSpec, Quirks, Request, Settings, ToolSpec
from headwater.providers.writing import (
    add_extra,
    arguments_object,
    json_object,
    json_text,
    posted,
    with_own_ids,
    with_words,
)

__all__ = ("API", "JSON", "OWN_CALLS", "QUIRKS", "encode", "without")

API: Final = "openai-responses"

JSON: TypeAlias = dict[str, Any]

OWN_CALLS: Final = frozenset({"function_call", "custom_tool_call"})
"""Items that are calls of the program's tools."""

_OPENAI: Final = Quirks(tiers=frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"}))

QUIRKS: Final[Mapping[str, Quirks]] = {
    "openai": _OPENAI,
    "azure": _OPENAI,
    "openrouter": Quirks(reasoning_fields=frozenset({"format", "signature"}), background=False),  # it stores nothing
}
"""The differences between servers of this API: a record for each, by the server's name."""

_decode_json = msgspec.json.Decoder().decode


def encode(request: Request, endpoint: Endpoint) -> HTTPRequest:
    """Encodes a streaming POST to `{base_url}/responses`.

    `store` is false unless the settings set it; then reasoning is requested in its encrypted form, to be sent back.

    Raises: UnsupportedSetting, for a setting, a strict schema or a file that this API does not accept.
    """
    request = with_words(request)
    settings = request.settings
    _refuse(settings, endpoint)
    instructions, items = _conversation(
        with_own_ids(request.messages, _bounded), endpoint.quirks, keep=(store := _stores(settings, endpoint))
    )
    body: JSON = {"model": request.model, "input": items, "stream": True, "store": store}
    if settings.background:
        body["background"] = True
    text: JSON = {}
    if request.output is not None:
        text["format"], in_words = _output_format(request.output, endpoint.quirks)
        instructions = "\n\n".join(filter(None, (instructions, in_words)))
    if settings.verbosity is not None:
        text["verbosity"] = settings.verbosity
    reasoning = _reasoning_asked(settings, endpoint)
    tools = [*(_tool(tool, endpoint) for tool in request.tools), *(tool.spec for tool in request.provider_tools)]
    optional: JSON = {
        "instructions": instructions or None,
        "tools": tools or None,
        "tool_choice": _tool_choice(settings.tool_choice),
        "parallel_tool_calls": settings.parallel_tool_calls,
        "text": text or None,
        "reasoning": reasoning,
        "max_output_tokens": settings.max_tokens,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "service_tier": settings.service_tier,
        "user": settings.user,
    }
    body.update((name, value) for name, value in optional.items() if value is not None)
    if not store and _shows_encrypted_reasoning(request.model, reasoning):
        body["include"] = ["reasoning.encrypted_content"]
    add_extra(body, settings.extra)
    return posted(_url(endpoint), _headers(endpoint), body)


def _stores(settings: Settings, endpoint: Endpoint) -> bool:
    """Whether the server stores the answer; it has to, to compute it in the background."""
    if not settings.background:
        return settings.store is True
    if not endpoint.quirks.background:
        raise UnsupportedSetting(
            f"{endpoint.provider} does not compute answers in the background.",
            hint="It stores no answers: leave background out, or ask OpenAI itself.",
        )
    if settings.store is False:
        raise UnsupportedSetting(
            "background=True and store=False exclude each other: the answer is read again from where it is stored.",
            hint="Leave store out.",
        )
    return True


_UNSUPPORTED: Final[Mapping[str, str]] = {
    "stop": "Stop sequences exist in Chat Completions only: name the model as openai-chat/….",
    "seed": "Seeds exist in Chat Completions only: name the model as openai-chat/….",
    "top_k": "Leave it out, or use top_p.",
    "presence_penalty": "Penalties exist in Chat Completions only: name the model as openai-chat/….",
    "frequency_penalty": "Penalties exist in Chat Completions only: name the model as openai-chat/….",
}
"""Settings that this API does not have, and what to use instead."""


def _refuse(settings: Settings, endpoint: Endpoint) -> None:
    for name in settings.given():
        if name in _UNSUPPORTED or name in endpoint.quirks.unsupported:
            raise UnsupportedSetting(
                f"{endpoint.provider} does not support {name!r} over the Responses API.",
                hint=_UNSUPPORTED.get(name, ""),
            )
    tier, tiers = settings.service_tier, endpoint.quirks.tiers
    if tier is not None and tiers and tier not in tiers:
        raise UnsupportedSetting(
            f"{endpoint.provider} does not support service_tier={tier!r}.",
            hint=f"It accepts {', '.join(sorted(tiers))}.",
        )
    if settings.parallel_tool_calls is not None and not endpoint.quirks.parallel_tool_calls:
        raise UnsupportedSetting(f"{endpoint.provider} does not support 'parallel_tool_calls'.")


def _url(endpoint: Endpoint) -> str:
    url = endpoint.base_url.rstrip("/") + "/responses"
    return f"{url}?{urlencode(endpoint.query)}" if endpoint.query else url


def _headers(endpoint: Endpoint) -> dict[str, str]:
    headers = {"content-type": "application/json", "accept": "text/event-stream"}
    headers.update((name.lower(), value) for name, value in endpoint.key_headers("authorization").items())
    headers.update((name.lower(), value) for name, value in endpoint.headers.items())
    return headers


# --- settings


def _reasoning_asked(settings: Settings, endpoint: Endpoint) -> JSON | None:
    """Returns the `reasoning` field; it always asks for a summary too."""
    asked = settings.reasoning
    if asked is None:
        return None
    if endpoint.quirks.reasoning_field == "none":
        raise UnsupportedSetting(f"{endpoint.provider} does not support 'reasoning'.")
    if asked is True:
        return {"summary": "auto"}
    if asked is False or asked == "none":
        return {"effort": "none"}
    if isinstance(asked, int):
        raise UnsupportedSetting(
            "The Responses API does not support a budget of reasoning tokens.",
            hint='Set an effort instead, such as reasoning="medium".',
        )
    return {"effort": asked, "summary": "auto"}


_REASONING_MODEL: Final = re.compile(r"(?:^|[/.])(?:o[1-9]|gpt-(?:[5-9]|\d\d)|codex|gpt-oss|grok-[4-9])")
"""Names of reasoning models, also behind a gateway's prefix."""


def _shows_encrypted_reasoning(model: str, reasoning: JSON | None) -> bool:
    """Whether to ask for encrypted reasoning: a model without reasoning refuses such a request."""
    if reasoning is not None:
        return reasoning.get("effort") != "none" or bool(_REASONING_MODEL.search(model))
    return bool(_REASONING_MODEL.search(model)) and "-chat" not in model


def _tool_choice(choice: str | None) -> str | JSON | None:
    if choice is None or choice in ("auto", "none", "required"):
        return choice
    return {"type": "function", "name": choice}


def _tool(tool: ToolSpec, endpoint: Endpoint) -> JSON:
    """Encodes a tool. `strict` is always set if the server knows it, since OpenAI's default is true."""
    told: JSON = {
        "type": "function",
        "name": tool.name,
        "parameters": tool.parameters or {"type": "object", "properties": {}},
    }
    if tool.description:
        told["description"] = tool.description
    if tool.strict and not _fits_strict(tool.parameters):
        raise UnsupportedSetting(
            f"The tool {tool.name!r} asks for strict arguments, which its schema does not allow.",
            hint="Strict schemas require every property and forbid additional ones.",
        )
    if endpoint.quirks.strict_tools:
        told["strict"] = bool(tool.strict)
    return told


_NOT_STRICT: Final = frozenset(
    {
        "allOf",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
        "default",
        "prefixItems",
        "patternProperties",
        "propertyNames",
        "dependentRequired",
        "dependentSchemas",
        "unevaluatedProperties",
    }
)
"""Keywords that strict schemas may not use: https://platform.openai.com/docs/guides/structured-outputs."""


def _fits_strict(schema: Any, *, root: bool = True) -> bool:
    """Whether the schema fits OpenAI's strict mode: closed objects, all of whose properties are required."""
    if not isinstance(schema, dict):
        return False
    if root and (schema.get("type") != "object" or "anyOf" in schema):
        return False
    if _NOT_STRICT & schema.keys():
        return False
    properties = schema.get("properties", {})
    if schema.get("type") == "object" or "properties" in schema:
        closed = schema.get("additionalProperties") is False
        if not closed or set(schema.get("required", ())) != set(properties):
            return False
    inner = [*properties.values(), *schema.get("$defs", {}).values(), *schema.get("anyOf", ())]
    if "items" in schema:
        inner.append(schema["items"])
    return all(_fits_strict(one, root=False) for one in inner)


def _output_format(output: OutputSpec, quirks: Quirks) -> tuple[JSON, str]:
    """Returns the `text.format` of an output type, and the instructions that it needs in addition."""
    if not quirks.json_schema:
        schema = json_text(output.schema)
        return {"type": "json_object"}, f"Answer only with a JSON object that fits this JSON Schema:\n{schema}"
    form: JSON = {
        "type": "json_schema",
        "name": re.sub(r"[^a-zA-Z0-9_-]", "_", output.name)[:64] or "output",
        "schema": output.schema,
        "strict": output.strict and _fits_strict(output.schema),
    }
    if output.description:
        form["description"] = output.description
    return form, ""


MAX_ID: Final = 64
"""The longest call id and cache key that OpenAI accepts, in characters."""


def _bounded(ident: str) -> str:
    """Shortens an id of another API that is too long: its digest replaces it, the same each time."""
    return ident if len(ident) <= MAX_ID else hashlib.sha256(ident.encode()).hexdigest()


# --- the conversation


def _conversation(messages: Sequence[Message], quirks: Quirks, *, keep: bool) -> tuple[str, list[JSON]]:
    """Returns the instructions (the system messages at the start) and the input items.

    `keep`: the server stores its items, so they may be referred to by id alone.
    """
    instructions: list[str] = []
    items: list[JSON] = []
    for message in messages:
        if message.role == "assistant":
            items += _said(message, quirks, keep=keep)
        elif message.role == "system" and not items and _is_text(message):
            instructions.append(message.text)
        else:
            items += _given(message, quirks)
    return "\n\n".join(filter(None, instructions)), items


def _is_text(message: Message) -> bool:
    return all(isinstance(part, Text) for part in message.content)


def _given(message: Message, quirks: Quirks) -> list[JSON]:
    """Encodes a system, user or tool message as items."""
    items: list[JSON] = []
    content: list[JSON] = []
    for part in message.content:
        if isinstance(part, ToolResult):
            items.append(_tool_output(part))
        elif isinstance(part, ProviderItem):
            if part.api == API:
                items.append({**part.item})
        elif isinstance(part, (Text, Image, File)):
            content.append(_input_part(part))
    if content:
        role = quirks.system_role if message.role == "system" else "user"
        items.append({"role": role, "content": content})
    return items


def _tool_output(result: ToolResult) -> JSON:
    content = result.content
    return {
        "type": "custom_tool_call_output" if result.custom else "function_call_output",
        "call_id": result.id,
        "output": content if isinstance(content, str) else [_input_part(part) for part in content],
    }


_HEARD: Final = ("audio/", "video/")
"""Media types that this API does not accept as files."""


def _input_part(part: Text | Image | File) -> JSON:
    # Marks for prompt caching are left out: OpenAI caches every prefix automatically.
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    if isinstance(part, Image):
        url = part.url if part.data is None else data_url(part.data, part.media_type)
        return {"type": "input_image", "image_url": url, "detail": part.detail or "auto"}
    if part.media_type.startswith("image/"):
        return _input_picture(part)
    if part.id is not None:
        return {"type": "input_file", "file_id": part.id}
    if part.url is not None:
        return {"type": "input_file", "file_url": part.url}
    assert part.data is not None
    if part.media_type.startswith(_HEARD):
        raise UnsupportedSetting(
            f"The Responses API does not accept {part.media_type} files.",
            hint="Send a transcript, or use another model.",
        )
    name = part.name or "file." + (part.media_type.partition("/")[2].partition("+")[0] or "bin")
    return {"type": "input_file", "filename": name, "file_data": data_url(part.data, part.media_type)}


def _input_picture(part: File) -> JSON:
    if part.id is not None:
        return {"type": "input_image", "file_id": part.id, "detail": "auto"}
    url = part.url if part.data is None else data_url(part.data, part.media_type)
    return {"type": "input_image", "image_url": url, "detail": "auto"}


def _said(message: Message, quirks: Quirks, *, keep: bool) -> list[JSON]:
    """Encodes a model's message as its original items, or as plain ones if another API wrote it."""
    own = message.api == API
    items: list[JSON] = []
    if not own:
        for part in message.content:
            _add_part(items, part, own=False)
        return items
    kept = {part.item.get("id"): part.item for part in message.content if isinstance(part, ProviderItem)}
    placed: set[Any] = set()
    for part in message.content:
        if isinstance(part, Reasoning):
            # An item is complete when it is done, which may be after the next one started: it stays where it started.
            if part.signature in kept and part.signature not in placed:
                placed.add(part.signature)
                items.append({**kept[part.signature]})
        elif isinstance(part, ProviderItem):
            if part.api == API and part.item.get("id") not in placed:
                items.append({**part.item})
        else:
            _add_part(items, part, own=True)
    return [_taken_back(item, quirks) for item in _acceptable(items, keep=keep)]


def _add_part(items: list[JSON], part: AnyPart, *, own: bool) -> None:
    """Encodes text, a call or an image as an item; text of the message before it is added to that one."""
    if isinstance(part, Text):
        _add_text(items, part, _unsigned(part.signature) if own else {})
    elif isinstance(part, ToolCall):
        # The provider's own calls are in its items; those of another provider cannot be expressed here.
        if part.by != "provider":
            items.append(_call(part, own=own))
    elif isinstance(part, (Image, File)):
        if own and part.signature is not None and part.data is not None:
            fields = _unsigned(part.signature)
            result = base64.b64encode(part.data).decode()
            items.append({"type": "image_generation_call", **fields, "result": result})
        elif isinstance(part, File) and part.media_type.startswith(_HEARD):
            # Audio from another model leaves a placeholder.
            _add_text(items, Text(text=f"[{part.media_type}]"), {})
        else:
            # The API allows only text in a model's message: an image from another model is sent as input instead.
            items.append({"role": "user", "content": [_input_part(part)]})


def _add_text(items: list[JSON], part: Text, fields: JSON) -> None:
    """Encodes a model's text with the other fields of its message item; parts of one message share its id."""
    last = items[-1] if items else {}
    about = fields.pop("content", None)
    if "id" not in fields:
        # The API requires an id with content parts, so text from another API is sent as a plain string.
        if last.get("role") == "assistant" and isinstance(last.get("content"), str):
            last["content"] += part.text
        else:
            items.append({"role": "assistant", "content": part.text})
        return
    fields.setdefault("status", "completed")
    content: JSON = {"type": "refusal", "refusal": part.text}
    if not part.refusal:
        content = {"type": "output_text", "text": part.text, "annotations": []}
    content.update(about if isinstance(about, dict) else {})
    if last.get("id") == fields["id"]:
        last.update(fields)
        last["content"].append(content)
    else:
        items.append({"type": "message", "role": "assistant", **fields, "content": [content]})


def _call(part: ToolCall, *, own: bool) -> JSON:
    fields = _unsigned(part.signature) if own else {}
    raw = fields.pop("arguments", None)
    arguments = part.arguments
    if isinstance(arguments, str) and (part.custom or (arguments.strip() and json_object(arguments) is not None)):
        written = arguments
    elif isinstance(raw, str) and json_object(raw) == arguments:
        written = raw
    else:
        written = json_text(arguments_object(part))
    if own and part.item_id:
        fields["id"] = part.item_id
    fields.update(call_id=part.id, name=part.name)
    if part.custom:
        return {"type": "custom_tool_call", **fields, "input": written}
    return {"type": "function_call", **fields, "arguments": written}


def _unsigned(signature: str | None) -> JSON:
    """Returns the fields in a signature; empty if it is not one of this module."""
    try:
        fields = _decode_json(signature or "{}")
    except (msgspec.DecodeError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _acceptable(items: list[JSON], *, keep: bool) -> list[JSON]:
    """Returns the items of one answer without those for which the server would refuse the whole request.

    It refuses reasoning that it neither stored nor can read, reasoning without a following item, and texts and calls
    with an id whose reasoning is missing; without the id they are accepted.
    """
    usable = [item for item in items if keep or _can_be_read(item)]
    if all(item.get("type") == "reasoning" for item in usable):
        return []
    if len(usable) == len(items):
        return items
    return [_without_id(item) for item in usable]


def _without_id(item: JSON) -> JSON:
    if item.get("type") in OWN_CALLS:
        return without(item, "id")
    if item.get("type") == "message":
        texts = (part.get("text") or part.get("refusal") or "" for part in item["content"])
        return {
            "role": "assistant",
            "content": "".join(texts),
            **without(item, "type", "role", "id", "status", "content"),
        }
    return item


def _can_be_read(item: JSON) -> bool:
    return item.get("type") != "reasoning" or bool(item.get("encrypted_content") or item.get("content"))


_COMMON: Final = frozenset({"type", "id", "status"})

TAKEN_BACK: Final[Mapping[str, frozenset[str]]] = {
    "": frozenset({"role", "content", "phase"}),
    "message": _COMMON | {"role", "content", "phase"},
    "reasoning": _COMMON | {"summary", "content", "encrypted_content"},
    "function_call": _COMMON | {"call_id", "name", "arguments", "namespace", "caller", "async"},
    "custom_tool_call": frozenset({"type", "id", "call_id", "name", "input", "namespace", "caller", "async"}),
    "web_search_call": _COMMON | {"action"},
    "file_search_call": _COMMON | {"queries", "results"},
    "code_interpreter_call": _COMMON | {"code", "container_id", "outputs"},
    "image_generation_call": _COMMON
    | {"result", "action", "background", "output_format", "quality", "revised_prompt", "size"},
}
"""Returns the fields that an item's input schema allows: servers send more, but refuse them in a request."""


def _taken_back(item: JSON, quirks: Quirks) -> JSON:
    kind = item.get("type", "")
    known = TAKEN_BACK.get(kind)
    if known is not None and kind == "reasoning":
        known |= quirks.reasoning_fields
    if known is None or item.keys() <= known:
        return item
    return {name: value for name, value in item.items() if name in known}


def without(fields: Mapping[str, Any], *names: str) -> JSON:
    """Returns the fields other than these."""
    return {name: value for name, value in fields.items() if name not in names}
