"""The streams to read: each API's bytes in its provider's format, with any number of tokens.

Owns the bytes and the fields that a bare reader decodes; the format is copied from recorded answers. Imports nothing
heavy, so that the server starts at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ("APIS", "API", "word")


def word(number: int) -> str:
    """A token's text."""
    return f" word{number}"


@dataclass(frozen=True)
class API:
    """One provider's streaming API: its requests and answers."""

    name: str
    model: str
    """headwater's name for it with any base URL."""
    path: str
    """The path that clients append to the base URL that ends with `root`."""
    root: str
    content_type: str
    head: Sequence[bytes]
    token: Callable[[str], bytes]
    """One event, or line, with a token's text in it."""
    tail: Callable[[str], Sequence[bytes]]
    """The events after the text."""

    def body(self, tokens: int) -> list[bytes]:
        """A complete answer, event by event."""
        words = [word(number) for number in range(tokens)]
        return [*self.head, *(self.token(text) for text in words), *self.tail("".join(words))]


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


_MARK = "\0"
"""The placeholder for a token's text."""


def _filled(event: str) -> Callable[[str], bytes]:
    before, after = event.split(_MARK)

    def token(text: str) -> bytes:
        return f"{before}{text}{after}".encode()

    return token


# --- Chat Completions

_CHAT = '"object":"chat.completion.chunk","created":1790000000,"model":"gpt-5.4","service_tier":"default"'


def _chat(delta: str, finish: str = "null") -> str:
    choice = f'{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}'
    return (
        f'data: {{"id":"chatcmpl-BDA7OEUOiPJr6S3fbWdwAE3GbR2n5",{_CHAT},"system_fingerprint":"fp_44709d6fcb",'
        f'"choices":[{choice}],"usage":null,"obfuscation":"kyBY07m8x5Si"}}\n\n'
    )


_CHAT_USAGE = (
    f'data: {{"id":"chatcmpl-BDA7OEUOiPJr6S3fbWdwAE3GbR2n5",{_CHAT},"system_fingerprint":"fp_44709d6fcb",'
    '"choices":[],"usage":{"prompt_tokens":13,"completion_tokens":43,"total_tokens":56}}\n\n'
)

_CHAT_API = API(
    name="openai-chat",
    model="openai-chat/gpt-5.4",
    path="/chat/completions",
    root="/v1",
    content_type="text/event-stream; charset=utf-8",
    head=[_chat('{"role":"assistant","content":"","refusal":null}').encode()],
    token=_filled(_chat(f'{{"content":"{_MARK}"}}')),
    tail=lambda text: [_chat("{}", '"stop"').encode(), _CHAT_USAGE.encode(), b"data: [DONE]\n\n"],
)

# --- the Responses API

_ITEM = '"item_id":"msg_08e1aa358b9a82e50068f966c722948197a193065389346e89","output_index":0'


def _named(kind: str, fields: str, end: str = "}") -> str:
    return f'event: {kind}\ndata: {{"type":"{kind}",{fields}{end}\n\n'


def _response(status: str, output: list[object]) -> str:
    fields = {
        "id": "resp_08e1aa358b9a82e50068f966c692d081978dca84b3c9d6fdcf",
        "object": "response",
        "created_at": 1761175238,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": "gpt-5.4",
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {"input_tokens": 13, "output_tokens": 43, "total_tokens": 56} if output else None,
        "metadata": {},
    }
    return '"sequence_number":0,"response":' + _json(fields)


def _responses_tail(text: str) -> list[bytes]:
    content = {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
    item = {
        "id": "msg_08e1aa358b9a82e50068f966c722948197a193065389346e89",
        "type": "message",
        "status": "completed",
        "content": [content],
        "role": "assistant",
    }
    place = f'"sequence_number":9,{_ITEM},"content_index":0'
    events = [
        _named("response.output_text.done", f'{place},"text":{_json(text)},"logprobs":[]'),
        _named("response.content_part.done", f'{place},"part":{_json(content)}'),
        _named("response.output_item.done", f'"sequence_number":9,"output_index":0,"item":{_json(item)}'),
        _named("response.completed", _response("completed", [item])),
    ]
    return [event.encode() for event in events]


_RESPONSES_API = API(
    name="openai-responses",
    model="openai-responses/gpt-5.4",
    path="/responses",
    root="/v1",
    content_type="text/event-stream; charset=utf-8",
    head=[
        _named("response.created", _response("in_progress", [])).encode(),
        _named("response.in_progress", _response("in_progress", [])).encode(),
        _named(
            "response.output_item.added",
            '"sequence_number":2,"output_index":0,"item":{"id":"msg_08e1aa358b9a82e50068f966c722948197a193065389346e89"'
            ',"type":"message","status":"in_progress","content":[],"role":"assistant"}',
        ).encode(),
        _named(
            "response.content_part.added",
            f'"sequence_number":3,{_ITEM},"content_index":0,'
            '"part":{"type":"output_text","annotations":[],"logprobs":[],"text":""}',
        ).encode(),
    ],
    token=_filled(
        _named(
            "response.output_text.delta",
            f'"sequence_number":4,{_ITEM},"content_index":0,"delta":"{_MARK}","logprobs":[],"obfuscation":"kyBY07m8x5"',
        )
    ),
    tail=_responses_tail,
)

# --- the Messages API

_ANTHROPIC_API = API(
    name="anthropic",
    model="anthropic/claude-haiku-4-5",
    path="/v1/messages",
    root="",
    content_type="text/event-stream; charset=utf-8",
    head=[
        _named(
            "message_start",
            '"message":{"model":"claude-haiku-4-5-20251001","id":"msg_011CeCGmhWyMqVM1fWyYYKrQ","type":"message",'
            '"role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":2225,'
            '"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":25}}',
        ).encode(),
        _named("content_block_start", '"index":0,"content_block":{"type":"text","text":""}').encode(),
        b'event: ping\ndata: {"type": "ping"}\n\n',
    ],
    token=_filled(
        _named("content_block_delta", f'"index":0,"delta":{{"type":"text_delta","text":"{_MARK}"}}', end="          }")
    ),
    tail=lambda text: [
        _named("content_block_stop", '"index":0', end="    }").encode(),
        _named(
            "message_delta",
            '"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":13,"output_tokens":43}',
        ).encode(),
        b'event: message_stop\ndata: {"type":"message_stop"      }\n\n',
    ],
)

# --- streamGenerateContent, whose lines end with CRLF


def _gemini(text: str, more: str = "") -> str:
    return (
        f'data: {{"candidates": [{{"content": {{"parts": [{{"text": "{text}"}}],"role": "model"}}{more},"index": 0}}],'
        '"usageMetadata": {"promptTokenCount": 13,"candidatesTokenCount": 31,"totalTokenCount": 172,'
        '"promptTokensDetails": [{"modality": "TEXT","tokenCount": 13}],"thoughtsTokenCount": 128,'
        '"serviceTier": "standard"},"modelVersion": "gemini-3.1-pro-preview","responseId": "-tYZasLpBuHfjrEPuu7GkQY"}'
        "\r\n\r\n"
    )


_GEMINI_API = API(
    name="gemini",
    model="gemini/gemini-3.1-pro-preview",
    path="/models/gemini-3.1-pro-preview:streamGenerateContent?alt=sse",
    root="/v1beta",
    content_type="text/event-stream",
    head=[],
    token=_filled(_gemini(_MARK)),
    tail=lambda text: [_gemini("", ',"finishReason": "STOP"').encode()],
)

# --- Ollama's JSON lines

_OLLAMA = '{"model":"gemma4:e2b","created_at":"2026-05-04T22:48:30.946747Z","message":{"role":"assistant","content":"'

_OLLAMA_API = API(
    name="ollama",
    model="ollama/gemma4:e2b",
    path="/api/chat",
    root="",
    content_type="application/x-ndjson",
    head=[],
    token=_filled(f'{_OLLAMA}{_MARK}"}},"done":false}}\n'),
    tail=lambda text: [
        f'{_OLLAMA}"}},"done":true,"done_reason":"stop","total_duration":361796500,"load_duration":92769666,'
        '"prompt_eval_count":18,"prompt_eval_duration":19457667,"eval_count":16,"eval_duration":144458125}\n'.encode()
    ],
)

APIS = {api.name: api for api in (_CHAT_API, _RESPONSES_API, _ANTHROPIC_API, _GEMINI_API, _OLLAMA_API)}
