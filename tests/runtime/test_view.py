"""Views: the messages sent to a model, while the log keeps the whole conversation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import Agent, Message, clip_tool_results, tool
from headwater.backends.offline import Call, ScriptedModel
from headwater.errors import ConfigurationError, HistoryInvalid
from headwater.events.messages import Image, Text, ToolResult
from headwater.providers.request import Request
from headwater.runtime.view import ViewInfo, seen_by
from tests.support.virtual import run_virtual

INFO = ViewInfo(agent="agent", model="m", step=1)


@tool
async def read(page: str) -> str:
    """Read a page."""
    return page * 100


def sent(view: Any) -> tuple[list[Request], Any]:
    asked: list[Request] = []

    def turn(request: Request) -> Any:
        asked.append(request)
        return Call("read", {"page": "x"}) if len(asked) == 1 else "Done."

    response = Agent(name="reader", model=ScriptedModel(turn), tools=[read], view=view).run(
        "Read.", history=[Message.user("Hi.")]
    )
    return asked, response


def test_the_model_sees_what_the_view_returns_and_the_log_keeps_all() -> None:
    infos: list[ViewInfo] = []

    def view(messages: tuple[Message, ...], info: ViewInfo) -> Any:
        infos.append(info)
        return messages[1:]

    asked, response = sent(view)
    assert [request.messages[0].text for request in asked] == ["Read.", "Read."]
    assert response.messages[0].text == "Hi."
    assert [(info.agent, info.step) for info in infos] == [("reader", 1), ("reader", 2)]


def test_it_may_be_async() -> None:
    async def view(messages: tuple[Message, ...], info: ViewInfo) -> Any:
        return [Message.user("Only this.")]

    asked, _ = sent(view)
    assert [one.text for one in asked[0].messages] == ["Only this."]


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        ("text", "returned str"),
        (None, "returned NoneType"),
        ([Message.user("a"), "b"], "returned str among"),
        ([Message.user("a"), None], "returned NoneType among"),
        ([Message.user("a"), ""], "returned str among"),
        ([Message.assistant(__import__("headwater").ToolCall(id="c", name="t", arguments={}))], "without results: c"),
        ([Message.tool(ToolResult(id="c", name="t", content="x"))], "without calls: c"),
    ],
)
def test_invalid_conversations_are_refused(returned: Any, says: str) -> None:
    with pytest.raises(HistoryInvalid, match=says):
        run_virtual(seen_by(lambda messages, info: returned, (), INFO))


def test_tool_results_are_clipped_except_the_last() -> None:
    result = ToolResult(id="c", name="t", content="x" * 60)
    parts = ToolResult(id="d", name="t", content=(Text(text="y" * 60), Image(data=b"1", media_type="image/png")))
    view = clip_tool_results(10, keep_last=1)
    short = view((Message.tool(result, parts), Message.tool(result)), INFO)
    cut, other = short[0].content
    assert cut.content == f"{'x' * 10}\n[Truncated: 60 characters in total.]"
    assert other.content[0].text.startswith("y" * 10 + "\n")
    assert other.content[1] == parts.content[1]
    assert short[1].content == (result,)


@given(st.text(max_size=200), st.integers(0, 200))
def test_a_clipped_text_is_a_beginning_with_a_note_and_shorter(text: str, chars: int) -> None:
    result = ToolResult(id="c", name="t", content=text)
    (message,) = clip_tool_results(chars, keep_last=0)((Message.tool(result),), INFO)
    (clipped,) = message.content
    said = clipped.content
    if said != text:
        beginning, _, note = said.rpartition("\n")
        assert (beginning, note) == (text[:chars], f"[Truncated: {len(text):,} characters in total.]")
        assert len(said) < len(text)
    else:
        assert len(text) <= chars + len(f"\n[Truncated: {len(text):,} characters in total.]")
    said.encode()


@pytest.mark.parametrize("wrong", [{"chars": None}, {"chars": -1}, {"chars": True}, {"chars": 1, "keep_last": 1.5}])
def test_limits_of_clipping_are_whole_numbers(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="of clip_tool_results is"):
        clip_tool_results(**wrong)


def test_a_clipped_result_is_complete_in_the_log() -> None:
    asked, response = sent(clip_tool_results(10, keep_last=0))
    assert "Truncated" in str(asked[1].messages[-1].content[0].content)  # type: ignore[union-attr]
    (result,) = [part for message in response.messages for part in message.content if isinstance(part, ToolResult)]
    assert result.content == "x" * 100
