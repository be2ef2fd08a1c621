from __future__ import annotations

import base64
import copy
import json
import pickle
from decimal import Decimal, localcontext
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.events import messages
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
    Usage,
    data_url,
    last_compaction,
    read_data_url,
    sent_messages,
    sniff_media_type,
)
from tests.support.effort import tries
from tests.support.values import any_message, value_of

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 4


def test_public_names() -> None:
    for name in messages.__all__:
        assert hasattr(messages, name)
    assert list(messages.__all__) == sorted(messages.__all__)


# --- messages and their parts


def test_a_message_is_made_of_strings_and_parts() -> None:
    assert Message.system("Be brief.") == Message(role="system", content=(Text(text="Be brief."),))
    image = Image(url="https://example.com/a.png")
    assert Message.user("Look:", image).content == (Text(text="Look:"), image)
    call = ToolCall(id="1", name="f", arguments={})
    assert Message.assistant(Reasoning(text="hm"), "Well.", call).content[1] == Text(text="Well.")
    result = ToolResult(id="1", name="f", content="42")
    assert Message.tool(result) == Message(role="tool", content=(result,))


def test_a_messages_text_is_the_answer() -> None:
    message = Message.assistant(
        Reasoning(text="thinking"), "One. ", Text(text="No.", refusal=True), Source(url="https://a"), "Two."
    )
    assert message.text == "One. Two."
    assert Message(role="assistant").text == ""


def test_a_messages_tool_calls_are_in_order() -> None:
    one, two = (ToolCall(id=str(n), name="f", arguments={"n": n}) for n in range(2))
    message = Message.assistant(one, "and", two, ProviderItem(api="x", item={}))
    assert message.tool_calls == (one, two)


@given(message=any_message())
@settings(max_examples=tries(12, 50), deadline=None)
def test_messages_are_values(message: Message) -> None:
    assert pickle.loads(pickle.dumps(message)) == message
    assert copy.deepcopy(message) == message
    with pytest.raises(AttributeError):
        message.role = "user"  # type: ignore[misc]


def test_an_image_is_bytes_or_a_url() -> None:
    for wrong in ({}, {"data": PNG, "url": "https://a"}):
        with pytest.raises(TypeError, match="An Image needs either"):
            Image(**wrong)  # type: ignore[arg-type]
    assert Image(data=PNG).media_type == "image/png"
    assert Image(data=b"?").media_type == "image/png"
    assert Image(data=PNG, media_type="image/x").media_type == "image/x"
    assert Image(url="https://a/b.gif").media_type == ""


def test_a_file_is_bytes_a_url_or_an_id() -> None:
    for wrong in ({}, {"data": b"a", "id": "f"}, {"url": "u", "id": "f"}, {"data": b"a", "url": "u", "id": "f"}):
        with pytest.raises(TypeError, match="A File needs one of"):
            File(**wrong)
    assert File(data=b"%PDF-1.7").media_type == "application/pdf"
    assert File(data=b"words").media_type == "text/plain"
    assert File(id="file-1").media_type == ""


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"RIFF\x00\x00\x00\x00AVI ", "a/b"),
        (b"%PDF-1.4", "application/pdf"),
        (b"ID3\x04", "audio/mpeg"),
        (b"OggS", "audio/ogg"),
        (b"", "a/b"),
        (b"\x89PN", "a/b"),
    ],
)
def test_media_types_are_detected_from_the_first_bytes(data: bytes, media_type: str) -> None:
    assert sniff_media_type(data, "a/b") == media_type


@given(data=st.binary())
@settings(max_examples=tries(12, 50), deadline=None)
def test_a_data_url_holds_its_data(data: bytes) -> None:
    head, _, body = data_url(data, "image/png").partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(body) == data


@given(data=st.binary(), media_type=st.sampled_from(["image/png", "text/html;charset=utf-8"]))
@settings(max_examples=tries(12, 50), deadline=None)
def test_a_data_url_survives_a_round_trip(data: bytes, media_type: str) -> None:
    assert read_data_url(data_url(data, media_type)) == (data, media_type.partition(";")[0])


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("data:,a%20b", (b"a b", "text/plain")),
        ("data:text/html,<p>", (b"<p>", "text/html")),
        ("data:;base64,aGk=", (b"hi", "text/plain")),
        ("data:text/html;charset=utf-8;base64,aGk=", (b"hi", "text/html")),
        ("data:image/png;base64,?", None),
        ("data:image/png;base64,aGk", None),
        ("data:image/png", None),
        ("https://example.com/data:,a", None),
    ],
)
def test_foreign_data_urls_are_read_or_refused(url: str, read: tuple[bytes, str] | None) -> None:
    assert read_data_url(url) == read


# --- usage


COUNTS = [name for name in Usage.__struct_fields__ if name not in ("raw", "cost")]


def test_unreported_counts_are_none_and_not_zero() -> None:
    usage = Usage()
    assert all(getattr(usage, name) is None for name in COUNTS)
    assert usage.total_tokens is None
    assert not usage
    assert usage.to_dict() == {}
    assert Usage(input_tokens=0)  # zero, but reported
    assert Usage(input_tokens=0).to_dict() == {"input_tokens": 0}


def test_the_total_needs_both_sides() -> None:
    assert Usage(input_tokens=3).total_tokens is None
    assert Usage(output_tokens=4).total_tokens is None
    both = Usage(input_tokens=3, output_tokens=4, cached_input_tokens=2, reasoning_tokens=1)
    assert both.total_tokens == 7  # cached and reasoning tokens are part of the two
    assert both.to_dict() == {
        "input_tokens": 3,
        "output_tokens": 4,
        "cached_input_tokens": 2,
        "reasoning_tokens": 1,
        "total_tokens": 7,
    }


@given(one=value_of(Usage), other=value_of(Usage), third=value_of(Usage))
@settings(max_examples=tries(25, 100), deadline=None)
def test_usages_add_up(one: Usage, other: Usage, third: Usage) -> None:
    total = one + other
    for name in COUNTS:
        parts = [value for value in (getattr(one, name), getattr(other, name)) if value is not None]
        assert getattr(total, name) == (sum(parts) if parts else None)
    assert total.raw is None  # two reports do not add up to one
    assert one + other == other + one
    assert (one + other) + third == one + (other + third)
    costs = [usage.cost for usage in (one, other) if usage.cost is not None]
    assert total.cost == (sum(costs) if costs else None)
    assert one + Usage() == msgspec.structs.replace(one, raw=None)
    assert bool(total) == (bool(one) or bool(other))
    json.dumps(total.to_dict())


def test_a_cost_is_in_dollars_and_none_without_a_price() -> None:
    known, unknown = Usage(input_tokens=1, cost=Decimal("0.10")), Usage(input_tokens=1)
    assert (unknown + unknown).cost is None
    assert (known + unknown).cost == (unknown + known).cost == Decimal("0.10")
    assert str((known + known).cost) == "0.20"
    assert Usage(cost=Decimal(0))
    assert known.to_dict() == {"input_tokens": 1, "cost": "0.10"}
    assert Usage.estimated("four").cost is None


def test_costs_add_up_in_any_decimal_context() -> None:
    small, large = Usage(cost=Decimal("0.000000000001")), Usage(cost=Decimal("123456789.25"))
    with localcontext() as context:
        context.prec = 3
        assert (small + large).cost == Decimal("123456789.250000000001")


# --- the messages that are sent


def test_without_a_compaction_the_whole_conversation_is_sent() -> None:
    messages = [Message.user("a"), Message.assistant("b")]
    assert sent_messages(messages) is messages
    assert sent_messages(()) == ()


def test_a_compaction_replaces_the_messages_before_it() -> None:
    said = [Message.user(str(number)) for number in range(8)]
    first = Message(role="user", content=(Text(text="0 to 2"),), replaces=3)
    assert sent_messages([*said[:4], first]) == [first, said[3]]
    assert sent_messages([*said[:4], first, *said[4:]]) == [first, *said[3:]]
    # the second counts from the start too, so it replaces the first
    second = Message(role="user", content=(Text(text="0 to 4"),), replaces=6)
    assert sent_messages([*said[:4], first, *said[4:6], second, *said[6:]]) == [second, said[5], *said[6:]]
    whole = Message(role="user", content=(Text(text="all"),), replaces=99)
    assert sent_messages([*said, whole]) == [whole]


def test_a_compaction_never_replaces_what_follows_it() -> None:
    """The program has dropped messages before it, and passes the rest as the history."""
    summary = Message(role="user", content=(Text(text="0 to 40"),), replaces=40)
    rest = [Message.assistant("b"), Message.user("c")]
    assert sent_messages([summary, *rest]) == [summary, *rest]
    assert sent_messages([Message.user("a"), summary, *rest]) == [summary, *rest]
    assert last_compaction([Message.user("a"), summary, *rest]) == (summary, 1)
    assert last_compaction(rest) == (None, 0)


@pytest.mark.parametrize(
    "make",
    [
        lambda bad: Message.user(bad),
        lambda bad: Message.assistant("So.", bad),
        lambda bad: Message.tool(bad),
        lambda bad: Message.system(bad),
        lambda bad: Message(role=bad),
        lambda bad: Message(role="user", content=bad),
        lambda bad: Message(role="user", content=(bad,)),
        lambda bad: Text(text=bad),
        lambda bad: Reasoning(text=bad),
        lambda bad: Image(url=bad),
        lambda bad: File(url=bad),
        lambda bad: File(id=bad),
        lambda bad: ToolCall(id=bad, name="t", arguments={}),
        lambda bad: ToolCall(id="c", name=bad, arguments={}),
        lambda bad: ToolCall(id="c", name="t", arguments=bad),
        lambda bad: ToolResult(id=bad, name="t", content=""),
        lambda bad: ToolResult(id="c", name=bad, content=""),
        lambda bad: ToolResult(id="c", name="t", content=bad),
        lambda bad: ToolResult(id="c", name="t", content=(bad,)),
    ],
)
@pytest.mark.parametrize("bad", [3, None, b"x", ("x",), 1.5, object()])
def test_what_a_log_could_not_hold_is_refused_where_it_is_created(make: Any, bad: Any) -> None:
    with pytest.raises(TypeError, match=r"is a string|is a dict|contains parts|is one of|needs"):
        make(bad)


def test_lists_of_parts_become_tuples() -> None:
    said, text = Message(role="user", content=[Text(text="Hi.")]), [Text(text="So.")]  # type: ignore[arg-type]
    assert said == Message.user("Hi.")
    result = ToolResult(id="c", name="t", content=text)  # type: ignore[arg-type]
    assert result.content == (Text(text="So."),)


@pytest.mark.parametrize("kind", [Image, File])
def test_data_that_is_not_bytes_is_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match="is bytes: write"):
        kind("picture.png")
