"""Requests to the Responses API: settings, and the conversation as input items."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from headwater import errors
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
from headwater.providers.openai_responses import QUIRKS
from headwater.providers.openai_responses.response import Decoder, encode
from headwater.providers.request import Endpoint, OutputSpec, Quirks, Request, Settings, ToolSpec
from tests.providers.openai_responses.frames import (
    ENDPOINT,
    JSON,
    PNG,
    URL,
    called,
    cited,
    completed,
    done,
    items_of,
    made,
    message_of,
    reasoned,
    said,
    sent,
    stream,
    without_id,
)
from tests.support.recordings import decode, recordings, shared_folder
from tests.support.vendor_types import misfit


def test_answers_are_sent_back_in_the_vendors_types(vendor: Any) -> None:
    told = 0
    if not recordings("openai-responses"):
        pytest.skip(f"no recordings of openai-responses under {shared_folder()}: set HEADWATER_SHARED")
    for recording in recordings("openai-responses"):
        for item in items_of(message_of(decode(Decoder(), [recording.body]))):
            item.pop("format", None)  # OpenRouter's own
            assert misfit(item, vendor.ResponseInputItemParam) == "", recording
            told += 1
    assert told > 100


def test_fields_added_by_a_server_are_not_sent_back() -> None:
    more = {"metadata": {"turn": 1}, "internal_passthrough": {}, "annotations": []}
    items = [reasoned("hm"), cited(URL), called('{"a": 1}')]
    events = [done(index, {**item, **more}) for index, item in enumerate(items)]
    sent_back = items_of(message_of(decode(Decoder(), [stream(*events, completed())])))
    assert [item["type"] for item in sent_back] == ["reasoning", "message", "function_call"]
    assert not [item for item in sent_back if item.keys() & more.keys()]


def test_fields_of_openrouters_reasoning_are_sent_only_to_openrouter() -> None:
    about = {"format": "f-v1", "signature": "s"}
    heard = message_of(
        decode(Decoder(), [stream(done(0, {**reasoned("hm"), **about}), done(1, cited(URL)), completed())])
    )
    for server, back in (("openrouter", about), ("openai", {})):
        endpoint = Endpoint(provider=server, api=Decoder.api, base_url="https://h", quirks=QUIRKS[server])
        sent_back = json.loads(encode(Request(model="m", messages=(heard,)), endpoint).body)["input"][0]
        assert sent_back["type"] == "reasoning"
        assert {name: sent_back[name] for name in about if name in sent_back} == back


def test_generated_audio_leaves_a_placeholder() -> None:
    answer = Message(
        role="assistant", api="openai-chat", content=(Text(text="Hear: "), File(data=b"x", media_type="audio/wav"))
    )
    assert items_of(answer) == [{"role": "assistant", "content": "Hear: [audio/wav]"}]


def test_requests_fit_the_vendors_types(vendor: Any) -> None:
    items = items_of(
        Message.user("look", Image(data=PNG), File(data=b"%PDF-1", name="a.pdf"), File(id="file-1")),
        message_of(
            decode(
                Decoder(),
                [stream(done(0, reasoned("hm")), done(1, cited(URL)), done(2, called('{"a": 1}')), completed())],
            )
        ),
        Message.tool(
            ToolResult(id="call_1", name="now", content=(Text(text="t"), Image(url="https://x.example/a.png")))
        ),
        Message.assistant("from elsewhere", ToolCall(id="c9", name="now", arguments={})),
        Message.tool(ToolResult(id="c9", name="now", content="9")),
    )
    assert len(items) == 8
    for item in items:
        assert misfit(item, vendor.ResponseInputItemParam) == ""
    body = sent(
        Message.system("s"),
        tools=(ToolSpec(name="now"),),
        output=OutputSpec(name="o", schema={"type": "object"}),
        settings=Settings(
            temperature=1,
            top_p=1,
            max_tokens=1,
            reasoning="low",
            verbosity="low",
            tool_choice="auto",
            parallel_tool_calls=True,
            service_tier="flex",
            user="u",
        ),
    )
    assert misfit(body, vendor.response_create_params.ResponseCreateParamsStreaming) == ""


def test_the_smallest_request() -> None:
    request = encode(Request(model="gpt-4.1", messages=(Message.user("hi"),)), ENDPOINT)
    assert (request.method, request.url) == ("POST", "https://api.openai.com/v1/responses")
    assert request.headers == {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "authorization": "Bearer sk-1",
    }
    assert json.loads(request.body) == {
        "model": "gpt-4.1",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
        "stream": True,
        "store": False,
    }
    assert "sk-1" not in repr(request)


def test_openai_accepts_only_its_own_service_tiers() -> None:
    def asked(server: str, tier: str) -> Any:
        endpoint = Endpoint(provider=server, api=Decoder.api, base_url="https://h", quirks=QUIRKS.get(server, Quirks()))
        request = Request(model="m", messages=(Message.user("hi"),), settings=Settings(service_tier=tier))
        return json.loads(encode(request, endpoint).body)["service_tier"]

    assert asked("openai", "flex") == "flex"
    assert asked("another", "gold") == "gold"
    for server in ("openai", "azure"):
        with pytest.raises(errors.UnsupportedSetting, match=f"{server} does not support service_tier='gold'") as caught:
            asked(server, "gold")
        assert "priority" in caught.value.hint


def test_url_and_headers() -> None:
    endpoint = Endpoint(
        provider="azure",
        api=Decoder.api,
        base_url="https://x.example/openai/v1/",
        headers={"API-Key": "k", "Accept": "*/*"},
        query={"api-version": "preview"},
    )
    request = encode(Request(model="d", messages=()), endpoint)
    assert request.url == "https://x.example/openai/v1/responses?api-version=preview"
    assert request.headers == {"content-type": "application/json", "accept": "*/*", "api-key": "k"}


def test_settings_by_their_names_on_the_wire() -> None:
    body = sent(
        Message.user("hi"),
        settings=Settings(
            temperature=0.5,
            top_p=0.9,
            max_tokens=5,
            verbosity="low",
            parallel_tool_calls=False,
            service_tier="flex",
            user="me",
            tool_choice="required",
            cache=True,
            extra={"truncation": "auto", "temperature": 0.7},
        ),
    )
    assert body.pop("input")
    assert body == {
        "model": "gpt-5.4",
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "temperature": 0.7,
        "top_p": 0.9,
        "max_output_tokens": 5,
        "text": {"verbosity": "low"},
        "parallel_tool_calls": False,
        "service_tier": "flex",
        "user": "me",
        "tool_choice": "required",
        "truncation": "auto",
    }


@pytest.mark.parametrize(
    "setting", [{"stop": ("x",)}, {"seed": 1}, {"top_k": 3}, {"presence_penalty": 0.0}, {"frequency_penalty": 1.0}]
)
def test_settings_that_the_api_does_not_have(setting: JSON) -> None:
    (name,) = setting
    with pytest.raises(errors.UnsupportedSetting, match=name):
        sent(Message.user("hi"), settings=Settings(**setting))


def test_settings_that_a_server_does_not_support() -> None:
    def ask(quirks: Quirks, **setting: Any) -> None:
        endpoint = Endpoint(provider="odd", api=Decoder.api, base_url="http://x.example", quirks=quirks)
        encode(Request(model="m", messages=(), settings=Settings(**setting)), endpoint)

    with pytest.raises(errors.UnsupportedSetting, match=r"odd.*temperature"):
        ask(Quirks(unsupported=frozenset({"temperature"})), temperature=1.0)
    with pytest.raises(errors.UnsupportedSetting, match="parallel_tool_calls"):
        ask(Quirks(parallel_tool_calls=False), parallel_tool_calls=True)
    with pytest.raises(errors.UnsupportedSetting, match="reasoning"):
        ask(Quirks(reasoning_field="none"), reasoning="low")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("low", {"effort": "low", "summary": "auto"}),
        (True, {"summary": "auto"}),
        (False, {"effort": "none"}),
        ("none", {"effort": "none"}),
        (None, None),
    ],
)
def test_reasoning(asked: Any, told: JSON | None) -> None:
    body = sent(Message.user("hi"), settings=Settings(reasoning=asked))
    assert body.get("reasoning") == told


def test_reasoning_budgets_are_refused() -> None:
    with pytest.raises(errors.UnsupportedSetting, match="budget"):
        sent(Message.user("hi"), settings=Settings(reasoning=1000))


@pytest.mark.parametrize(
    ("model", "setting", "asked"),
    [
        ("gpt-5.4-mini", {}, True),
        ("openai/gpt-5", {}, True),
        ("o4-mini", {}, True),
        ("grok-4.3", {}, True),
        ("openai.gpt-5.6-luna", {}, True),
        ("gpt-4o", {}, False),
        ("gpt-5-chat-latest", {}, False),
        ("my-deployment", {}, False),
        ("my-deployment", {"reasoning": "low"}, True),
        ("gpt-5", {"store": True}, False),
    ],
)
def test_encrypted_reasoning_is_requested_from_reasoning_models(model: str, setting: JSON, asked: bool) -> None:
    request = Request(model=model, messages=(), settings=Settings(**setting))
    body = json.loads(encode(request, ENDPOINT).body)
    assert body.get("include") == (["reasoning.encrypted_content"] if asked else None)
    assert body["store"] is bool(setting.get("store"))


CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


def nested(inner: JSON) -> JSON:
    return {**CLOSED, "properties": {"a": inner}}


@pytest.mark.parametrize(
    ("schema", "fits"),
    [
        (CLOSED, True),
        (nested({"type": "array", "items": CLOSED}), True),
        (nested({"anyOf": [CLOSED, {"type": "null"}]}), True),
        ({**nested({"$ref": "#/$defs/X"}), "$defs": {"X": CLOSED}}, True),
        ({"type": "object", "properties": {}, "additionalProperties": False}, True),
        ({**CLOSED, "required": []}, False),
        ({**CLOSED, "additionalProperties": True}, False),
        ({"type": "object", "properties": {}}, False),
        ({}, False),
        (nested({"type": "string", "default": "x"}), False),
        (nested({"type": "object", "additionalProperties": {"type": "string"}}), False),
        (nested({"type": "array", "items": {"type": "object"}}), False),
        (nested({"oneOf": [CLOSED]}), False),
        ({**nested({"$ref": "#/$defs/X"}), "$defs": {"X": {"type": "object"}}}, False),
        ({"anyOf": [CLOSED]}, False),
    ],
)
def test_strict_only_if_the_schema_allows_it(schema: JSON, fits: bool) -> None:
    output = sent(Message.user("hi"), output=OutputSpec(name="Answer", schema=schema, description="d"))
    assert output["text"]["format"] == {
        "type": "json_schema",
        "name": "Answer",
        "schema": schema,
        "strict": fits,
        "description": "d",
    }
    strict = ToolSpec(name="f", parameters=schema, strict=True)
    if fits:
        assert sent(Message.user("hi"), tools=(strict,))["tools"][0]["strict"] is True
    else:
        with pytest.raises(errors.UnsupportedSetting, match="'f'"):
            sent(Message.user("hi"), tools=(strict,))


def test_tools() -> None:
    tools = (ToolSpec(name="f", description="does it", parameters=CLOSED), ToolSpec(name="g"))
    body = sent(Message.user("hi"), tools=tools, settings=Settings(tool_choice="g"))
    assert body["tools"] == [
        {"type": "function", "name": "f", "description": "does it", "parameters": CLOSED, "strict": False},
        {"type": "function", "name": "g", "parameters": {"type": "object", "properties": {}}, "strict": False},
    ]
    assert body["tool_choice"] == {"type": "function", "name": "g"}


def test_servers_without_strict_tools_or_schemas() -> None:
    quirks = Quirks(strict_tools=False, json_schema=False)
    endpoint = Endpoint(provider="odd", api=Decoder.api, base_url="http://x.example", quirks=quirks)
    output = OutputSpec(name="list[int]", schema=CLOSED)
    messages = (Message.system("Be brief."), Message.user("hi"))
    request = Request(model="m", messages=messages, tools=(ToolSpec(name="f", parameters=CLOSED),), output=output)
    body = json.loads(encode(request, endpoint).body)
    assert "strict" not in body["tools"][0]
    assert body["text"] == {"format": {"type": "json_object"}}
    assert body["instructions"].startswith("Be brief.\n\nAnswer only with a JSON object")
    strict = Request(model="m", messages=messages, tools=(ToolSpec(name="f", parameters=CLOSED, strict=True),))
    assert "strict" not in json.loads(encode(strict, endpoint).body)["tools"][0]


def test_the_output_name_is_valid_for_the_api() -> None:
    body = sent(Message.user("hi"), output=OutputSpec(name="dict[str, int]" * 9, schema=CLOSED))
    name = body["text"]["format"]["name"]
    assert name.startswith("dict_str__int_")
    assert len(name) == 64


def test_instructions_are_the_leading_system_messages() -> None:
    body = sent(
        Message.system("Be brief."), Message.system("Be kind."), Message.user("hi"), Message.system("Now rhyme.")
    )
    assert body["instructions"] == "Be brief.\n\nBe kind."
    assert body["input"][1:] == [{"role": "system", "content": [{"type": "input_text", "text": "Now rhyme."}]}]


def test_images_and_files() -> None:
    picture = base64.b64encode(PNG).decode()
    (item,) = items_of(
        Message.user(
            Image(data=PNG, detail="low"),
            Image(url="https://x.example/a.png"),
            File(data=b"%PDF-1", name="a.pdf"),
            File(data=b"words"),
            File(url="https://x.example/a.pdf"),
            File(id="file-1"),
            File(data=PNG),
            File(id="file-2", media_type="image/png"),
        )
    )
    assert item["content"] == [
        {"type": "input_image", "image_url": f"data:image/png;base64,{picture}", "detail": "low"},
        {"type": "input_image", "image_url": "https://x.example/a.png", "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0x"},
        {"type": "input_file", "filename": "file.plain", "file_data": "data:text/plain;base64,d29yZHM="},
        {"type": "input_file", "file_url": "https://x.example/a.pdf"},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{picture}", "detail": "auto"},
        {"type": "input_image", "file_id": "file-2", "detail": "auto"},
    ]


def test_audio_is_refused() -> None:
    with pytest.raises(errors.UnsupportedSetting, match="audio/mpeg"):
        sent(Message.user(File(data=b"ID3...")))


def test_results_of_tools() -> None:
    content = (Text(text="see"), Image(data=PNG), File(id="file-1"))
    items = items_of(
        Message.tool(
            ToolResult(id="a", name="f", content="fine"), ToolResult(id="b", name="f", content=content, error=True)
        )
    )
    assert items[0] == {"type": "function_call_output", "call_id": "a", "output": "fine"}
    assert [part["type"] for part in items[1]["output"]] == ["input_text", "input_image", "input_file"]


def test_another_apis_answer_is_sent_as_plain_items() -> None:
    message = Message(
        role="assistant",
        api="anthropic",
        content=(
            Reasoning(text="hm", signature="s"),
            Text(text="Let me ", signature='{"id": "msg_1"}'),
            Text(text="see."),
            Source(url="https://x.example"),
            ProviderItem(api="anthropic", item={"type": "server_tool_use"}),
            ToolCall(id="srv", name="search", arguments={}, by="provider"),
            ToolCall(id="x" * 80, name="f", arguments={"a": [1]}, item_id="no", signature='{"namespace": "n"}'),
            ToolCall(id="c2", name="f", arguments='{"cut'),
            Text(text="No.", refusal=True),
            Image(data=PNG, signature="s"),
        ),
    )
    items = items_of(message, Message.tool(ToolResult(id="x" * 80, name="f", content="1")))
    long = items[1]["call_id"]
    assert len(long) == 64
    assert items[:-2] == [
        {"role": "assistant", "content": "Let me see."},
        {"type": "function_call", "call_id": long, "name": "f", "arguments": '{"a":[1]}'},
        {"type": "function_call", "call_id": "c2", "name": "f", "arguments": '{"invalid_json":"{\\"cut"}'},
        {"role": "assistant", "content": "No."},
    ]
    assert (items[-2]["role"], items[-2]["content"][0]["type"]) == ("user", "input_image")
    assert items[-1]["call_id"] == long


def test_items_are_sent_only_to_their_own_api() -> None:
    item = {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}
    own = ProviderItem(api=Decoder.api, item=item)
    assert items_of(Message(role="assistant", api=Decoder.api, content=(own,))) == [item]
    assert items_of(Message(role="assistant", api="", content=(own,))) == []
    foreign = ProviderItem(api="gemini", item=item)
    assert items_of(Message(role="assistant", api=Decoder.api, content=(foreign,))) == []
    answer = ProviderItem(api=Decoder.api, item={"type": "computer_call_output", "call_id": "c", "output": {}})
    assert items_of(Message(role="user", content=(answer,))) == [answer.item]


def test_edited_arguments_win_over_the_written_ones() -> None:
    events = made(done(0, called('{"a" : 1}', namespace="n")), completed())[1]
    (call,) = message_of(events).tool_calls
    assert items_of(message_of(events)) == [called('{"a" : 1}', namespace="n")]
    edited = ToolCall(id=call.id, name=call.name, arguments={"a": 2}, item_id=call.item_id, signature=call.signature)
    assert items_of(Message(role="assistant", api=Decoder.api, content=(edited,))) == [called('{"a":2}', namespace="n")]


def test_unreadable_reasoning_is_left_out_with_its_ids() -> None:
    thought = reasoned("hm", encrypted_content=None)
    events = made(done(0, thought), done(1, said("Yes")), done(2, called("{}")), completed())[1]
    message = message_of(events)
    assert items_of(message) == [{"role": "assistant", "content": "Yes"}, without_id(called("{}"))]
    kept = items_of(message, settings=Settings(store=True))
    assert kept == [thought, said("Yes"), called("{}")]


def test_reasoning_without_a_following_item_is_left_out() -> None:
    events = made(done(0, reasoned("hm")), completed(status="incomplete"))[1]
    assert items_of(message_of(events)) == []


def test_a_foreign_signature_is_ignored() -> None:
    for signature in ("not json", "[1]", ""):
        text = Text(text="a", signature=signature)
        items = items_of(Message(role="assistant", api=Decoder.api, content=(text,)))
        assert items == [{"role": "assistant", "content": "a"}]
