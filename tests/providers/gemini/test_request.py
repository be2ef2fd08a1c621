"""Gemini requests: URLs, settings, messages, and what is sent back to which API."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from headwater import errors
from headwater.events.messages import File, Image, Message, ProviderItem, Reasoning, Text, ToolCall, ToolResult
from headwater.providers import gemini
from headwater.providers.request import Endpoint, OutputSpec, Quirks, Request, Secret, Settings, ToolSpec

ENDPOINT = Endpoint(
    provider="gemini",
    api="gemini",
    base_url="https://generativelanguage.googleapis.com",
    key=Secret("the-key"),
)


def request(*messages: Message, model: str = "gemini-2.5-flash", **fields: Any) -> Request:
    return Request(model=model, messages=messages, **fields)


def body_of(asked: Request, endpoint: Endpoint = ENDPOINT) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(gemini.encode(asked, endpoint).body)
    return body


def config_of(model: str = "gemini-2.5-flash", **given: Any) -> dict[str, Any]:
    config: dict[str, Any] = body_of(request(Message.user("hi"), model=model, settings=Settings(**given)))[
        "generationConfig"
    ]
    return config


def test_url_and_key() -> None:
    sent = gemini.encode(request(Message.user("hi")), ENDPOINT)
    assert sent.url == (
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    )
    assert sent.headers == {"content-type": "application/json", "x-goog-api-key": "the-key"}
    assert json.loads(sent.body) == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


@pytest.mark.parametrize(
    ("base_url", "model", "wanted"),
    [
        ("http://h/v1beta/", "m", "http://h/v1beta/models/m"),
        ("http://h/v1", "m", "http://h/v1/models/m"),
        ("http://h/router/v2/google", "m", "http://h/router/v2/google/v1beta/models/m"),
        ("http://h", "models/m", "http://h/v1beta/models/m"),
        ("http://h", "bad model", "http://h/v1beta/models/bad%20model"),
        (
            "http://h/v1beta1/projects/p/locations/l/publishers/google",
            "m",
            "http://h/v1beta1/projects/p/locations/l/publishers/google/models/m",
        ),
    ],
)
def test_addresses(base_url: str, model: str, wanted: str) -> None:
    endpoint = Endpoint(provider="gemini", api="gemini", base_url=base_url, query={"x": "1 2"}, headers={"a": "b"})
    sent = gemini.encode(request(Message.user("hi"), model=model), endpoint)
    assert sent.url == f"{wanted}:streamGenerateContent?alt=sse&x=1+2"
    assert sent.headers == {"content-type": "application/json", "a": "b"}


def test_settings_by_googles_names() -> None:
    config = config_of(
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        max_tokens=10,
        stop=("x",),
        seed=1,
        presence_penalty=0.1,
        frequency_penalty=0.2,
    )
    assert config == {
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 40,
        "maxOutputTokens": 10,
        "stopSequences": ["x"],
        "seed": 1,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
    }


def test_other_settings() -> None:
    given = Settings(service_tier="flex", store=False, parallel_tool_calls=True, cache=True)
    body = body_of(request(Message.user("hi"), settings=given))
    assert (body["serviceTier"], body["store"]) == ("flex", False)
    assert "generationConfig" not in body


@pytest.mark.parametrize(
    ("tier", "sent"),
    [("auto", None), ("default", "standard"), ("standard", "standard"), ("flex", "flex"), ("priority", "priority")],
)
def test_service_tiers_use_geminis_names(tier: str, sent: str | None) -> None:
    assert body_of(request(Message.user("hi"), settings=Settings(service_tier=tier))).get("serviceTier") == sent


def test_another_vendors_service_tier_is_refused() -> None:
    with pytest.raises(errors.UnsupportedSetting, match="service_tier='on_demand'") as caught:
        body_of(request(Message.user("hi"), settings=Settings(service_tier="on_demand")))
    assert "flex" in caught.value.hint


@pytest.mark.parametrize("name", ["verbosity", "user", "parallel_tool_calls"])
def test_unsupported_settings(name: str) -> None:
    value: Any = {"verbosity": "low", "user": "me", "parallel_tool_calls": False}[name]
    with pytest.raises(errors.UnsupportedSetting, match=name):
        body_of(request(Message.user("hi"), settings=Settings(**{name: value})))


def test_settings_that_a_server_refuses() -> None:
    endpoint = Endpoint(provider="p", api="gemini", base_url="http://h", quirks=Quirks(unsupported=frozenset({"seed"})))
    with pytest.raises(errors.UnsupportedSetting, match="seed"):
        body_of(request(Message.user("hi"), settings=Settings(seed=1)), endpoint)


@pytest.mark.parametrize(
    ("model", "reasoning", "wanted"),
    [
        ("gemini-2.5-flash", True, {"includeThoughts": True, "thinkingBudget": -1}),
        ("gemini-2.5-flash", False, {"thinkingBudget": 0}),
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-flash", 0, {"thinkingBudget": 0}),
        ("gemini-2.5-flash", 1, {"includeThoughts": True, "thinkingBudget": 1}),
        ("gemini-2.5-pro", "low", {"includeThoughts": True, "thinkingBudget": 1024}),
        ("gemini-2.5-pro", "high", {"includeThoughts": True, "thinkingBudget": 24576}),
        ("gemini-3-flash-preview", True, {"includeThoughts": True}),
        ("gemini-3.1-pro-preview", "low", {"includeThoughts": True, "thinkingLevel": "low"}),
        ("gemini-3-flash-preview", 512, {"includeThoughts": True, "thinkingBudget": 512}),
        ("gemini-flash-latest", "minimal", {"includeThoughts": True, "thinkingLevel": "minimal"}),
    ],
)
def test_reasoning(model: str, reasoning: Any, wanted: dict[str, Any]) -> None:
    assert config_of(model, reasoning=reasoning) == {"thinkingConfig": wanted}


def test_models_without_thinking_get_no_thinking_config() -> None:
    body = body_of(request(Message.user("hi"), model="gemini-2.0-flash", settings=Settings(reasoning=False)))
    assert "generationConfig" not in body


@pytest.mark.parametrize(
    ("model", "reasoning"),
    [
        ("gemini-2.0-flash", "high"),
        ("gemini-2.5-pro", False),
        ("gemini-3-pro-preview", "none"),
        ("gemini-2.5-flash", "xhigh"),
        ("gemini-3-pro-preview", "xhigh"),
        ("gemini-flash-latest", "xhigh"),
    ],
)
def test_unsupported_reasoning(model: str, reasoning: Any) -> None:
    with pytest.raises(errors.UnsupportedSetting, match="reasoning"):
        config_of(model, reasoning=reasoning)


@pytest.mark.parametrize(
    ("parameters", "sent"),
    [
        ({}, False),
        ({"type": "object", "properties": {}, "required": [], "additionalProperties": False}, False),
        ({"type": "object", "additionalProperties": {"type": "string"}}, True),
        ({"$ref": "#/$defs/City", "$defs": {"City": {"type": "object"}}}, True),
        ({"anyOf": [{"type": "object", "properties": {"a": {}}}]}, True),
    ],
)
def test_an_empty_schema_is_not_sent(parameters: dict[str, Any], sent: bool) -> None:
    body = body_of(request(Message.user("hi"), tools=(ToolSpec(name="f", parameters=parameters),)))
    ((tool,),) = ((tool["functionDeclarations"]) for tool in body["tools"])
    assert tool.get("parametersJsonSchema") == (parameters if sent else None)


def test_tools_and_tool_choice() -> None:
    parameters = {"type": "object", "properties": {"city": {"$ref": "#/$defs/City"}}, "$defs": {"City": {}}}
    tools = (ToolSpec(name="f", description="does", parameters=parameters), ToolSpec(name="g"))
    body = body_of(request(Message.user("hi"), tools=tools))
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "does", "parametersJsonSchema": parameters},
                {"name": "g"},
            ]
        }
    ]
    assert "toolConfig" not in body
    choices = {
        "auto": {"mode": "AUTO"},
        "none": {"mode": "NONE"},
        "required": {"mode": "ANY"},
        "g": {"mode": "ANY", "allowedFunctionNames": ["g"]},
    }
    for choice, wanted in choices.items():
        body = body_of(request(Message.user("hi"), tools=tools, settings=Settings(tool_choice=choice)))
        assert body["toolConfig"] == {"functionCallingConfig": wanted}


def test_structured_output() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    body = body_of(request(Message.user("hi"), output=OutputSpec(name="A", schema=schema)))
    assert body["generationConfig"] == {"responseMimeType": "application/json", "responseJsonSchema": schema}


def test_extra_is_merged_last() -> None:
    extra = {
        "generationConfig": {"temperature": 1, "responseModalities": ["TEXT"]},
        "tools": [{"googleSearch": {}}],
        "safetySettings": [],
    }
    body = body_of(
        request(
            Message.user("hi"), tools=(ToolSpec(name="f"),), settings=Settings(temperature=0.1, seed=2, extra=extra)
        )
    )
    assert body["generationConfig"] == {"temperature": 1, "seed": 2, "responseModalities": ["TEXT"]}
    assert body["tools"] == [{"functionDeclarations": [{"name": "f"}]}, {"googleSearch": {}}]
    assert body["safetySettings"] == []


def test_system_messages_are_the_instruction() -> None:
    body = body_of(request(Message.system("Be brief."), Message.user("hi"), Message.system("Be kind.")))
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]}
    assert [content["role"] for content in body["contents"]] == ["user"]


def test_media() -> None:
    message = Message.user(
        "see",
        Image(data=b"\xff\xd8\xff", detail="low"),
        Image(url="https://a.example/b.png"),
        Image(url="data:image/gif;base64,R0lG"),
        File(data=b"%PDF-1.7"),
        File(id="files/abc", media_type="video/mp4"),
        File(url="gs://bucket/x", media_type="text/plain"),
    )
    files = "https://generativelanguage.googleapis.com/v1beta/files/abc"
    jpeg: dict[str, Any] = {"inlineData": {"mimeType": "image/jpeg", "data": "/9j/"}}
    rest = [
        {"fileData": {"fileUri": "https://a.example/b.png"}},
        {"inlineData": {"mimeType": "image/gif", "data": "R0lG"}},
        {"inlineData": {"mimeType": "application/pdf", "data": base64.b64encode(b"%PDF-1.7").decode()}},
        {"fileData": {"fileUri": files, "mimeType": "video/mp4"}},
        {"fileData": {"fileUri": "gs://bucket/x", "mimeType": "text/plain"}},
    ]
    assert body_of(request(message))["contents"][0]["parts"] == [{"text": "see"}, jpeg, *rest]
    newer = body_of(request(message, model="gemini-3-pro-preview"))["contents"][0]["parts"]
    assert newer == [{"text": "see"}, {**jpeg, "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}}, *rest]


# --- sending answers back


OWN = Message(
    role="assistant",
    api="gemini",
    content=(
        Reasoning(text="hm", kind="summary"),
        Text(text="I look."),
        ToolCall(id="call_1", name="f", arguments={"x": 1}, signature="S", item_id="call_1"),
        ToolCall(id="ours_0", name="g", arguments={}),
    ),
)
RESULTS = Message.tool(
    ToolResult(id="call_1", name="f", content="one"), ToolResult(id="ours_0", name="g", content="no", error=True)
)


def test_calls_and_results_keep_the_received_ids() -> None:
    contents = body_of(request(Message.user("go"), OWN, RESULTS, model="gemini-3-pro-preview"))["contents"]
    assert contents[1:] == [
        {
            "role": "model",
            "parts": [
                {"text": "hm", "thought": True},
                {"text": "I look."},
                {"functionCall": {"id": "call_1", "name": "f", "args": {"x": 1}}, "thoughtSignature": "S"},
                {"functionCall": {"name": "g", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "call_1", "name": "f", "response": {"output": "one"}}},
                {"functionResponse": {"name": "g", "response": {"error": "no"}}},
            ],
        },
    ]


def test_signatures_reasoning_and_items_of_other_apis_are_left_out() -> None:
    other = Message(
        role="assistant",
        api="anthropic",
        content=(
            Reasoning(text="hm", signature="theirs"),
            Text(text="I look.", signature="theirs"),
            ProviderItem(api="anthropic", item={"type": "x"}),
            ToolCall(id="toolu_1", name="f", arguments={}, signature="theirs", item_id="i"),
            ToolCall(id="srv_1", name="web_search", arguments={}, by="provider"),
            ToolCall(id="toolu_2", name="f", arguments="not json"),
        ),
    )
    parts: list[dict[str, Any]] = [
        {"text": "I look."},
        {"functionCall": {"name": "f", "args": {}}},
        {"functionCall": {"name": "f", "args": {"input": "not json"}}},
    ]
    assert body_of(request(other))["contents"] == [{"role": "model", "parts": parts}]
    # Gemini 3 refuses a step whose first call has no signature; this is Google's documented placeholder.
    parts[1]["thoughtSignature"] = "skip_thought_signature_validator"
    assert body_of(request(other, model="gemini-3-pro-preview"))["contents"] == [{"role": "model", "parts": parts}]


def test_results_of_one_step_are_one_content() -> None:
    results = [Message.tool(ToolResult(id=name, name=name, content=name)) for name in "ab"]
    contents = body_of(request(Message.user("go"), *results, Message.user("and?")))["contents"]
    assert [(content["role"], len(content["parts"])) for content in contents] == [("user", 1), ("user", 2), ("user", 1)]


def test_images_in_results() -> None:
    picture = Image(data=b"\xff\xd8\xff")
    inline = {"inlineData": {"mimeType": "image/jpeg", "data": "/9j/"}}
    message = Message.tool(
        ToolResult(id="a", name="shot", content=(Text(text="done"), picture)),
        ToolResult(id="b", name="g", content="two"),
    )
    first = {"name": "shot", "response": {"output": "done"}}
    second = {"functionResponse": {"name": "g", "response": {"output": "two"}}}
    assert body_of(request(message, model="gemini-3-flash"))["contents"][0]["parts"] == [
        {"functionResponse": {**first, "parts": [inline]}},
        second,
    ]
    assert body_of(request(message))["contents"][0]["parts"] == [{"functionResponse": first}, second, inline]


def test_an_empty_answer_is_left_out() -> None:
    contents = body_of(request(Message.user("a"), Message.assistant(""), Message.user("b")))["contents"]
    assert [content["role"] for content in contents] == ["user", "user"]


def test_unsupported_content_is_an_error() -> None:
    call = ToolCall(id="a", name="f", arguments={})
    with pytest.raises(errors.InvalidRequest, match="ToolCall"):
        body_of(request(Message(role="user", content=(call,))))
    with pytest.raises(errors.InvalidRequest, match="ToolCall"):
        body_of(request(Message(role="tool", content=(call,))))
