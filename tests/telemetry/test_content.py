"""Messages in the shapes of the conventions: each part has the fields that its schema requires."""

from __future__ import annotations

import json
from typing import Any, Final

from headwater.events.messages import (
    File,
    Image,
    Message,
    ProviderItem,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
)
from headwater.telemetry.content import arguments_of, as_json, messages_of, result_of

REQUIRED: Final[dict[str, set[str]]] = {
    "text": {"content"},
    "reasoning": {"content"},
    "tool_call": {"name"},
    "tool_call_response": {"response"},
    "server_tool_call": {"name", "server_tool_call"},
    "blob": {"modality", "content"},
    "uri": {"modality", "uri"},
    "file": {"modality", "file_id"},
}
"""Of the JSON schemas beside the model; other types are the schema's generic part, which requires its type alone."""


def parts(*content: Any, role: Any = "user") -> list[dict[str, Any]]:
    (message,) = messages_of([Message(role=role, content=content)])
    assert message["role"] == role
    for part in message["parts"]:
        assert REQUIRED.get(part["type"], set()) <= part.keys()
    read = json.loads(as_json(message["parts"]))
    assert isinstance(read, list)
    return read


def test_each_part_has_its_official_shape() -> None:
    assert parts(Text(text="Hi."), Reasoning(text="Hm.")) == [
        {"type": "text", "content": "Hi."},
        {"type": "reasoning", "content": "Hm."},
    ]
    call = ToolCall(id="c1", name="look", arguments={"at": 1})
    assert parts(call, role="assistant") == [{"type": "tool_call", "id": "c1", "name": "look", "arguments": {"at": 1}}]
    searched = ToolCall(id="s1", name="web_search", arguments={"q": "tide"}, by="provider")
    (shape,) = parts(searched, role="assistant")
    assert shape["type"] == "server_tool_call"
    assert shape["server_tool_call"] == {"type": "web_search", "arguments": {"q": "tide"}}
    result = ToolResult(id="c1", name="look", content="saw it")
    assert parts(result, role="tool") == [{"type": "tool_call_response", "id": "c1", "response": "saw it"}]


def test_files_by_where_they_are() -> None:
    assert parts(Image(data=b"\x89PNG\r\n\x1a\n")) == [
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iVBORw0KGgo="}
    ]
    assert parts(Image(url="https://x/y.png")) == [{"type": "uri", "modality": "image", "uri": "https://x/y.png"}]
    (sound,) = parts(File(data=b"ID3"))
    assert (sound["modality"], sound["mime_type"]) == ("audio", "audio/mpeg")
    assert parts(File(id="file-1")) == [{"type": "file", "modality": "document", "file_id": "file-1"}]


def test_what_has_no_shape_there_is_a_generic_part() -> None:
    assert [part["type"] for part in parts(Source(url="https://x"), role="assistant")] == ["source"]
    assert parts(ProviderItem(api="a", item={"secret": 1}), role="assistant") == [{"type": "provider_item", "api": "a"}]


def test_names_arguments_and_results() -> None:
    assert messages_of([Message(role="user", name="ann")]) == [{"role": "user", "parts": [], "name": "ann"}]
    assert arguments_of("raw") == {"input": "raw"}
    assert arguments_of({"a": 1}) == {"a": 1}
    assert result_of("so") == {"output": "so"}
    assert result_of((Text(text="so"),)) == {"parts": [{"type": "text", "content": "so"}]}
