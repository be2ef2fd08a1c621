from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater import File, Image, Message, Text, ToolCall, ToolResult
from headwater.web.ai_sdk.asked import Approved, asked_of_chat
from headwater.web.problems import Problem

HI = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
SEARCH = {"type": "tool-search", "toolCallId": "c1", "input": {"q": 1}}
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=3,
)
KEYS = ["type", "text", "url", "state", "approval", "toolCallId"]
PART = st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3)
ROLE = st.sampled_from(["user", "assistant", "system", "robot"])
MESSAGE = st.fixed_dictionaries({"role": ROLE, "parts": JSON | st.lists(PART, max_size=2)})


def assistant(*parts: Any) -> dict[str, Any]:
    return {"id": "run_1", "role": "assistant", "parts": [*parts]}


def asked(*messages: Any) -> Any:
    return asked_of_chat({"id": "chat1", "messages": [*messages]})


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries({"id": JSON, "messages": JSON | st.lists(MESSAGE, max_size=2)}))
def test_any_json_is_a_chat_or_a_refusal(body: dict[str, Any]) -> None:
    try:
        chat = asked_of_chat(body)
    except Problem as problem:
        code = problem.code
    else:
        code = "" if chat.task or chat.approved else "nothing"
    assert code in ("", "bad_request")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"id": "c"},
        {"id": "", "messages": [HI]},
        {"id": "c", "messages": []},
        {"id": "c", "messages": "Hi"},
        {"id": "c", "messages": [HI, assistant({"type": "text", "text": "Aha."})]},
        {"id": "c", "messages": [{"role": "user", "parts": []}]},
        {"id": "c", "messages": [{"role": "user", "parts": [{"type": "file", "url": 7, "mediaType": "x/y"}]}]},
        {"id": "c", "messages": [{"role": "robot", "parts": []}]},
    ],
)
def test_an_invalid_chat_is_rejected(body: Any) -> None:
    with pytest.raises(Problem) as problem:
        asked_of_chat(body)
    assert problem.value.status == 400


def test_an_assistants_message_is_split_into_its_steps() -> None:
    before = assistant(
        {"type": "step-start"},
        {"type": "reasoning", "text": "Hm."},
        {"type": "text", "text": "I look. "},
        {**SEARCH, "state": "output-available", "output": {"hits": 2}},
        {
            "type": "dynamic-tool",
            "toolName": "find",
            "toolCallId": "c2",
            "state": "output-error",
            "errorText": "no luck",
        },
        {**SEARCH, "toolCallId": "c3", "state": "input-available"},
        {**SEARCH, "toolCallId": "c4", "state": "output-denied"},
        {"type": "data-agent", "id": "x", "data": {}},
        {"type": "step-start"},
        {"type": "text", "text": "Found two."},
    )
    chat = asked(HI, before, {"role": "user", "parts": [{"type": "text", "text": "And?"}]})
    calls = [
        ToolCall(id="c1", name="search", arguments={"q": 1}),
        ToolCall(id="c2", name="find", arguments={}),
        ToolCall(id="c4", name="search", arguments={"q": 1}),
    ]
    results = [
        ToolResult(id="c1", name="search", content='{"hits":2}'),
        ToolResult(id="c2", name="find", content="no luck", error=True),
        ToolResult(id="c4", name="search", content="It was denied.", error=True),
    ]
    assert chat.history == (
        Message.user("Hi"),
        Message.assistant("I look. ", *calls),
        Message.tool(*results),
        Message.assistant("Found two."),
    )
    assert chat.task == (Message.user("And?"),)


def test_what_the_clients_tools_gave_is_what_is_new() -> None:
    chat = asked(HI, assistant({**SEARCH, "state": "output-available", "output": "two"}))
    assert chat.task == (Message.tool(ToolResult(id="c1", name="search", content="two")),)
    assert chat.history[-1].tool_calls


def test_pictures_and_files_are_shown() -> None:
    parts = [
        {"type": "text", "text": "See"},
        {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,iVBORw0KGgo="},
        {"type": "file", "mediaType": "image/png", "url": "https://x.example/a.png"},
        {"type": "file", "mediaType": "text/plain", "url": "data:text/plain;base64,aGk=", "filename": "a.txt"},
    ]
    (message,) = asked({"role": "user", "parts": parts}).task
    assert message.content == (
        Text(text="See"),
        Image(data=b"\x89PNG\r\n\x1a\n", media_type="image/png"),
        Image(url="https://x.example/a.png", media_type="image/png"),
        File(data=b"hi", media_type="text/plain", name="a.txt"),
    )


def test_answers_are_in_the_last_message() -> None:
    parts = [
        {**SEARCH, "state": "approval-responded", "approval": {"id": "a1", "approved": True}},
        {**SEARCH, "state": "approval-responded", "approval": {"id": "a2", "approved": False, "reason": "no"}},
        {**SEARCH, "state": "output-available", "output": 1, "approval": {"id": "a0", "approved": True}},
    ]
    assert asked(HI, assistant(*parts)).approved == (Approved("a1", True, ""), Approved("a2", False, "no"))
    assert asked(HI, assistant(*parts), HI).approved == ()
