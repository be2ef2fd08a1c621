"""Rules for requests of every API: ids, invalid arguments, text that UTF-8 cannot encode."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from headwater.errors import UnsupportedSetting
from headwater.events.messages import Message, ToolCall, ToolResult
from headwater.providers.catalog import API_MODULES
from headwater.providers.registry import load_api
from headwater.providers.request import (
    Endpoint,
    HTTPRequest,
    OutputSpec,
    ProviderTool,
    Quirks,
    Request,
    Settings,
    ToolSpec,
)
from headwater.providers.writing import arguments_object, json_object, json_text, posted, with_own_ids

HALF = "caf\udce9"
APIS = [*API_MODULES]


def written(api: str, *messages: Message, quirks: Quirks | None = None, **fields: Any) -> HTTPRequest:
    request = Request(**{"model": "m", "messages": messages, **fields})
    endpoint = Endpoint(provider=api, api=api, base_url="http://h/v1", quirks=quirks or Quirks())
    return load_api(api).encode(request, endpoint)


def call(ident: str, arguments: Any = None, **fields: Any) -> ToolCall:
    return ToolCall(id=ident, name="add", arguments={} if arguments is None else arguments, **fields)


def result(ident: str, said: str = "") -> ToolResult:
    return ToolResult(id=ident, name="add", content=said)


def turn(*pairs: tuple[str, str], **fields: Any) -> tuple[Message, Message]:
    """One step: a call for each id, and its result."""
    return (
        Message(role="assistant", content=tuple(call(ident, {"a": said}, **fields) for ident, said in pairs)),
        Message.tool(*(result(ident, said) for ident, said in pairs)),
    )


def values(value: Any, *names: str) -> Iterator[Any]:
    """All values under one of these keys, at any depth."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in names:
                yield inner
            yield from values(inner, *names)
    elif isinstance(value, list):
        for inner in value:
            yield from values(inner, *names)


# --- ids of calls

REPEATED = {
    "in two steps": (*turn(("c", "one")), *turn(("c", "two"))),
    "without any": turn(("", "one"), ("", "two")),
    "in one step": turn(("c", "one"), ("c", "two")),
    "after one that looks renamed": (*turn(("c", "one")), *turn(("c_2", "two")), *turn(("c", "three"))),
    "in other characters": turn(("a.b", "one"), ("a:b", "two")),
    "in too many characters": turn(("x" * 100 + "1", "one"), ("x" * 100 + "2", "two")),
    "after one without its result": (turn(("c", "one"))[0], Message.user("no"), *turn(("c", "two"))),
}


def pairs(body: Any, api: str) -> list[tuple[str, str]]:
    """The content of each result and of the call with its id."""
    if api == "anthropic":
        blocks = [block for message in body["messages"] for block in message["content"]]
        calls = {block["id"]: block["input"]["a"] for block in blocks if block["type"] == "tool_use"}
        given = [(b["tool_use_id"], b["content"]) for b in blocks if b["type"] == "tool_result"]
        count = sum(block["type"] == "tool_use" for block in blocks)
    elif api == "openai-responses":
        items = [item for item in body["input"] if "type" in item]
        calls = {i["call_id"]: json.loads(i["arguments"])["a"] for i in items if i["type"] == "function_call"}
        given = [(i["call_id"], i["output"]) for i in items if i["type"] == "function_call_output"]
        count = sum(item["type"] == "function_call" for item in items)
    else:
        made = [one for message in body["messages"] for one in message.get("tool_calls", ())]
        arguments = [one["function"]["arguments"] for one in made]
        read = [json.loads(one) if isinstance(one, str) else one for one in arguments]
        calls = {one["id"]: told["a"] for one, told in zip(made, read, strict=True)}
        given = [(m["tool_call_id"], m["content"]) for m in body["messages"] if m["role"] == "tool"]
        count = len(made)
    assert len(calls) == count, "an id stands twice"
    return [(calls[ident], said) for ident, said in given]


@pytest.mark.parametrize("case", REPEATED)
@pytest.mark.parametrize("api", [api for api in APIS if api != "gemini"])  # which needs no ids
def test_each_call_has_a_unique_id_and_its_result(api: str, case: str) -> None:
    body = json.loads(written(api, Message.user("q"), *REPEATED[case]).body)
    told = pairs(body, api)
    assert told
    assert all(one == other for one, other in told)
    if api == "anthropic":
        assert all(re.fullmatch("[a-zA-Z0-9_-]+", ident) for ident in values(body, "id", "tool_use_id"))


def test_ids_of_a_server_that_requires_nine_characters() -> None:
    body = json.loads(written("openai-chat", *REPEATED["in two steps"], quirks=Quirks(call_id_length=9)).body)
    assert [one == other for one, other in pairs(body, "openai-chat")] == [True, True]
    assert {len(ident) for ident in values(body, "id", "tool_call_id")} == {9}


def test_ids_of_gemini() -> None:
    history = turn(("c", "one"), ("c", "two"), item_id="g")
    history = (Message(role="assistant", content=history[0].content, api="gemini"), history[1])
    call_parts, results = json.loads(written("gemini", *history).body)["contents"]
    assert [part["functionCall"].get("id") for part in call_parts["parts"]] == ["g", None]
    assert [part["functionResponse"].get("id") for part in results["parts"]] == ["g", None]


def test_a_call_without_an_id_gets_one() -> None:
    made, given = with_own_ids(turn(("", "one"), ("", "two")))
    ids = [one.id for one in made.tool_calls]
    assert ids == [one.id for one in given.content if isinstance(one, ToolResult)]
    assert len({*ids} - {""}) == 2


def test_a_growing_conversation_keeps_its_ids() -> None:
    history = REPEATED["in two steps"]
    assert with_own_ids((*history, *turn(("c", "x"))))[: len(history)] == with_own_ids(history)


def test_unique_ids_are_unchanged() -> None:
    history = (Message.user("q"), *turn(("c1", "one"), ("c2", "two")))
    assert all(one is other for one, other in zip(with_own_ids(history), history, strict=True))


def test_calls_that_the_provider_ran_keep_their_id() -> None:
    history = (Message.assistant(call("s", by="provider"), call("s")),)
    assert [one.id for one in with_own_ids(history)[0].tool_calls] == ["s", "s"]


def test_a_result_without_its_call_keeps_its_id() -> None:
    assert with_own_ids([Message.tool(result("gone"))])[0].content[0] == result("gone")


# --- arguments


@pytest.mark.parametrize("arguments", ['{"x": "He said "hi""}', "[1]", "null", "{", "words"])
@pytest.mark.parametrize("api", APIS)
def test_invalid_arguments_are_sent_back_as_an_object(api: str, arguments: str) -> None:
    body = json.loads(written(api, Message.assistant(call("c", arguments)), Message.tool(result("c", "bad"))).body)
    (sent,) = values(body, "arguments", "args") if api != "anthropic" else values(body["messages"], "input")
    value = json.loads(sent) if isinstance(sent, str) else sent
    assert isinstance(value, dict)
    assert arguments in value.values()


@pytest.mark.parametrize("api", APIS)
def test_arguments_that_are_an_object_in_a_string_stay_one(api: str) -> None:
    body = json.loads(written(api, Message.assistant(call("c", '{"x": 1}')), Message.tool(result("c"))).body)
    (sent,) = values(body, "arguments", "args") if api != "anthropic" else values(body["messages"], "input")
    assert (json.loads(sent) if isinstance(sent, str) else sent) == {"x": 1}


def test_arguments_object() -> None:
    assert arguments_object(call("c", "")) == {}
    assert arguments_object(call("c", "{}", custom=True), "input") == {"input": "{}"}
    assert json_object("[" * 100_000) is None


# --- text that UTF-8 cannot encode

WHERE: dict[str, dict[str, Any]] = {
    "task": {"messages": (Message.user(HALF),)},
    "instructions": {"messages": (Message.system(HALF), Message.user("q"))},
    "history": {"messages": (Message.user("q"), Message.assistant(HALF), Message.user("q"))},
    "a call": {"messages": (Message.assistant(call(HALF, {HALF: HALF})), Message.tool(result(HALF, HALF)))},
    "broken arguments": {"messages": (Message.assistant(call("c", HALF)), Message.tool(result("c", HALF)))},
    "a long id": {"messages": (Message.assistant(call(HALF * 30)), Message.tool(result(HALF * 30)))},
    "a tool": {"tools": (ToolSpec(name="t", description=HALF, parameters={"type": "object", "title": HALF}),)},
    "an output type": {"output": OutputSpec(name="o", schema={"type": "object", "description": HALF}, strict=False)},
    "a setting": {"settings": Settings(extra={"x": HALF})},
    "the model": {"model": HALF},
}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("plain", [False, True])
def test_a_lone_surrogate_is_replaced(api: str, where: str, plain: bool) -> None:
    fields = {"messages": (Message.user("q"),), **WHERE[where]}
    messages = fields.pop("messages")
    request = written(api, *messages, quirks=Quirks(json_schema=not plain), **fields)
    told = request.body.decode() + request.url
    assert "caf\ufffd" in told or "caf%EF%BF%BD" in told or where == "a long id"
    assert request.replaced or "caf" not in request.body.decode() or "caf\ufffd" in told or "caf_" in told


def test_text() -> None:
    assert json_text({"a": [HALF]}) == '{"a":["caf\ufffd"]}'
    request = posted("http://h", {}, {"a": (HALF, 1)})
    assert (request.body, request.replaced) == (b'{"a":["caf\xef\xbf\xbd",1]}', True)
    assert not posted("http://h", {}, {"a": "b"}).replaced


# --- provider-side tools

OURS = ToolSpec(name="add", parameters={"type": "object", "properties": {}})
SEARCH = {"type": "web_search", "name": "web_search"}


@pytest.mark.parametrize("api", [api for api in APIS if api != "ollama"])
def test_provider_side_tools_are_added(api: str) -> None:
    for fields in (
        {"provider_tools": (ProviderTool(SEARCH),)},
        {"settings": Settings(extra={"tools": [SEARCH]})},
    ):
        body = json.loads(written(api, Message.user("q"), tools=(OURS,), **fields).body)
        assert len(body["tools"]) == 2
        assert "add" in json.dumps(body["tools"][0])
        assert body["tools"][1] == SEARCH
    assert json.loads(written(api, Message.user("q"), provider_tools=(ProviderTool(SEARCH),)).body)["tools"] == [SEARCH]


def test_ollama_has_none_but_accepts_extra() -> None:
    with pytest.raises(UnsupportedSetting, match="has no provider-side tools"):
        written("ollama", Message.user("q"), provider_tools=(ProviderTool(SEARCH),))
    body = json.loads(
        written("ollama", Message.user("q"), tools=(OURS,), settings=Settings(extra={"tools": [SEARCH]})).body
    )
    assert body["tools"][1] == SEARCH


def test_cache_marks_do_not_change_the_given_tool() -> None:
    tool = ProviderTool({**SEARCH})
    written("anthropic", Message.user("q"), provider_tools=(tool,), settings=Settings(cache=True))
    assert tool.spec == SEARCH


# --- the output schema in the instructions

SHAPE = {"type": "object", "properties": {"harbour": {"type": "string"}}}


@pytest.mark.parametrize("before", [(), (Message.system("Be brief."),)])
@pytest.mark.parametrize("api", APIS)
def test_the_schema_is_in_the_instructions(api: str, before: tuple[Message, ...]) -> None:
    output = OutputSpec(name="o", schema=SHAPE, strict=False, in_words=True)
    body = json.loads(written(api, *before, Message.user("q"), output=output).body)
    said = ("messages", "input", "instructions", "contents", "system", "systemInstruction")
    assert "harbour" in json.dumps({name: value for name, value in body.items() if name in said})
    assert ("Be brief." in json.dumps(body)) == bool(before)
    assert not {*body} & {"response_format", "text", "output_config", "format", "generationConfig"}
    by_call = written(api, Message.user("q"), output=OutputSpec(name="o", schema=SHAPE, tool="final"))
    assert by_call.body == written(api, Message.user("q")).body, "its schema is the tool's"
    native = written(api, Message.user("q"), output=OutputSpec(name="o", schema=SHAPE, strict=False))
    assert {*json.loads(native.body)} & {"response_format", "text", "output_config", "format", "generationConfig"}
