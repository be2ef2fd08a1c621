"""A small MCP server of the handshake revisions, of the standard library alone, that can misbehave in many ways.

`python mcp_small.py [WAY…]`, with a way of: `deaf` (never answers), `stays` (does not leave when its input closes),
`endless` (its list of tools has no end), `broken` (one of its tools is none), `meta` (a tool tells what came beside its
arguments). Tools misbehave when they are called. What it sees is written to the file that `HEADWATER_TEST_SAW` names, a
word a line.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

WAYS = sys.argv[1:]
OBJECT = {"type": "object"}


def saw(word: str) -> None:
    if path := os.environ.get("HEADWATER_TEST_SAW"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{word}\n")


def lived_before(word: str) -> bool:
    path = os.environ.get("HEADWATER_TEST_SAW", "")
    return os.path.exists(path) and word in open(path, encoding="utf-8").read().split()


def send(message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def text(words: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": words}]}


def tools(cursor: str | None) -> dict[str, Any]:
    listed: list[dict[str, Any]] = [
        {"name": name, "description": f"Tool {name}.", "inputSchema": OBJECT}
        for name in ("echo", "pid", "hang", "die", "garbage", "lie", "ask", "change", "refuse")
    ]
    listed.append({"name": "die_once", "inputSchema": OBJECT, "annotations": {"idempotentHint": True}})
    if "meta" in WAYS:
        listed.append({"name": "meta", "inputSchema": OBJECT})
    if "broken" in WAYS:
        listed.append({"name": "broken", "inputSchema": {"type": "array"}})
    listed[5]["outputSchema"] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    if lived_before("changed"):
        listed[0]["description"] = "Tool echo, changed."
        del listed[1]
    if "endless" in WAYS:
        return {"tools": listed, "nextCursor": f"{cursor or ''}x"}
    return {"tools": listed}


def called(identity: Any, name: str, arguments: dict[str, Any], token: Any) -> dict[str, Any] | None:
    saw(name)
    if name == "die_once" and not lived_before("died"):
        saw("died")
        os._exit(1)
    if name == "die":
        os._exit(1)
    if name == "hang":
        if token is not None:
            send({"method": "notifications/progress", "params": {"progressToken": token, "progress": 1, "total": 2}})
        return None
    if name == "garbage":
        print("this is not JSON", flush=True)
        send({"id": 10**6, "result": text("to nobody")})
    if name == "lie":
        return {**text("no"), "structuredContent": {"n": "not a number"}}
    if name == "refuse":
        raise ValueError
    if name == "ask":
        schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
        params = {"message": "Really?", "requestedSchema": schema}
        send({"id": f"ask-{identity}", "method": "elicitation/create", "params": params})
        return None
    if name == "change":
        saw("changed")
        send({"method": "notifications/tools/list_changed"})
    return text(str(os.getpid()) if name == "pid" else json.dumps(arguments))


def answer(message: dict[str, Any]) -> None:
    result: dict[str, Any] | None
    identity, method, params = message.get("id"), message.get("method"), message.get("params") or {}
    if isinstance(identity, str) and identity.startswith("ask-") and method is None:
        send({"id": int(identity[4:]), "result": text(json.dumps(message["result"], sort_keys=True))})
    elif method == "notifications/cancelled":
        saw("cancelled")
    elif method == "initialize":
        version = params["protocolVersion"]
        info = {"name": "small", "version": "1"}
        send(
            {"id": identity, "result": {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}}
        )
    elif method == "tools/list":
        saw("list")
        send({"id": identity, "result": tools(params.get("cursor"))})
    elif method == "tools/call":
        try:
            meta = params.get("_meta") or {}
            arguments = meta if params["name"] == "meta" else params.get("arguments") or {}
            result = called(identity, params["name"], arguments, meta.get("progressToken"))
        except ValueError:
            send({"id": identity, "error": {"code": -32000, "message": "out of order"}})
        else:
            if result is not None:
                send({"id": identity, "result": result})
    elif identity is not None:
        send({"id": identity, "error": {"code": -32601, "message": "unknown"}})


def main() -> None:
    print("small is here", file=sys.stderr, flush=True)
    saw(f"pid:{os.getpid()}")
    if "stays" in WAYS:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for line in sys.stdin:
        if "deaf" not in WAYS:
            answer(json.loads(line))
    while "stays" in WAYS:
        time.sleep(1)
    saw("end")


if __name__ == "__main__":
    main()
