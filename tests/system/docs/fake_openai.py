"""A server that speaks enough of Chat Completions for the documents' programs, over a real socket.

It calls each tool it is offered once, with arguments made from the schema, then answers in a few tokens. It is for
documents only: what providers really send is in the recordings.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = "The tide rises twice a day, because the Moon pulls the sea."


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in [*_answer(body), "[DONE]"]:
            data = event if isinstance(event, str) else json.dumps(event)
            line = f"data: {data}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on standard error."""


def _answer(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    tools = [tool["function"] for tool in body.get("tools", ())]
    if tools and not any(message["role"] == "tool" for message in body["messages"]):
        for index, tool in enumerate(tools):
            function = {"name": tool["name"], "arguments": json.dumps(_sample(tool.get("parameters", {})))}
            call = {"index": index, "id": f"call_{index}", "type": "function", "function": function}
            yield _chunk(body, {"tool_calls": [call]})
        yield _chunk(body, {}, finish_reason="tool_calls")
    else:
        text = ANSWER
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        if schema is not None:
            text = json.dumps(_sample(schema))
        for word in text.split(" "):
            yield _chunk(body, {"content": word if word == text.split(" ")[0] else f" {word}"})
        yield _chunk(body, {}, finish_reason="stop")
    usage = {"prompt_tokens": 12, "completion_tokens": 13, "total_tokens": 25}
    yield {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": body["model"], "choices": [], "usage": usage}


def _chunk(body: dict[str, Any], delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": body["model"], "choices": [choice]}


def _sample(schema: dict[str, Any]) -> Any:
    """A value that the schema allows."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object" or "properties" in schema:
        return {name: _sample(inner) for name, inner in schema.get("properties", {}).items()}
    values = {"integer": 3, "number": 1.5, "boolean": True, "array": [], "null": None}
    return values.get(str(schema.get("type")), "Brest")


@contextmanager
def fake_openai() -> Iterator[str]:
    """The server's base URL, while it runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
