from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater import File, Image, Message, Text, ToolCall, ToolResult
from headwater.events.history import strays, unanswered
from headwater.web.ag_ui.asked import Resumed, asked_of_client
from headwater.web.ag_ui.document import Document
from headwater.web.problems import Problem

HI = {"id": "u1", "role": "user", "content": "Hi"}
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=3,
)
ROLES = st.sampled_from(["user", "assistant", "assistant", "tool", "tool", "system", "reasoning", "robot"]) | JSON
KEYS = ["content", "toolCalls", "toolCallId", "error", "metadata", "name"]
IDS = st.sampled_from(["c1", "c2"]) | JSON
CALL = st.fixed_dictionaries({"id": IDS, "function": JSON | st.fixed_dictionaries({"name": JSON, "arguments": JSON})})
PART = st.dictionaries(st.sampled_from(["type", "text", "source", "data", "mimeType"]), JSON, max_size=3)
FIELDS = st.dictionaries(st.sampled_from(KEYS), IDS | st.lists(CALL, max_size=2) | st.lists(PART, max_size=2))
MESSAGE = st.builds(lambda role, fields: {"id": "m", **fields, "role": role}, ROLES, FIELDS)
BODY = st.fixed_dictionaries(
    {"threadId": st.just("t"), "runId": st.just("r"), "messages": JSON | st.lists(MESSAGE, max_size=3)},
    optional={"tools": JSON, "context": JSON, "resume": JSON, "protocolVersion": JSON},
)


def asked(*messages: Any, **more: Any) -> Any:
    return asked_of_client({"threadId": "t", "runId": "r", "messages": [*messages], **more})


def call(number: str, name: str = "look", arguments: str = '{"q":1}') -> dict[str, Any]:
    return {"id": number, "type": "function", "function": {"name": name, "arguments": arguments}}


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(BODY)
def test_any_json_is_a_request_or_a_refusal(body: dict[str, Any]) -> None:
    try:
        read = asked_of_client(body)
    except Problem as problem:
        code = problem.code
    else:
        code = "" if read.task or read.resume else "nothing"
        said = [*read.history, *read.task]
        assert not unanswered(said, by=("agent",))
        assert not strays(said)
        Document(read.messages).snapshot()
    assert code in ("", "bad_request")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "threadId"),
        ({"threadId": "t"}, "runId"),
        ({"threadId": "t", "runId": ""}, "runId"),
        ({"threadId": "t", "runId": "r", "messages": "Hi"}, "messages"),
        ({"threadId": "t", "runId": "r", "messages": []}, "messages"),
        ({"threadId": "t", "runId": "r", "messages": [HI, {"role": "assistant", "content": "Aha."}]}, "messages"),
        ({"threadId": "t", "runId": "r", "messages": [{"role": "user", "content": []}]}, "messages"),
        ({"threadId": "t", "runId": "r", "messages": [{"role": "robot"}]}, "messages[0]"),
        ({"threadId": "t", "runId": "r", "messages": [{"role": "tool", "content": "x"}]}, "messages"),
        ({"threadId": "t", "runId": "r", "messages": [HI], "tools": [{"name": 7}]}, "tools[0]"),
        ({"threadId": "t", "runId": "r", "messages": [HI], "resume": [{"interruptId": "a"}]}, "resume[0]"),
    ],
)
def test_an_invalid_request_is_rejected(body: Any, param: str) -> None:
    with pytest.raises(Problem) as problem:
        asked_of_client(body)
    assert (problem.value.status, problem.value.param) == (400, param)


def test_the_shown_messages_come_back_as_the_conversation() -> None:
    read = asked(
        {"id": "s", "role": "developer", "content": "Be kind."},
        HI,
        {"id": "r1", "role": "reasoning", "content": "Hm."},
        {"id": "m1", "role": "assistant", "content": "I look. ", "toolCalls": [call("c1"), call("c2"), call("c3")]},
        {
            "id": "t2",
            "role": "tool",
            "toolCallId": "c2",
            "content": "no luck",
            "metadata": {"headwater": {"error": True}},
        },
        {"id": "t1", "role": "tool", "toolCallId": "c1", "content": [{"type": "text", "text": "2 hits"}]},
        {"id": "helper:run_2:1:1:0", "role": "assistant", "content": "I help.", "subagentRunId": "run_2"},
        {"id": "m2", "role": "assistant", "content": "Found"},
        {"id": "m3", "role": "assistant", "content": " two."},
        {"id": "u2", "role": "user", "content": "And?"},
    )
    assert read.history == (
        Message.system("Be kind."),
        Message.user("Hi"),
        Message.assistant(
            "I look. ",
            ToolCall(id="c1", name="look", arguments={"q": 1}),
            ToolCall(id="c2", name="look", arguments={"q": 1}),
        ),
        Message.tool(
            ToolResult(id="c1", name="look", content="2 hits"),
            ToolResult(id="c2", name="look", content="no luck", error=True),
        ),
        Message.assistant("Found", " two."),
    )
    assert read.task == (Message.user("And?"),)
    assert (read.messages[0]["id"], len(read.messages)) == ("s", 10)


def test_what_the_clients_tools_gave_is_what_is_new() -> None:
    failed = {"id": "t1", "role": "tool", "toolCallId": "c1", "content": "", "error": "It is shut."}
    read = asked(HI, {"id": "m1", "role": "assistant", "toolCalls": [call("c1", arguments="[")]}, failed)
    assert read.history[-1] == Message.assistant(ToolCall(id="c1", name="look", arguments="["))
    assert read.task == (Message.tool(ToolResult(id="c1", name="look", content="It is shut.", error=True)),)


def test_pictures_and_files_are_shown_and_the_rest_is_passed_over() -> None:
    def part(kind: str, source: str, value: str, media: str | None = None, **more: Any) -> dict[str, Any]:
        return {"type": kind, "source": {"type": source, "value": value, "mimeType": media}, **more}

    (message,) = asked(
        {
            "id": "u1",
            "role": "user",
            "content": [
                {"type": "text", "text": "See"},
                part("image", "data", "iVBORw0KGgo=", "image/png"),
                part("image", "url", "https://x.example/a.png"),
                part("document", "data", "aGk=", "text/plain", metadata={"filename": "a.txt"}),
                part("document", "file", "file-7", "application/pdf"),
                part("image", "data", "no base64!", "image/png"),
                {"type": "hologram"},
                {"type": "binary", "mimeType": "image/png", "data": "iVBORw0KGgo="},
                {"type": "binary", "mimeType": "text/csv", "url": "https://x.example/t.csv", "filename": "t.csv"},
            ],
        }
    ).task
    assert message.content == (
        Text(text="See"),
        Image(data=b"\x89PNG\r\n\x1a\n", media_type="image/png"),
        Image(url="https://x.example/a.png"),
        File(data=b"hi", media_type="text/plain", name="a.txt"),
        File(id="file-7", media_type="application/pdf"),
        Image(data=b"\x89PNG\r\n\x1a\n", media_type="image/png"),
        File(url="https://x.example/t.csv", media_type="text/csv", name="t.csv"),
    )


def test_the_rest_of_a_request() -> None:
    parameters = {"type": "object", "properties": {"a": {"type": "string"}}}
    read = asked(
        {**HI, "name": None, "metadata": {"a": None}},
        protocolVersion="1.0",
        tools=[
            {"name": "pick", "description": "Pick.", "parameters": parameters},
            {"name": "go", "description": "Go."},
        ],
        context=[{"description": "The page", "value": "A list."}, {"description": "The day", "value": "Monday"}, 7],
        resume=[{"interruptId": "a", "status": "resolved", "payload": 1}, {"interruptId": "b", "status": "cancelled"}],
    )
    assert (read.thread, read.run, read.modern) == ("t", "r", True)
    assert not asked(HI).modern
    assert read.tools == (
        {"name": "pick", "description": "Pick.", "parameters": parameters},
        {"name": "go", "description": "Go.", "parameters": {"type": "object", "properties": {}}},
    )
    assert read.history == (Message.system("The page:\nA list.\n\nThe day:\nMonday"),)
    assert read.resume == (Resumed("a", True, 1), Resumed("b", False, None))
    assert read.messages == ({**HI, "metadata": {"a": None}},)
