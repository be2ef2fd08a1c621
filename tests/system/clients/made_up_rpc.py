"""MCP and A2A under made-up JSON-RPC messages: whatever is sent, the server answers it, and stays up.

    python -m tests.system.clients.made_up_rpc [MESSAGES]

No document describes these routes to a tool that makes requests up. Here, valid messages lose fields and get odd
values, which a seed decides.
"""

from __future__ import annotations

import copy
import json
import random
import sys
from collections.abc import Iterator
from typing import Any, Final

import httpx

from tests.system.clients import serving

__all__ = ("main", "messages")

MESSAGES: Final = 400
"""For each of the two."""

SEED: Final = 1
MCP_VERSION: Final = "2026-07-28"
_META: Final = {
    "io.modelcontextprotocol/protocolVersion": MCP_VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "made up", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
}
_HELLO: Final = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
_SAID: Final = {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "Hi"}]}

_MCP: Final[list[tuple[str, dict[str, Any]]]] = [
    ("tools/list", {"_meta": _META}),
    ("tools/call", {"_meta": {**_META, "progressToken": 1}, "name": "plain", "arguments": {"input": "Hi"}}),
    ("tools/call", {"_meta": _META, "name": "approval", "arguments": {"input": "Hi"}}),
    ("tools/call", {"_meta": _META, "name": "question", "requestState": "run_0:7", "inputResponses": {"q": {}}}),
    ("initialize", _HELLO),
    ("ping", {}),
    ("notifications/cancelled", {"requestId": 1, "reason": "no"}),
]
_A2A: Final[list[tuple[str, dict[str, Any]]]] = [
    ("SendMessage", {"message": {**_SAID, "contextId": "c"}}),
    ("SendMessage", {"message": _SAID, "configuration": {"returnImmediately": True, "historyLength": 3}}),
    ("SendMessage", {"message": {**_SAID, "taskId": "run_0", "parts": [{"data": {"approved": True}}]}}),
    ("SendStreamingMessage", {"message": _SAID}),
    ("GetTask", {"id": "run_0", "historyLength": 1}),
    ("ListTasks", {"pageSize": 5, "pageToken": "", "status": "TASK_STATE_WORKING", "contextId": "c"}),
    ("CancelTask", {"id": "run_0"}),
    ("SubscribeToTask", {"id": "run_0"}),
    ("CreateTaskPushNotificationConfig", {"taskId": "run_0", "config": {"url": "http://127.0.0.1/"}}),
]
_AGENTS: Final = ("plain", "tools", "broken", "approval", "question", "boss", "fails", "cut", "both", "nobody", "%00")
_ODD: Final[list[Any]] = [
    *(None, True, 0, -1, 1.5, 10**30, "", "\0", "\r\nX-Made: up", "\ud800", "..", "%2e", "x" * 70_000),
    *([], {}, [[]], {"": None}, [{"text": 1}], {"$ref": "#"}, "run_0", ["ROLE_USER"]),
]


def messages(known: list[tuple[str, dict[str, Any]]], dice: random.Random, number: int) -> Iterator[Any]:
    """Yields valid messages, and ones with up to three places changed."""
    for at in range(number):
        method, params = dice.choice(known)
        message = {"jsonrpc": "2.0", "id": at, "method": method, "params": copy.deepcopy(params)}
        for _ in range(dice.randrange(4)):
            _change(message, dice)
        yield message


def _change(message: dict[str, Any], dice: random.Random) -> None:
    """Removes, replaces or adds a field somewhere in the message."""
    places: list[Any] = [message]
    for place in places:
        inside = place.values() if isinstance(place, dict) else place
        places += [one for one in inside if isinstance(one, (dict, list)) and one]
    place = dice.choice(places)
    key = dice.choice([*place] if isinstance(place, dict) else range(len(place)))
    match dice.randrange(4):
        case 0:
            del place[key]
        case 1 if isinstance(place, dict):
            place[f"{key}s"] = copy.deepcopy(dice.choice(_ODD))
        case _:
            place[key] = copy.deepcopy(dice.choice(_ODD))


def _headers(message: Any) -> dict[str, str]:
    """The headers that MCP's protocol of 2026 wants to agree with the body, where a header can hold the words."""
    if "_meta" not in str(message):
        return {}
    params = message.get("params")
    named = {"mcp-method": message.get("method"), "mcp-name": params.get("name") if isinstance(params, dict) else None}
    told = {name: value for name, value in named.items() if isinstance(value, str) and 0 < len(value) < 100}
    return {"mcp-protocol-version": MCP_VERSION, **{k: v for k, v in told.items() if v.isascii() and v.isprintable()}}


def main() -> int:
    """Sends them. Returns 1 if one is answered with a server's error, or not at all."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    dice, wrong = random.Random(SEED), []
    sent = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    with serving() as url, httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        for path, known in (("/mcp", _MCP), ("/a2a/", _A2A)):
            for message in messages(known, dice, number):
                body = json.dumps(message).encode()
                where = path if path == "/mcp" else path + dice.choice(_AGENTS)
                headers = sent | (_headers(message) if path == "/mcp" else {})
                try:
                    answer = client.post(where, content=body, headers=headers)
                except httpx.HTTPError as error:
                    wrong.append((where, repr(error), body[:500]))
                    continue
                if answer.status_code >= 500 or "x-made" in answer.headers:
                    wrong.append((where, f"{answer.status_code} {answer.text[:200]}", body[:500]))
        assert client.get("/health").json() == {"status": "ok"}
    for one in wrong:
        print(*one, sep="\n  ")
    print(f"{2 * number} messages, {len(wrong)} of them answered wrongly.")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
