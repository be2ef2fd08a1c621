"""Encodes requests to OpenAI's Chat Completions API: a conversation as its messages, settings as its fields.

Owns what is sent; `response` owns the answer. It must never do I/O, drop a setting silently, or send a field that was
not asked for because some server might like it: `Quirks` has the differences of servers.
https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

import msgspec

from headwater.errors import InvalidRequest, UnsupportedSetting
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
    INVALID,
    add_extra,
    arguments_object,
    json_object,
    json_text,
    posted,
    refuse_background,
    with_own_ids,
    with_words,
)

__all__ = ("API", "encode")

API: Final = "openai-chat"

JSON: TypeAlias = dict[str, Any]

MAX_CALL_ID: Final = 40
"""OpenAI refuses longer call ids; a history from another API may have longer ones."""

_PLAIN: Final = ("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty", "verbosity")
_PLAIN_TOO: Final = ("service_tier", "user", "store")
"""Settings whose field has the same name."""

_AUDIO: Final = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav"}

_READABLE: Final = ("image/", "text/", "application/json")
"""Prefixes of media types that are sent as an image or as plain text, which every server accepts."""


def encode(request: Request, endpoint: Endpoint) -> HTTPRequest:
    """Encodes a streaming POST to `{base_url}/chat/completions`.

    Raises: UnsupportedSetting, for a setting that this server does not support; InvalidRequest, for a file that it
    cannot accept.
    """
    request = with_words(request)
    settings, quirks = request.settings, endpoint.quirks
    refuse_background(settings, endpoint.provider)
    for name in settings.given():
        if name in quirks.unsupported:
            raise _unsupported(endpoint, name)
    if settings.service_tier is not None and quirks.tiers and settings.service_tier not in quirks.tiers:
        raise _unsupported(endpoint, f"service_tier={settings.service_tier!r}")
    writer = _Messages(endpoint)
    writer.add(with_own_ids(request.messages, _call_ids(quirks)))
    body: JSON = {"model": request.model, "messages": writer.written, "stream": True}
    if quirks.stream_options:
        body["stream_options"] = {"include_usage": True}
    tools = [*(_tool(tool, quirks) for tool in request.tools), *(tool.spec for tool in request.provider_tools)]
    if tools:
        body["tools"] = tools
    if settings.cache and quirks.cache_marks:
        writer.mark_instructions()
    if request.output is not None:
        body["response_format"] = _output(request.output, writer, quirks)
    body.update(_settings(settings, endpoint, bool(tools)))
    add_extra(body, settings.extra)
    return posted(_url(endpoint), _headers(endpoint), body)


def _call_ids(quirks: Quirks) -> Callable[[str], str]:
    """Returns an id that this server accepts: if it would refuse the given one, a replacement that is always the
    same for the same id."""
    length = quirks.call_id_length

    def shape(ident: str) -> str:
        if length:
            fits = len(ident) == length and ident.isascii() and ident.isalnum()
            return ident if fits else hashlib.sha256(ident.encode()).hexdigest()[:length]
        return ident if len(ident) <= MAX_CALL_ID else hashlib.sha256(ident.encode()).hexdigest()[:MAX_CALL_ID]

    return shape


def _url(endpoint: Endpoint) -> str:
    url = f"{endpoint.base_url.rstrip('/')}/chat/completions"
    return f"{url}?{urlencode(endpoint.query)}" if endpoint.query else url


def _headers(endpoint: Endpoint) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        **endpoint.key_headers("Authorization"),
        **endpoint.headers,
    }


def _unsupported(endpoint: Endpoint, name: str, why: str = "") -> UnsupportedSetting:
    return UnsupportedSetting(
        f"{endpoint.provider} does not support {name}{why} in Chat Completions.",
        hint="Leave it out, or pass the provider's own fields in extra=.",
    )


# --- settings


def _settings(settings: Settings, endpoint: Endpoint, tools: bool) -> JSON:
    quirks = endpoint.quirks
    fields: JSON = {name: value for name in (*_PLAIN, *_PLAIN_TOO) if (value := getattr(settings, name)) is not None}
    if settings.max_tokens is not None:
        fields[quirks.max_tokens_field] = settings.max_tokens
    if settings.stop:
        fields["stop"] = list(settings.stop)
    if settings.seed is not None:
        fields[quirks.seed_field] = settings.seed
    if settings.reasoning is not None:
        fields.update(_reasoning(settings.reasoning, endpoint))
    tools = tools or bool(settings.extra and settings.extra.get("tools"))
    if settings.tool_choice is not None:
        fields.update(_tool_choice(settings.tool_choice, endpoint, tools))
    if settings.parallel_tool_calls is not None:
        if quirks.parallel_tool_calls:
            if tools:  # OpenAI refuses it without
                fields["parallel_tool_calls"] = settings.parallel_tool_calls
        elif not settings.parallel_tool_calls:
            raise _unsupported(endpoint, "parallel_tool_calls=False")
    return fields


def _tool_choice(choice: str, endpoint: Endpoint, tools: bool) -> JSON:
    if choice in ("auto", "none", "required"):
        if tools:
            return {"tool_choice": choice}
        if choice != "required":
            return {}  # without tools there is no choice, and servers refuse the field alone
    elif tools:
        return {"tool_choice": {"type": "function", "function": {"name": choice}}}
    raise _unsupported(endpoint, f"tool_choice={choice!r}", " without tools")


def _reasoning(value: str | bool | int, endpoint: Endpoint) -> JSON:
    """Sets the reasoning effort or budget in the server's own field."""
    field = endpoint.quirks.reasoning_field
    if value == 0:
        value = False
    on = value is not False and value != "none"
    effort = value if isinstance(value, str) else None
    budget = value if isinstance(value, int) and not isinstance(value, bool) else None
    fields: JSON | None = None
    if field == "reasoning":
        if budget is not None:
            return {"reasoning": {"max_tokens": budget}}
        return {"reasoning": {"effort": effort} if effort else {"enabled": on}}
    if field == "enable_thinking":
        if budget is not None:
            return {"enable_thinking": True, "thinking_budget": budget}
        if effort is None or not on:
            return {"enable_thinking": on}
    elif budget is None:
        if field == "reasoning_effort":
            word = effort or ("medium" if on else "none")
            if endpoint.quirks.efforts and word not in endpoint.quirks.efforts:
                raise _unsupported(endpoint, f"reasoning={value!r}")
            return {"reasoning_effort": word}
        if field == "thinking":
            fields = {"thinking": {"type": "enabled" if on else "disabled"}}
        elif field == "chat_template_kwargs":
            fields = {"chat_template_kwargs": {"enable_thinking": on}}
    if fields is None:
        raise _unsupported(endpoint, f"reasoning={value!r}")
    if effort and on:
        fields["reasoning_effort"] = effort
    return fields


# --- tools and output


def _tool(tool: ToolSpec, quirks: Quirks) -> JSON:
    function: JSON = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    if tool.strict is not None and quirks.strict_tools:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _output(output: OutputSpec, writer: _Messages, quirks: Quirks) -> JSON:
    if quirks.json_schema:
        schema: JSON = {"name": output.name, "schema": output.schema, "strict": output.strict}
        if output.description:
            schema["description"] = output.description
        return {"type": "json_schema", "json_schema": schema}
    schema_text = json_text(output.schema)
    writer.instruct(f"Answer only with one JSON object that fits this JSON Schema:\n{schema_text}")
    return {"type": "json_object"}


# --- messages


class _Messages:
    """Encodes a conversation.

    Images and files from a tool or a model cannot stay in place: this API accepts them only from users. They wait until
    all tool results are written and go into a separate user message.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.written: list[JSON] = []
        self._endpoint = endpoint
        self._quirks = endpoint.quirks
        self._waiting: list[JSON] = []

    def add(self, messages: Iterable[Message]) -> None:
        """Encodes all of `messages`."""
        for message in messages:
            if message.role == "tool":
                self._add_results(message)
                continue
            self._flush()
            if message.role == "assistant":
                self._add_answer(message)
            else:
                self._add_told(message)
        self._flush()

    def instruct(self, text: str) -> None:
        """Adds to the system instructions."""
        role = self._quirks.system_role
        if self.written and self.written[0]["role"] == role:
            content = self.written[0]["content"]
            if isinstance(content, str):
                self.written[0]["content"] = f"{content}\n\n{text}"
            else:
                content.append({"type": "text", "text": text})
        else:
            self.written.insert(0, {"role": role, "content": text})

    def mark_instructions(self) -> None:
        """Marks the instructions, and with them the tools, for caching."""
        if self.written and self.written[0]["role"] == self._quirks.system_role:
            content = self.written[0]["content"]
            if isinstance(content, str):
                content = self.written[0]["content"] = [{"type": "text", "text": content}]
            content[-1]["cache_control"] = {"type": "ephemeral"}

    def _add_told(self, message: Message) -> None:
        role = self._quirks.system_role if message.role == "system" else "user"
        wire: JSON = {"role": role, "content": _simplest(self._contents(message.content))}
        if message.name and self._quirks.message_names:
            wire["name"] = re.sub(r"[^a-zA-Z0-9_-]", "_", message.name)[:64]
        self.written.append(wire)

    def _contents(self, parts: Iterable[AnyPart]) -> list[JSON]:
        contents = []
        for part in parts:
            if isinstance(part, Text):
                content: JSON = {"type": "text", "text": part.text}
            elif isinstance(part, Image):
                content = _image(part)
            elif isinstance(part, File):
                content = self._file(part)
            else:
                continue
            if part.cache and self._quirks.cache_marks:
                content["cache_control"] = {"type": "ephemeral"}
            contents.append(content)
        return contents

    # --- answers

    def _add_answer(self, message: Message) -> None:
        wire: JSON = {"role": "assistant"}
        own = message.api == API
        texts, calls, thoughts = [], [], []
        for part in message.content:
            if isinstance(part, Text):
                texts.append(part)
            elif isinstance(part, ToolCall) and part.by != "provider":
                calls.append(self._call(part, own))
            elif isinstance(part, Reasoning) and message.api in ("", API):
                thoughts.append(part.text)
            elif isinstance(part, ProviderItem) and part.api == API:
                self._add_item(wire, part.item)
            elif isinstance(part, Image) or (isinstance(part, File) and "audio" not in wire):
                self._waiting += self._generated_file(part)
        if "".join(thoughts):
            self._add_reasoning(wire, "".join(thoughts))
        content = self._answer_content(texts, wire.pop("thinking", None))
        if calls:
            wire["tool_calls"] = calls
        if content or len(wire) > 1:
            wire["content"] = content or (None if calls else "")
            self.written.append(wire)

    def _generated_file(self, part: Image | File) -> list[JSON]:
        """Encodes a file that a model generated; as a placeholder if the server does not accept it."""
        try:
            return self._contents((part,))
        except (UnsupportedSetting, InvalidRequest):
            return [{"type": "text", "text": f"[{part.media_type or 'file'}]"}]

    def _answer_content(self, texts: Sequence[Text], thinking: JSON | None) -> str | list[JSON]:
        parts = [content for content in self._contents(texts) if content["text"]]
        if thinking:
            return [thinking, *parts]
        if any("cache_control" in part for part in parts):
            return parts
        return "".join(part["text"] for part in parts)

    def _add_item(self, wire: JSON, item: JSON) -> None:
        for name, value in item.items():
            if name == "reasoning_details":
                if self._quirks.reasoning_back == "reasoning_details":
                    wire[name] = [*wire.get(name, ()), *value]
            elif self._is_sent_back(name):
                wire[name] = {"id": value.get("id")} if name == "audio" else value

    def _is_sent_back(self, name: str) -> bool:
        return self._quirks.kept_fields is None or name in self._quirks.kept_fields

    def _add_reasoning(self, wire: JSON, text: str) -> None:
        back = self._quirks.reasoning_back
        if back == "thinking":
            wire["thinking"] = {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
        elif back == "reasoning_content" or back == "reasoning":
            wire[back] = text

    def _call(self, call: ToolCall, own: bool) -> JSON:
        arguments = call.arguments
        if call.custom and self._quirks.custom_calls:
            written = arguments if isinstance(arguments, str) else json_text(arguments)
            return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": written}}
        if not isinstance(arguments, str) or call.custom or not arguments.strip() or json_object(arguments) is None:
            arguments = json_text(arguments_object(call, "input" if call.custom else INVALID))
        wire: JSON = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
        if own and call.signature and self._is_sent_back("extra_content"):
            wire["extra_content"] = msgspec.json.decode(call.signature)
        return wire

    # --- tool results

    def _add_results(self, message: Message) -> None:
        for result in message.content:
            if isinstance(result, ToolResult):
                self._add_result(result)

    def _add_result(self, result: ToolResult) -> None:
        parts = (Text(text=result.content),) if isinstance(result.content, str) else result.content
        texts = [part.text for part in parts if isinstance(part, Text)]
        media = [part for part in parts if not isinstance(part, Text)]
        if media:
            texts.append(f"[{len(media)} attached: see the next user message]")
            self._waiting.append({"type": "text", "text": f"Attachments of the tool {result.name} ({result.id}):"})
            self._waiting += self._contents(media)
        text = "\n".join(texts)
        if result.error and not text.lower().startswith("error"):
            text = f"Error: {text}"  # the API has no other way to mark a failure
        content: str | list[JSON] = text
        if result.cache and self._quirks.cache_marks:
            content = [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]
        self.written.append({"role": "tool", "tool_call_id": result.id, "content": content})

    def _flush(self) -> None:
        if self._waiting:
            self.written.append({"role": "user", "content": self._waiting})
            self._waiting = []

    # --- files

    def _file(self, file: File) -> JSON:
        kind = file.media_type.partition(";")[0]
        self._check(file, kind)
        if file.id is not None:
            return {"type": "file", "file": {"file_id": file.id}}
        if file.url is not None:
            return self._file_by_url(file, file.url, kind)
        data = file.data or b""
        if kind.startswith("audio/"):
            return {"type": "input_audio", "input_audio": {"data": _base64(data), "format": _sound(kind)}}
        if kind.startswith("image/"):
            return {"type": "image_url", "image_url": {"url": data_url(data, kind)}}
        if kind.startswith("video/"):
            return {"type": "video_url", "video_url": {"url": data_url(data, kind)}}
        if kind.startswith(_READABLE):
            # Every server accepts plain text, but hardly any a text file.
            name = f"{file.name}:\n\n" if file.name else ""
            return {"type": "text", "text": name + data.decode("utf-8", "replace")}
        if self._quirks.files_by_url == "document_url":
            return {"type": "document_url", "document_url": data_url(data, kind)}
        return {"type": "file", "file": {"filename": file.name or "file", "file_data": data_url(data, kind)}}

    def _check(self, file: File, kind: str) -> None:
        """Refuses files that this server would refuse. Raises UnsupportedSetting."""
        quirks, what, hint = self._quirks, "", ""
        if file.id is None and kind.startswith("video/"):
            if not quirks.video:
                what, hint = "video", "Send images from it, or use a model that accepts video, such as gemini/…."
        elif file.data is not None and kind.startswith("audio/"):
            if not quirks.audio:
                what, hint = "audio", "Send a transcript, or use a model that accepts audio, such as gemini/…."
            elif quirks.sounds and _sound(kind) not in quirks.sounds:
                what, hint = kind, f"It accepts {' and '.join(sorted(quirks.sounds))}."
        elif not quirks.documents and (file.id is not None or not kind.startswith(_READABLE)):
            what, hint = kind or "files", "Send its text, or its pages as images."
        if what:
            raise UnsupportedSetting(
                f"{self._endpoint.provider} does not accept {what} in Chat Completions.", hint=hint
            )

    def _file_by_url(self, file: File, url: str, kind: str) -> JSON:
        if kind.startswith("image/"):
            return {"type": "image_url", "image_url": {"url": url}}
        if kind.startswith("video/"):
            return {"type": "video_url", "video_url": {"url": url}}
        if self._quirks.files_by_url == "document_url":
            return {"type": "document_url", "document_url": url}
        if self._quirks.files_by_url == "file_data":
            return {"type": "file", "file": {"filename": file.name or "file", "file_data": url}}
        raise InvalidRequest(
            f"{self._endpoint.provider} does not accept files by URL in Chat Completions.",
            hint="Pass the file's bytes: File(data=…).",
            provider=self._endpoint.provider,
        )


def _image(image: Image) -> JSON:
    url = image.url if image.data is None else data_url(image.data, image.media_type)
    where: JSON = {"url": url}
    if image.detail is not None:
        where["detail"] = image.detail
    return {"type": "image_url", "image_url": where}


def _sound(kind: str) -> str:
    """The API's name for an audio media type."""
    return _AUDIO.get(kind, kind[6:])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _simplest(contents: list[JSON]) -> str | list[JSON]:
    """Returns text alone as a string, which every server accepts; parts only if there is more than text."""
    if all(content["type"] == "text" and "cache_control" not in content for content in contents):
        return "\n\n".join(content["text"] for content in contents)
    return contents
