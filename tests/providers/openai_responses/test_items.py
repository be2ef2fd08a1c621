"""Finding a frame's item, and what an item needs to be sent back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headwater.providers.decoder import Call
from headwater.providers.openai_responses.items import Item, Items, dicts, is_server_call, same_json, string, text_of
from headwater.providers.openai_responses.vocabulary import Head


def item(kind: str = "message", ident: str = "", **fields: Any) -> dict[str, Any]:
    return {"type": kind, **({"id": ident} if ident else {}), **fields}


# --- finding


def test_a_delta_is_matched_by_index_then_id_then_type() -> None:
    items = Items()
    first = items.add(item(ident="a"), 0)
    second = items.add(item(ident="b"), 1)
    thought = items.add(item("reasoning", "c"), 2)
    assert items.for_delta("message", Head(output_index=0, item_id="b")) is first
    assert items.for_delta("message", Head(output_index=2, item_id="b")) is second  # the index belongs to another type
    assert items.for_delta("message", Head(item_id="a")) is first
    assert items.for_delta("message", Head()) is second
    assert items.for_delta("", Head(output_index=2)) is thought
    assert items.for_delta("", Head()) is None
    second.done = True
    assert items.for_delta("message", Head()) is first
    assert items.for_delta("function_call", Head(output_index=7, item_id="z")) is None


def test_a_done_item_is_not_matched_again() -> None:
    items = Items()
    first = items.add(item(ident="a"), 0)
    second = items.add(item(), None)
    assert items.for_done(item(ident="a"), 1) is first
    first.done = True
    assert items.for_done(item(ident="a"), 0) is None
    assert items.for_done(item(ident="x"), None) is second  # the oldest open one
    assert items.for_done(item("reasoning"), None) is None


def test_old_and_new_ids_lead_to_the_item() -> None:
    items = Items()
    one = items.add(item(ident="a"), None)
    items.update(one, item(ident="b"))
    assert one.id == "b"
    assert items.by_id("a") is items.by_id("b") is one
    assert items.by_id(None) is None


def test_each_item_of_the_finished_response_is_matched_once() -> None:
    items = Items()
    first, second = items.add(item(ident="a"), 0), items.add(item(ident="b"), 1)
    thought = items.add(item("reasoning"), 2)
    output = [item(ident="b"), item("reasoning", "new"), item(ident="x"), item(ident="y")]
    assert [found for found, _ in items.match(output)] == [second, thought, first, None]


def test_refused() -> None:
    items = Items()
    one = items.add(item(), 0)
    one.content("refusal", 0)
    assert not items.refused
    one.content("refusal", 0).said.append("No.")
    assert items.refused


# --- signatures


def test_a_parts_signature_has_the_items_other_fields() -> None:
    one = Item("message")
    content = one.content("output_text", 0)
    assert one.signature(content) is None
    one.id, one.fields = "a", item(ident="a", role="assistant", status="completed", phase="final", content=[])
    assert json.loads(one.signature(content) or "") == {"id": "a", "phase": "final"}
    one.done = True
    content.annotations.append({"url": "u"})
    assert json.loads(one.signature(content) or "") == {
        "id": "a",
        "phase": "final",
        "status": "completed",
        "content": {"annotations": [{"url": "u"}]},
    }


def test_the_parts_of_one_message_have_the_same_id() -> None:
    one = Item("message")
    one.id, one.fields = "a", item(ident="a")
    assert json.loads(one.signature(one.content("output_text", 0)) or "") == {"id": "a"}
    one.sealed, one.id = True, "b"
    assert json.loads(one.signature(one.content("output_text", 1)) or "") == {"id": "a"}


def test_reasoning_is_signed_with_its_id() -> None:
    thought = Item("reasoning")
    assert thought.signature(thought.content("summary_text", 0)) is None
    thought.id = "r"
    assert thought.signature(thought.content("summary_text", 0)) == "r"


# --- reading fields of any shape


@pytest.mark.parametrize(
    ("fields", "server"),
    [
        (item("web_search_call"), True),
        (item("mcp_call"), True),
        (item("tool_search_call", execution="server"), True),
        (item("tool_search_call", execution="client"), False),
        (item("function_call"), False),
        ({}, False),
    ],
)
def test_calls_that_the_provider_runs(fields: dict[str, Any], server: bool) -> None:
    assert is_server_call(fields) == server


def test_the_text_of_a_message() -> None:
    parts = [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "no"}, 5, {"type": "output_text"}]
    assert text_of(item(content=[*parts, {"type": "output_text", "text": "b"}])) == "ab"
    assert text_of(item("reasoning", content=parts)) == ""
    assert text_of(item(content="a")) == ""


@pytest.mark.parametrize("value", [None, 5, [], {}, True])
def test_values_that_are_not_strings_are_empty(value: Any) -> None:
    assert string(value) == ""
    assert string("a") == "a"
    assert dicts(value) == []
    assert dicts([{"a": 1}, value]) == ([{"a": 1}, {}] if value == {} else [{"a": 1}])


# --- repetitions


def test_a_call_id_is_one_call() -> None:
    items = Items()
    call = items.add(item("function_call", "f0", call_id="c0", name="pay"), 0)
    again = item("function_call", "g0", call_id="c0", name="pay", arguments="{}")
    assert items.for_added(again, 3) is call
    assert items.for_done(again, 3) is call
    items.finish(call, again, 3)
    assert items.for_done(again, 7) is None
    again["id"] = "h0"
    assert items.told({**again, "arguments": " {}"}, 7)
    assert not items.told({**again, "arguments": '{"sum": 5}'}, 7), "another call that has the same id"
    assert not items.told({**again, "name": "refund"}, 7)
    assert items.for_added(again, 7) is None
    assert items.add(again, 7).twin is call


def test_calls_of_the_finished_response_are_matched_by_call_id_first() -> None:
    items = Items()
    pay = items.add(item("function_call", "f0", call_id="c0", name="pay"), 0)
    refund = items.add(item("function_call", "f1", call_id="c1", name="refund"), 1)
    output = [
        item("function_call", "f0", call_id="c1", name="refund"),
        item("function_call", "f1", call_id="c0", name="pay"),
        item("function_call", "f0", call_id="c2", name="pay"),
    ]
    assert [found for found, _ in items.match(output)] == [refund, pay, None]


def test_messages_of_the_finished_response_are_matched_by_text_before_order() -> None:
    items = Items()
    first, second = items.add(item(ident="a"), 0), items.add(item(ident="b"), 1)
    first.content("output_text", 0).said.append("One.")
    second.content("output_text", 0).said.append("Two.")
    output = [item(content=[{"type": "output_text", "text": text}]) for text in ("Zero.", " Two. ", "One.")]
    assert [found for found, _ in items.match(output)] == [None, second, first]


def test_a_done_message_is_found_by_its_text() -> None:
    items = Items()
    one = items.add(item(ident="a"), 0)
    one.content("output_text", 1).said.append("Hel")
    told = item(ident="z", content=[{"type": "output_text", "text": "Hello"}])
    assert items.for_done(told, 5) is one
    assert items.for_done(item(ident="z", content=[{"type": "output_text", "text": "Bye"}]), 5) is None
    head = Head(output_index=5, item_id="z")
    assert items.for_content("message", head, "output_text", "Hello") is one


def test_a_delta_of_a_done_item_starts_another() -> None:
    items = Items()
    one = items.add(item(ident="a"), 0)
    one.content("output_text", 0).said.append("Hello")
    items.finish(one, item(ident="a"), 0)
    assert items.for_delta("message", Head(output_index=0, item_id="a")) is None


# --- matching by content


def call_of(one: Item, name: str, *arguments: str) -> Call:
    one.call = Call("call_1", "call_1", name, "agent")
    one.call.args.extend(arguments)
    return one.call


def test_a_call_without_content_is_silent() -> None:
    one = Items().add(item("function_call"), 0)
    assert one.silent
    call = call_of(one, "pay")
    assert one.silent, "its name alone says nothing"
    call.args.append("{")
    assert not one.silent


def test_a_call_matches_compatible_fields() -> None:
    one = Items().add(item("function_call"), 0)
    call_of(one, "pay", '{"sum"')
    assert one.may_be_whole(item("function_call", name="pay", arguments='{"sum": 5}'))
    assert one.may_be_whole(item("function_call", name="pay")), "what is not told contradicts nothing"
    assert one.may_be_whole(item("function_call", arguments='{"sum": 5}'))
    assert not one.may_be_whole(item("function_call", name="refund", arguments='{"sum": 5}'))
    assert not one.may_be_whole(item("function_call", name="pay", arguments='{"to": 5}'))


def test_items_of_different_types_never_match() -> None:
    one = Item("message")
    assert not one.may_be(item("reasoning", "msg_1"))
    assert not one.repeats(item("reasoning", "msg_1"))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [('{"a":1}', '{ "a": 1 }', True), ("{a", "{a", True), ("{a", "{b", False), ('{"a":1}', '{"a":2}', False)],
)
def test_texts_are_compared_as_json_where_they_are_json(one: str, other: str, same: bool) -> None:
    assert same_json(one, other) is same
