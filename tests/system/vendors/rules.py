"""What servers refuse although their types allow it: how calls and results belong together, ids, turns, empty content.

Owns the rules, which are the vendors' documented ones, each as a sentence about one body. It must know nothing of how
requests are written here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ("broken_rule",)


def broken_rule(api: str, body: Mapping[str, Any]) -> str:
    """The first rule of its API that a body breaks; "" where it keeps all."""
    return next(_RULES[api](body), "")


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


# --- Chat Completions


def _chat(body: Mapping[str, Any]) -> Iterator[str]:
    messages = body["messages"]
    calls = [call for message in messages for call in message.get("tool_calls") or ()]
    ids = [call["id"] for call in calls]
    if len(set(ids)) != len(ids):
        yield f"two calls have one id: {ids}"
    for ident in ids:
        if not 0 < len(ident) <= 40:
            yield f"the id {ident!r} of a call is too long, or empty"
    for call in calls:
        if call["type"] == "function" and not _is_object(call["function"]["arguments"]):
            yield f"the arguments {call['function']['arguments']!r} are no JSON object"
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                yield f"the result {message['tool_call_id']!r} answers no call of the message before it"
            else:
                waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            yield f"the calls {waiting} are not answered by the messages after them"
        waiting = [call["id"] for call in message.get("tool_calls") or ()]
        if message.get("content") is None and not message.get("tool_calls"):
            yield f"a message of the {message['role']} says nothing"
        if message.get("content") == []:
            yield f"a message of the {message['role']} has no parts"
    if not body.get("tools") and {"tool_choice", "parallel_tool_calls"} & body.keys():
        yield "there is a choice, and no tools"


# --- Responses


def _responses(body: Mapping[str, Any]) -> Iterator[str]:
    calls: dict[str, str] = {}
    answered: list[str] = []
    ids: list[str] = []
    for item in body["input"]:
        kind = item.get("type", "message")
        if "id" in item:
            ids.append(item["id"])
        if kind in ("function_call", "custom_tool_call"):
            if item["call_id"] in calls:
                yield f"two calls have one id: {item['call_id']!r}"
            calls[item["call_id"]] = kind
            if not 0 < len(item["call_id"]) <= 64:
                yield f"the id {item['call_id']!r} of a call is too long, or empty"
            if kind == "function_call" and not _is_object(item["arguments"]):
                yield f"the arguments {item['arguments']!r} are no JSON object"
        if kind in ("function_call_output", "custom_tool_call_output"):
            if calls.get(item["call_id"]) != kind.removesuffix("_output"):
                yield f"the output {item['call_id']!r} answers no call of its kind"
            answered.append(item["call_id"])
        if kind == "message" and not item["content"] and item["role"] != "assistant":
            yield "a message has no content"
    if sorted(answered) != sorted(calls):
        yield f"the calls {sorted(calls)} have the outputs {sorted(answered)}"
    if len(set(ids)) != len(ids):
        yield f"two items have one id: {ids}"


# --- Messages


def _anthropic(body: Mapping[str, Any]) -> Iterator[str]:
    turns = body["messages"]
    if not turns or turns[0]["role"] != "user":
        yield "the first turn is not the user's"
    ids = [block["id"] for turn in turns for block in turn["content"] if block["type"] == "tool_use"]
    if len(set(ids)) != len(ids):
        yield f"two calls have one id: {ids}"
    for ident in ids:
        if not re.fullmatch(r"[a-zA-Z0-9_-]+", ident):
            yield f"the id {ident!r} of a call has other characters than are taken"
    for turn, after in zip(turns, [*turns[1:], None], strict=True):
        yield from _anthropic_turn(turn, after)
    for block in body.get("system", ()):
        if not block["text"].strip():
            yield "the system says white space"
    yield from _anthropic_thinking(body)


def _anthropic_turn(turn: Mapping[str, Any], after: Mapping[str, Any] | None) -> Iterator[str]:
    if not turn["content"]:
        yield "a turn is empty"
    if after is not None and after["role"] == turn["role"]:
        yield f"two turns in a row are the {turn['role']}'s"
    for block in turn["content"]:
        if block["type"] == "text" and not block["text"].strip():
            yield "a text is white space"
    called = [block["id"] for block in turn["content"] if block["type"] == "tool_use"]
    given = after["content"] if after is not None else []
    results = [block.get("tool_use_id") for block in given if block["type"] == "tool_result"]
    if sorted(called) != sorted(results):
        yield f"the calls {called} have the results {results}"
    if [block["type"] for block in given[: len(called)]] != ["tool_result"] * len(called):
        yield "results do not come first in their turn"


def _anthropic_thinking(body: Mapping[str, Any]) -> Iterator[str]:
    thinking = body.get("thinking", {})
    if thinking.get("type") not in ("enabled", "adaptive"):
        return
    if thinking.get("budget_tokens", 0) >= body["max_tokens"]:
        yield "the budget is no part of max_tokens"
    if body.get("tool_choice", {}).get("type") in ("any", "tool"):
        yield "a call is forced while the model reasons"
    if body.get("temperature", 1) != 1 or "top_k" in body or body.get("top_p", 1) < 0.95:
        yield "there are sampling settings while the model reasons"


# --- Gemini


def _gemini(body: Mapping[str, Any]) -> Iterator[str]:
    contents: Sequence[Mapping[str, Any]] = body["contents"]
    for content, after in zip(contents, [*contents[1:], None], strict=True):
        if not content["parts"] or not all(content["parts"]):
            yield "a content has no parts"
        called = [part["functionCall"]["name"] for part in content["parts"] if "functionCall" in part]
        following = after["parts"] if after is not None else ()
        given = [part["functionResponse"]["name"] for part in following if "functionResponse" in part]
        if called != given:
            yield f"the calls {called} have the responses {given}"
    for tool in body.get("tools", ()):
        for one in tool["functionDeclarations"]:
            if one.get("parametersJsonSchema") == {"type": "object", "properties": {}}:
                yield "a function has an object without properties"


# --- Ollama


def _ollama(body: Mapping[str, Any]) -> Iterator[str]:
    for message in body["messages"]:
        for call in message.get("tool_calls", ()):
            if not isinstance(call["function"]["arguments"], dict):
                yield "arguments are no object"
        if message["role"] == "tool" and not message.get("tool_name"):
            yield "a result does not say whose it is"


_RULES = {
    "openai-chat": _chat,
    "openai-responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "ollama": _ollama,
}
