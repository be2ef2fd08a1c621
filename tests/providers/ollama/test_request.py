"""Requests to Ollama: URLs, settings, tools and messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headwater import errors
from headwater.events.messages import File, Image, Message, ProviderItem, Reasoning, Text, ToolCall, ToolResult
from headwater.providers.ollama import encode
from headwater.providers.request import Endpoint, OutputSpec, Quirks, Secret, Settings, ToolSpec
from tests.providers.ollama.asking import JPEG, body_of, messages_of, request


@pytest.mark.parametrize(
    ("base_url", "wanted"),
    [
        ("http://localhost:11434", "http://localhost:11434/api/chat"),
        ("http://h/under/", "http://h/under/api/chat"),
        ("https://response.com/api", "https://response.com/api/chat"),
    ],
)
def test_address(base_url: str, wanted: str) -> None:
    endpoint = Endpoint(provider="ollama", api="ollama-chat", base_url=base_url)
    sent = encode(request(Message.user("hi")), endpoint)
    assert sent.url == wanted
    assert sent.headers == {"content-type": "application/json"}
    assert json.loads(sent.body) == {
        "model": "qwen3",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
    }


def test_a_key_is_sent_if_given() -> None:
    endpoint = Endpoint(
        provider="ollama", api="ollama-chat", base_url="http://h", key=Secret("k"), headers={"a": "b"}, query={"x": "1"}
    )
    sent = encode(request(Message.user("hi")), endpoint)
    assert sent.headers == {"content-type": "application/json", "authorization": "Bearer k", "a": "b"}
    assert sent.url == "http://h/api/chat?x=1"


def test_settings_are_options() -> None:
    given = Settings(
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        max_tokens=10,
        stop=("x",),
        seed=1,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        extra={"keep_alive": "5m", "options": {"num_ctx": 8192, "seed": 2}},
    )
    body = body_of(request(Message.user("hi"), settings=given))
    assert body["options"] == {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "num_predict": 10,
        "stop": ["x"],
        "seed": 2,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "num_ctx": 8192,
    }
    assert body["keep_alive"] == "5m"


@pytest.mark.parametrize(
    ("reasoning", "wanted"),
    [(True, True), (False, False), ("none", False), (0, False), ("low", "low"), ("high", "high")],
)
def test_reasoning(reasoning: Any, wanted: Any) -> None:
    think = body_of(request(Message.user("hi"), settings=Settings(reasoning=reasoning)))["think"]
    assert think is wanted if isinstance(wanted, bool) else think == wanted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reasoning", 1),
        ("reasoning", 1024),
        ("reasoning", "xhigh"),
        ("tool_choice", "required"),
        ("tool_choice", "f"),
        ("verbosity", "low"),
        ("service_tier", "flex"),
        ("user", "me"),
        ("store", True),
        ("parallel_tool_calls", False),
    ],
)
def test_unsupported_settings(name: str, value: Any) -> None:
    with pytest.raises(errors.UnsupportedSetting, match=name):
        body_of(request(Message.user("hi"), settings=Settings(**{name: value})))


def test_settings_that_a_server_refuses() -> None:
    endpoint = Endpoint(
        provider="p", api="ollama-chat", base_url="http://h", quirks=Quirks(unsupported=frozenset({"seed"}))
    )
    with pytest.raises(errors.UnsupportedSetting, match="seed"):
        body_of(request(Message.user("hi"), settings=Settings(seed=1)), endpoint)


def test_settings_equal_to_the_default() -> None:
    given = Settings(store=False, parallel_tool_calls=True, cache=True, tool_choice="auto")
    assert body_of(request(Message.user("hi"), settings=given)) == body_of(request(Message.user("hi")))


def test_tools() -> None:
    parameters = {"type": "object", "properties": {"a": {"type": "integer"}}}
    tools = (ToolSpec(name="f", description="does", parameters=parameters), ToolSpec(name="g"))
    body = body_of(request(Message.user("hi"), tools=tools))
    assert body["tools"] == [
        {"type": "function", "function": {"name": "f", "description": "does", "parameters": parameters}},
        {
            "type": "function",
            "function": {"name": "g", "description": "", "parameters": {"type": "object", "properties": {}}},
        },
    ]
    none = body_of(request(Message.user("hi"), tools=tools, settings=Settings(tool_choice="none")))
    assert "tools" not in none


def test_structured_output() -> None:
    schema = {"type": "object"}
    assert body_of(request(Message.user("hi"), output=OutputSpec(name="A", schema=schema)))["format"] == schema


def test_messages() -> None:
    call = ToolCall(id="c1", name="f", arguments={"a": 1})
    written = messages_of(
        Message.system("Be brief."),
        Message.user("one", "two", Image(data=JPEG)),
        Message(role="assistant", api="ollama-chat", content=(Reasoning(text="hm"), Text(text="I call."), call)),
        Message.tool(
            ToolResult(id="c1", name="f", content="found"),
            ToolResult(id="c2", name="g", content="no such file", error=True),
            ToolResult(id="c3", name="h", content=(Text(text="see"), Image(data=JPEG))),
        ),
        Message.assistant(""),
    )
    assert written == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one\n\ntwo", "images": ["/9j/"]},
        {
            "role": "assistant",
            "content": "I call.",
            "thinking": "hm",
            "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}],
        },
        {"role": "tool", "tool_name": "f", "tool_call_id": "c1", "content": "found"},
        {"role": "tool", "tool_name": "g", "tool_call_id": "c2", "content": "Error: no such file"},
        {"role": "tool", "tool_name": "h", "tool_call_id": "c3", "content": "see", "images": ["/9j/"]},
    ]


def test_reasoning_and_items_of_other_apis_are_left_out() -> None:
    other = Message(
        role="assistant",
        api="anthropic",
        content=(
            Reasoning(text="hm"),
            Text(text="I call."),
            ProviderItem(api="anthropic", item={}),
            ToolCall(id="srv", name="web_search", arguments={}, by="provider"),
            ToolCall(id="c", name="f", arguments="not json"),
        ),
    )
    assert messages_of(other) == [
        {
            "role": "assistant",
            "content": "I call.",
            "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"input": "not json"}}}],
        }
    ]


def test_images_are_sent_as_bytes() -> None:
    pictures = (Image(url="data:image/gif;base64,R0lG"), File(data=b"GIF89a"))
    assert messages_of(Message.user("see", *pictures))[0]["images"] == ["R0lG", "R0lGODlh"]


@pytest.mark.parametrize(
    "part",
    [
        Image(url="https://a.example/b.png"),
        File(data=b"%PDF-1.7"),
        File(id="f1", media_type="image/png"),
        ToolCall(id="a", name="f", arguments={}),
    ],
)
def test_unsupported_content_is_an_error(part: Any) -> None:
    with pytest.raises(errors.InvalidRequest, match="Ollama accepts"):
        messages_of(Message(role="user", content=(part,)))


def test_a_tool_message_holds_only_results() -> None:
    with pytest.raises(errors.InvalidRequest, match="Text"):
        messages_of(Message(role="tool", content=(Text(text="a"),)))
