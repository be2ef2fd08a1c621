from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater import File, Image, Message, Text, ToolCall, ToolResult
from headwater.web.openai.asked import asked_of_chat, asked_of_responses
from headwater.web.problems import Problem

USER = {"role": "user", "content": "Hi"}
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=3,
)
FIELDS = [
    "model",
    "messages",
    "input",
    "tools",
    "stream",
    "stream_options",
    "n",
    "text",
    "response_format",
    "modalities",
]
KEYS = ["role", "content", "type", "text", "image_url", "tool_calls", "file"]
PARTS = st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3)


def chat(**more: Any) -> Any:
    return asked_of_chat({"model": "a", "messages": [USER], **more})


def responses(**more: Any) -> Any:
    return asked_of_responses({"model": "a", "input": "Hi", **more})


def refused(call: Any, **more: Any) -> str | None:
    with pytest.raises(Problem) as problem:
        call(**more)
    assert problem.value.status == 400
    return problem.value.param


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(FIELDS), JSON | st.lists(PARTS, max_size=2), max_size=3))
def test_any_json_is_a_request_or_a_refusal(body: dict[str, Any]) -> None:
    for read in (asked_of_chat, asked_of_responses):
        try:
            asked = read({"model": "a", **body})
        except Problem as problem:
            code = problem.code
        else:
            code = "bad_request" if not asked.task else ""
        assert code in ("", "bad_request")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("response_format", {"type": "json_schema"}),
        ("modalities", ["text", "audio"]),
        ("modalities", 1),
        ("model", ""),
        ("model", 7),
        ("stream", "yes"),
        ("messages", []),
        ("messages", "Hi"),
        ("messages", [{"role": "assistant", "content": "x"}]),
        ("messages[0]", [{"role": "robot", "content": "x"}]),
        ("messages[0]", [{"role": "user"}]),
        ("messages[0]", [{"role": "user", "content": [{"type": "input_audio"}]}]),
        ("messages[0]", [{"role": "user", "content": [{"type": "image_url"}]}]),
        ("messages[0]", [{"role": "assistant", "tool_calls": [{}]}, USER]),
        ("tools[0]", [{"type": "function", "function": {}}]),
    ],
)
def test_an_unsupported_setting_is_rejected_by_name(field: str, value: Any) -> None:
    assert refused(chat, **{field.partition("[")[0]: value}) == field


def test_default_values_and_unknown_fields_are_accepted() -> None:
    chat(n=1, logprobs=False, top_logprobs=0, response_format={"type": "text"}, modalities=["text"], temperature=2)
    responses(text={"format": {"type": "text"}}, reasoning={"effort": "low"}, store=False, nonsense={"a": [1]})


def test_a_conversation_is_parted_after_the_assistant() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "pick", "arguments": '{"n": 1}'}}
    asked = chat(
        messages=[
            {"role": "system", "content": "Be kind."},
            USER,
            {"role": "assistant", "content": None, "tool_calls": [call, {**call, "id": "c2"}]},
            {"role": "tool", "tool_call_id": "c1", "content": "one"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "two"}]},
            {"role": "user", "content": [{"type": "text", "text": "Go on."}]},
        ]
    )
    calls = [ToolCall(id=one, name="pick", arguments={"n": 1}, by="client") for one in ("c1", "c2")]
    assert asked.history == (Message.system("Be kind."), Message.user("Hi"), Message.assistant(*calls))
    results = [ToolResult(id="c1", name="pick", content="one"), ToolResult(id="c2", name="pick", content="two")]
    assert asked.task == (Message.tool(*results), Message.user("Go on."))


def test_pictures_and_files_are_taken() -> None:
    content = [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
    ]
    (message,) = chat(messages=[{"role": "user", "content": content}]).task
    assert message.content == (
        Text(text="See"),
        Image(data=b"\x89PNG\r\n\x1a\n", media_type="image/png"),
        Image(url="https://x.example/a.png"),
        File(data=b"%PDF", media_type="application/pdf", name="a.pdf"),
    )
    (same,) = responses(
        input=[{"role": "user", "content": [{"type": "input_image", "image_url": "https://x.example/a"}]}]
    ).task
    assert same.content == (Image(url="https://x.example/a"),)


def test_tools_are_the_clients_and_may_be_forbidden() -> None:
    function = {"name": "pick", "description": "Pick.", "parameters": {"type": "object"}}
    told = chat(tools=[{"type": "function", "function": function}, {"type": "custom", "custom": {}}])
    assert told.tools == (function,)
    assert responses(tools=[{"type": "function", **function}, {"type": "web_search"}]).tools == (function,)
    assert chat(tools=[{"type": "function", "function": function}], tool_choice="none").tools == ()


def test_items_of_responses_are_messages() -> None:
    asked = responses(
        instructions="Be kind.",
        previous_response_id="resp_run_1",
        input=[
            {"role": "user", "content": "Hi"},
            {"type": "reasoning", "id": "rs", "summary": []},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Pick."}]},
            {"type": "mcp_call", "id": "m"},
            {"type": "function_call", "call_id": "c1", "name": "pick", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "b"},
        ],
    )
    call = ToolCall(id="c1", name="pick", arguments={}, by="client")
    assert asked.history == (Message.system("Be kind."), Message.user("Hi"), Message.assistant("Pick.", call))
    assert asked.task == (Message.tool(ToolResult(id="c1", name="pick", content="b")),)
    assert asked.previous == "resp_run_1"
    assert refused(responses, input=[{"type": "computer_call"}]) == "input[0]"
    assert refused(responses, previous_response_id=7) == "previous_response_id"
    assert refused(responses, text={"format": {"type": "json_object"}}) == "text"


def test_sounds_and_the_detail_of_pictures_are_read() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    picture = {"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": "low"}}
    (message,) = asked_of_chat({"model": "a", "messages": [{"role": "user", "content": [sound, picture]}]}).task
    assert message.content == (
        File(data=b"RIFF", media_type="audio/wav"),
        Image(url="https://x.example/a.png", detail="low"),
    )
    for wrong in ({"format": "wav"}, {"data": "?", "format": "wav"}, None):
        part = {"type": "input_audio", "input_audio": wrong}
        with pytest.raises(Problem, match="audio"):
            asked_of_chat({"model": "a", "messages": [{"role": "user", "content": [part]}]})


def test_a_model_may_be_given_the_start_of_its_answer() -> None:
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Once"}]
    asked = asked_of_chat({"model": "a", "messages": said}, bare=True)
    assert [message.role for message in (*asked.history, *asked.task)] == ["user", "assistant"]
    with pytest.raises(Problem, match="last message"):
        asked_of_chat({"model": "a", "messages": said})
    nothing: list[Any] = [[], None]
    for empty in nothing:
        with pytest.raises(Problem, match="last message"):
            asked_of_chat({"model": "a", "messages": empty}, bare=True)
