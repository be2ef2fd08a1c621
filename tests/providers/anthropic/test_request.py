"""Requests to the Messages API: what each message, part and setting is on the wire."""

from __future__ import annotations

import base64
import importlib
import importlib.util
import json
import typing
from typing import Any

import pytest

from headwater import errors
from headwater.events.messages import File, Image, Message, ProviderItem, Reasoning, Source, Text, ToolCall, ToolResult
from headwater.providers.anthropic import request
from headwater.providers.anthropic.response import encode
from headwater.providers.request import Endpoint, OutputSpec, Quirks, Request, Secret, Settings, ToolSpec
from tests.support.vendor_types import misfit

PNG = b"\x89PNG\r\n\x1a\n"
PDF = b"%PDF-1.7"

HERE = Endpoint(provider="anthropic", api="anthropic", base_url="https://api.anthropic.com", key=Secret("sk-1"))


def ask(*messages: Message, model: str = "claude-opus-5", **fields: Any) -> Request:
    chosen = Settings(**fields.pop("settings", {}))
    return Request(model=model, messages=messages or (Message.user("hi"),), settings=chosen, **fields)


def body_of(*messages: Message, endpoint: Endpoint = HERE, **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode(ask(*messages, **fields), endpoint).body)
    if "extra" not in fields.get("settings", {}) and importlib.util.find_spec("anthropic"):
        check_types(body)
    return body


def check_types(body: dict[str, Any]) -> None:
    """Checks every body that these tests build against the types of the vendor's package."""
    params = importlib.import_module("anthropic.types.message_create_params").MessageCreateParamsStreaming
    # Its newest types have no sampling settings any more, but older models accept them.
    known = {name: value for name, value in body.items() if name not in ("temperature", "top_p", "top_k")}
    assert misfit(known, params) == ""


def contents(*messages: Message) -> list[Any]:
    return [turn["content"] for turn in body_of(*messages)["messages"]]


def test_plainest_request() -> None:
    request = encode(ask(Message.system("Be brief."), Message.user("hi")), HERE)
    assert (request.method, request.url) == ("POST", "https://api.anthropic.com/v1/messages")
    assert request.headers == {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "anthropic-version": "2023-06-01",
        "x-api-key": "sk-1",
    }
    assert json.loads(request.body) == {
        "model": "claude-opus-5",
        "max_tokens": 128_000,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "stream": True,
    }


@pytest.mark.parametrize("base_url", ["http://h", "http://h/", "http://h/v1", "http://h/v1/"])
def test_url(base_url: str) -> None:
    endpoint = Endpoint(provider="x", api="anthropic", base_url=base_url)
    assert encode(ask(), endpoint).url == "http://h/v1/messages"


def test_headers_of_the_endpoint_win() -> None:
    given_headers = {"Authorization": "Bearer t", "Anthropic-Version": "2026-10-21", "anthropic-beta": "b, c"}
    endpoint = Endpoint(
        provider="x", api="anthropic", base_url="http://h", headers=given_headers, query={"beta": "true"}
    )
    request = encode(ask(settings={"extra": {"betas": ["a", "b"]}}), endpoint)
    assert request.url == "http://h/v1/messages?beta=true"
    assert request.headers["authorization"] == "Bearer t"
    assert request.headers["anthropic-version"] == "2026-10-21"
    assert request.headers["anthropic-beta"] == "b,c,a"
    assert "x-api-key" not in request.headers
    assert "betas" not in json.loads(request.body)


def test_turns_alternate_and_results_come_first() -> None:
    calls = Message(
        role="assistant",
        api="openai-chat",
        content=(
            Text(text=""),
            ToolCall(id="call|1", name="f", arguments={"a": 1}),
            ToolCall(id="b", name="g", arguments="{cut"),
            ToolCall(id="c", name="web_search", arguments={}, by="provider"),
        ),
    )
    picture = Image(data=PNG)
    results = (
        Message.tool(ToolResult(id="call|1", name="f", content="one")),
        Message.tool(
            ToolResult(id="b", name="g", content=(Text(text="see"), Text(text=" "), picture), error=True, cache=True)
        ),
    )
    turns = body_of(Message.user("hi"), Message.user("you"), calls, Message.user("wait"), *results)["messages"]
    text = {"type": "text", "text": "hi"}
    assert turns[0] == {"role": "user", "content": [text, {"type": "text", "text": "you"}]}
    assert turns[1] == {
        "role": "assistant",
        "content": [
            {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "b", "name": "g", "input": {"invalid_json": "{cut"}},
        ],
    }
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}
    assert turns[2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "call_1", "content": "one"},
            {
                "type": "tool_result",
                "tool_use_id": "b",
                "content": [{"type": "text", "text": "see"}, {"type": "image", "source": source}],
                "is_error": True,
                "cache_control": {"type": "ephemeral"},
            },
            {"type": "text", "text": "wait"},
        ],
    }
    assert len(turns) == 3


def test_images_and_files() -> None:
    encoded = base64.b64encode(PNG).decode()
    message = Message.user(
        Image(url="https://a.b/c.png"),
        Image(url=f"data:image/gif;base64,{encoded}", cache=True),
        File(data=PDF, name="a.pdf"),
        File(data=b"a,b", media_type="text/csv", name="t.csv"),
        File(url="https://a.b/c.pdf", media_type="application/pdf"),
        File(id="file_1"),
        File(id="file_2", media_type="image/png", name="p.png"),
        File(data=PNG, media_type="image/png"),
    )
    request = encode(ask(message), HERE)
    assert request.headers["anthropic-beta"] == "files-api-2025-04-14"
    pdf = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(PDF).decode()}
    gif = {"type": "base64", "media_type": "image/gif", "data": encoded}
    assert json.loads(request.body)["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "url", "url": "https://a.b/c.png"}},
        {"type": "image", "source": gif, "cache_control": {"type": "ephemeral"}},
        {"type": "document", "source": pdf, "title": "a.pdf"},
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "a,b"},
            "title": "t.csv",
        },
        {"type": "document", "source": {"type": "url", "url": "https://a.b/c.pdf"}},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "image", "source": {"type": "file", "file_id": "file_2"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": encoded}},
    ]


def test_unsupported_file() -> None:
    with pytest.raises(errors.InvalidRequest, match="audio/mpeg"):
        encode(ask(Message.user(File(data=b"ID3\xff\xfe"))), HERE)


def test_another_apis_answer_is_sent_unsigned() -> None:
    parts = (
        Reasoning(text="hm", signature="s"),
        Text(text="a", signature="gemini's"),
        Source(url="https://a.b"),
        ProviderItem(api="openai-responses", item={"type": "reasoning"}),
        Image(data=PNG),
    )
    theirs = Message(role="assistant", content=parts, api="gemini")
    assert contents(Message.user("hi"), theirs)[1] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "[image/png]"},
    ]


def test_signed_thinking_is_sent_back() -> None:
    parts = (
        Reasoning(text="hm", signature="s"),
        Reasoning(redacted="r"),
        Reasoning(text="cut before it was signed"),
        Text(text="a \n"),
    )
    ours = Message(role="assistant", content=parts, api="anthropic")
    assert contents(Message.user("hi"), ours)[1] == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "r"},
        {"type": "text", "text": "a"},
    ]
    assert contents(Message.user("hi"), ours, Message.user("b"))[1][-1]["text"] == "a \n"


def test_empty_turns_are_left_out() -> None:
    assert contents(Message.user(""), Message.assistant(" "), Message.user("a")) == [[{"type": "text", "text": "a"}]]


def test_cache_marks() -> None:
    marked = {"type": "ephemeral"}
    tools = (ToolSpec(name="f"), ToolSpec(name="g"))
    on: dict[str, Any] = {"cache": True}
    body = body_of(Message.system("S"), Message.user(Text(text="a", cache=True)), tools=tools, settings=on)
    assert body["system"] == [{"type": "text", "text": "S", "cache_control": marked}]
    assert body["messages"][0]["content"][0]["cache_control"] == marked
    assert not any("cache_control" in tool for tool in body["tools"])
    assert ["cache_control" in tool for tool in body_of(tools=tools, settings=on)["tools"]] == [False, True]
    assert "cache_control" not in json.dumps(body_of(Message.system("S"), tools=tools))


def test_settings() -> None:
    body = body_of(
        model="claude-sonnet-4-5",
        settings={
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 3,
            "max_tokens": 5,
            "stop": ("END",),
            "service_tier": "auto",
            "user": "u",
            "store": False,
        },
    )
    wanted = {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 3,
        "max_tokens": 5,
        "stop_sequences": ["END"],
        "service_tier": "auto",
        "metadata": {"user_id": "u"},
    }
    assert {name: body[name] for name in wanted} == wanted
    assert "store" not in body


@pytest.mark.parametrize(
    "setting",
    [{"seed": 1}, {"presence_penalty": 0.1}, {"frequency_penalty": 0.1}, {"verbosity": "low"}, {"store": True}],
)
def test_unknown_settings(setting: dict[str, Any]) -> None:
    with pytest.raises(errors.UnsupportedSetting, match=next(iter(setting))):
        encode(ask(settings=setting), HERE)


@pytest.mark.parametrize("model", ["claude-opus-4-7", "claude-sonnet-5", "claude-opus-5-5", "anthropic/claude-fable-1"])
@pytest.mark.parametrize("setting", [{"temperature": 0.5}, {"temperature": 0}, {"top_p": 0.9}, {"top_k": 3}])
def test_newer_models_refuse_sampling_settings(model: str, setting: dict[str, Any]) -> None:
    with pytest.raises(errors.UnsupportedSetting, match=next(iter(setting))):
        body_of(model=model, settings=setting)
    for older in ("claude-opus-4-6", "claude-haiku-4-5", "claude-opus-4-1", "claude-3-5-haiku-latest", "kimi-k2"):
        assert setting.items() <= body_of(model=older, settings=setting).items()


def test_newer_models_accept_default_sampling() -> None:
    assert body_of(settings={"temperature": 1.0, "top_p": 1})["temperature"] == 1.0


def test_a_service_tier_of_another_vendor() -> None:
    with pytest.raises(errors.UnsupportedSetting, match="service_tier='flex'"):
        body_of(settings={"service_tier": "flex"})
    assert body_of(settings={"service_tier": "standard_only"})["service_tier"] == "standard_only"


def test_settings_that_a_server_does_not_support() -> None:
    endpoint = Endpoint(provider="x", api="anthropic", base_url="http://h", quirks=Quirks(unsupported={"top_k"}))  # type: ignore[arg-type]
    with pytest.raises(errors.UnsupportedSetting, match="top_k"):
        encode(ask(settings={"top_k": 1}), endpoint)


def test_extra_wins() -> None:
    tools = (ToolSpec(name="f", description="d", parameters={"properties": {}}),)
    search = {"type": "web_search_20250305", "name": "web_search"}
    extra = {"max_tokens": 9, "output_config": {"effort": "max"}, "tools": [search], "context_management": {"a": 1}}
    output = OutputSpec(name="o", schema={"type": "object"})
    body = body_of(tools=tools, output=output, settings={"extra": extra})
    assert body["max_tokens"] == 9
    assert body["context_management"] == {"a": 1}
    assert body["output_config"]["effort"] == "max"
    assert body["output_config"]["format"]["type"] == "json_schema"
    assert body["tools"] == [
        {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}},
        search,
    ]


@pytest.mark.parametrize(
    ("choice", "parallel", "wanted"),
    [
        (None, None, None),
        (None, True, None),
        ("auto", None, {"type": "auto"}),
        ("none", False, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ("f", None, {"type": "tool", "name": "f"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("f", False, {"type": "tool", "name": "f", "disable_parallel_tool_use": True}),
    ],
)
def test_tool_choice(choice: str | None, parallel: bool | None, wanted: dict[str, Any] | None) -> None:
    chosen = {"tool_choice": choice, "parallel_tool_calls": parallel}
    assert body_of(tools=(ToolSpec(name="f"),), settings=chosen).get("tool_choice") == wanted


def test_tool_choice_without_tools() -> None:
    assert "tool_choice" not in body_of(settings={"tool_choice": "auto", "parallel_tool_calls": False})


def test_strict_tool_has_a_closed_schema() -> None:
    parameters = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
    strict = ToolSpec(name="f", parameters=parameters, strict=True)
    assert body_of(tools=(strict,))["tools"][0] == {
        "name": "f",
        "input_schema": {
            "type": "object",
            "properties": {"n": {"type": "integer", "description": "(minimum: 1)"}},
            "required": ["n"],
            "additionalProperties": False,
        },
        "strict": True,
    }
    lax = Endpoint(provider="x", api="anthropic", base_url="http://h", quirks=Quirks(strict_tools=False))
    assert body_of(tools=(strict,), endpoint=lax)["tools"][0] == {"name": "f", "input_schema": parameters}


def test_output_schema() -> None:
    inner = {"type": "object", "properties": {"format": {"type": "string", "format": "date", "maxLength": 9}}}
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": {"$ref": "#/$defs/I"}, "minItems": 1, "maxItems": 4},
            "b": {"oneOf": [{"const": 1}, {"type": "string", "format": "x"}], "description": "B."},
        },
        "additionalProperties": True,
        "$defs": {"I": inner},
    }
    body = body_of(output=OutputSpec(name="o", schema=schema))
    assert body["output_config"]["format"] == {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "properties": {
                "a": {
                    "type": "array",
                    "items": {"$ref": "#/$defs/I"},
                    "minItems": 1,
                    "description": "(maxItems: 4)",
                },
                "b": {
                    "anyOf": [{"const": 1}, {"type": "string", "description": '(format: "x")'}],
                    "description": "B.",
                },
            },
            "additionalProperties": False,
            "$defs": {
                "I": {
                    "type": "object",
                    "properties": {"format": {"type": "string", "format": "date", "description": "(maxLength: 9)"}},
                    "additionalProperties": False,
                }
            },
        },
    }
    assert schema["additionalProperties"] is True, "the caller's schema was changed"


def test_output_schema_in_instructions_if_unsupported() -> None:
    output = OutputSpec(name="o", schema={"type": "integer"})
    old = body_of(Message.system("S"), output=output, model="claude-3-5-haiku-latest")
    simple = Endpoint(provider="x", api="anthropic", base_url="http://h", quirks=Quirks(json_schema=False))
    for body in (old, body_of(Message.system("S"), output=output, endpoint=simple)):
        assert "output_config" not in body
        assert body["system"][0]["text"] == "S"
        assert '{"type":"integer"}' in body["system"][1]["text"]


@pytest.mark.parametrize(
    ("model", "max_tokens"),
    [
        ("claude-3-haiku-20240307", 4_096),
        ("claude-3-5-sonnet-latest", 8_192),
        ("claude-3-7-sonnet@20250219", 64_000),
        ("claude-opus-4-20250514", 32_000),
        ("claude-opus-4-1", 32_000),
        ("claude-sonnet-4-0", 64_000),
        ("anthropic/claude-haiku-4.5", 64_000),
        ("us.anthropic.claude-opus-4-6-v1", 128_000),
        ("claude-sonnet-9", 128_000),
        ("tiny", 8_192),
    ],
)
def test_max_tokens_default_to_the_familys_maximum(model: str, max_tokens: int) -> None:
    assert body_of(model=model)["max_tokens"] == max_tokens


ADAPTIVE = {"type": "adaptive", "display": "summarized"}


@pytest.mark.parametrize(
    ("model", "reasoning", "max_tokens", "thinking", "effort"),
    [
        ("claude-opus-5", None, None, None, None),
        ("claude-opus-5", True, None, ADAPTIVE, None),
        ("claude-opus-5", "xhigh", None, ADAPTIVE, "xhigh"),
        ("claude-opus-5", "minimal", None, ADAPTIVE, "low"),
        ("claude-opus-5", False, None, {"type": "disabled"}, None),
        ("claude-sonnet-5-5", "none", None, {"type": "between_tools"}, None),
        ("claude-opus-4-7", False, None, None, None),
        ("claude-opus-4-6", "xhigh", None, ADAPTIVE, "max"),
        ("claude-opus-4-6", 2000, None, {"type": "enabled", "budget_tokens": 2000}, None),
        ("claude-haiku-4-5", True, None, {"type": "enabled", "budget_tokens": 12_288}, None),
        ("claude-haiku-4-5", "high", None, {"type": "enabled", "budget_tokens": 24_576}, None),
        ("claude-haiku-4-5", "high", 4000, {"type": "enabled", "budget_tokens": 2000}, None),
        ("claude-haiku-4-5", "high", 1500, {"type": "enabled", "budget_tokens": 1024}, None),
        ("claude-haiku-4-5", 0, None, None, None),
        ("claude-3-5-haiku-latest", False, None, None, None),
        ("tiny", "low", None, {"type": "enabled", "budget_tokens": 4096}, None),
    ],
)
def test_reasoning(
    model: str, reasoning: Any, max_tokens: int | None, thinking: dict[str, Any] | None, effort: str | None
) -> None:
    body = body_of(model=model, settings={"reasoning": reasoning, "max_tokens": max_tokens})
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort
    if thinking and "budget_tokens" in thinking:
        assert thinking["budget_tokens"] < body["max_tokens"]


@pytest.mark.parametrize(
    ("model", "reasoning", "max_tokens"),
    [
        ("claude-opus-5-5", False, None),
        ("claude-fable-5-1", "none", None),
        ("claude-3-5-haiku-latest", "low", None),
        ("claude-opus-5", 4000, None),
        ("claude-haiku-4-5", 1000, None),
        ("claude-haiku-4-5", 4000, 4000),
        ("claude-haiku-4-5", "low", 1024),
    ],
)
def test_unsupported_reasoning(model: str, reasoning: Any, max_tokens: int | None) -> None:
    with pytest.raises(errors.UnsupportedSetting, match="reason"):
        encode(ask(model=model, settings={"reasoning": reasoning, "max_tokens": max_tokens}), HERE)


@pytest.mark.parametrize(
    ("name", "refused", "taken"),
    [
        ("tool_choice", "required", "auto"),
        ("tool_choice", "f", "none"),
        ("temperature", 0.5, 1),
        ("top_k", 5, None),
        ("top_p", 0.5, 0.95),
    ],
)
@pytest.mark.parametrize(("model", "reasoning"), [("claude-haiku-4-5", "low"), ("claude-opus-4-6", 2000), ("x", True)])
def test_reasoning_excludes_forced_calls_and_sampling(
    model: str, reasoning: Any, name: str, refused: Any, taken: Any
) -> None:
    def asked(**settings: Any) -> dict[str, Any]:
        return body_of(model=model, settings=settings, tools=(ToolSpec(name="f"),))

    with pytest.raises(errors.UnsupportedSetting, match="while the model reasons"):
        asked(reasoning=reasoning, **{name: refused})
    assert asked(reasoning=reasoning, **{name: taken})["thinking"]
    assert name in asked(reasoning=False, **{name: refused})


@pytest.mark.parametrize(
    "messages",
    [
        (Message.user(" \n"),),
        (Message.system("Be brief."),),
        (Message.user(""), Message.assistant("Hello."), Message.user("Go on.")),
    ],
)
def test_the_first_turn_is_the_users_even_if_empty(messages: tuple[Message, ...]) -> None:
    first, *rest = body_of(*messages)["messages"]
    assert first == {"role": "user", "content": [{"type": "text", "text": request.NOTHING_SAID}]}
    assert [turn["role"] for turn in rest] == ["assistant", "user"][: len(rest)]


def test_effort_and_output_share_a_field() -> None:
    body = body_of(output=OutputSpec(name="o", schema={"type": "object"}), settings={"reasoning": "low"})
    assert set(body["output_config"]) == {"format", "effort"}


def test_encoding_changes_no_message() -> None:
    item = {"type": "web_search_tool_result", "content": []}
    parts = (Text(text="a "), ProviderItem(api="anthropic", item=item))
    message = Message(role="assistant", content=parts, api="anthropic")
    before = json.dumps(item)
    first = encode(ask(Message.user("a"), message, settings={"cache": True}), HERE)
    assert first == encode(ask(Message.user("a"), message, settings={"cache": True}), HERE)
    assert json.dumps(item) == before


# --- the official package's types


@pytest.fixture(scope="module")
def package() -> Any:
    if importlib.util.find_spec("anthropic") is None:
        pytest.skip("the anthropic package is not installed")
    return importlib.import_module("anthropic.types")


def test_every_model_of_the_package_has_a_family(package: Any) -> None:
    named = {name for part in typing.get_args(package.Model) for name in typing.get_args(part)}
    assert named
    for name in named:
        assert request._family(name) is not request._UNKNOWN, name


def test_requests_match_those_of_the_package(package: Any) -> None:
    from pydantic import TypeAdapter

    params = importlib.import_module("anthropic.types.message_create_params").MessageCreateParamsStreaming
    answer = Message(
        role="assistant",
        api="anthropic",
        content=(
            Reasoning(text="hm", signature="s"),
            Reasoning(redacted="r"),
            Text(text="a"),
            ToolCall(id="t", name="f", arguments={}),
        ),
    )
    body = body_of(
        Message.system("S"),
        Message.user("hi", Image(data=PNG), File(data=PDF), File(data=b"x"), File(id="f"), Image(url="https://a.b")),
        answer,
        Message.tool(ToolResult(id="t", name="f", content=(Text(text="r"), Image(data=PNG)))),
        tools=(ToolSpec(name="f", description="d", strict=True),),
        output=OutputSpec(name="o", schema={"type": "object"}),
        settings={"reasoning": "high", "tool_choice": "auto", "user": "u", "stop": ("x",), "service_tier": "auto"},
    )
    assert set(body) <= set(params.__annotations__), "a field that the API does not name"
    block = TypeAdapter(package.ContentBlockParam)
    for turn in body["messages"]:
        for written in turn["content"]:
            block.validate_python(written)
    for name, kind in (
        ("system", list[package.TextBlockParam]),
        ("tools", list[package.ToolParam]),
        ("tool_choice", package.ToolChoiceParam),
        ("thinking", package.ThinkingConfigParam),
        ("output_config", package.OutputConfigParam),
        ("metadata", package.MetadataParam),
    ):
        TypeAdapter(kind).validate_python(body[name])
