from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import Image, Message
from headwater.web.http.bodies import Answering, Approving, Starting, conversation, decoded, messages, number, position
from headwater.web.problems import Problem

JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def code_of(call: Any, *arguments: Any) -> str:
    """How it is refused, "" where it is not."""
    try:
        call(*arguments)
    except Problem as problem:
        return problem.code
    return ""


def refused(call: Any, *arguments: Any) -> Problem:
    with pytest.raises(Problem) as problem:
        call(*arguments)
    return problem.value


def test_an_unknown_field_is_answered_with_those_there_are() -> None:
    problem = refused(decoded, b'{"input": "Hi.", "thred": "t"}', Starting)
    assert "unknown field `thred`" in problem.message
    assert problem.hint == f"The fields are {', '.join(Starting.__struct_fields__)}."
    assert refused(decoded, b'{"input": 5}', Starting).hint == ""


@given(st.binary(max_size=40))
def test_any_bytes_are_a_body_or_a_problem(data: bytes) -> None:
    for kind in (Starting, Answering, Approving):
        assert code_of(decoded, data, kind) in ("", "bad_json", "bad_request")


@given(st.dictionaries(st.sampled_from(["input", "agent", "context", "thread", "on_disconnect", "x"]), JSON))
def test_any_json_is_a_body_or_a_problem(value: dict[str, Any]) -> None:
    code = code_of(lambda: conversation(decoded(msgspec.json.encode(value), Starting).input))
    assert code in ("", "bad_json", "bad_request")
    assert code or set(value) <= {"input", "agent", "context", "thread", "on_disconnect"}


def test_what_is_wrong_is_named() -> None:
    problem = refused(decoded, b'{"approval": "x", "allowed": "yes"}', Approving)
    assert (problem.code, problem.param) == ("bad_request", "allowed")
    assert problem.message == "allowed: Expected `bool`, got `str`."
    assert "missing required field `input`" in refused(decoded, b"{}", Starting).message


@pytest.mark.parametrize("depth", [101, 3000, 100_000])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a":', "}")])
def test_what_is_nested_too_deep_is_refused(depth: int, left: str, right: str) -> None:
    body = f'{{"input": "x", "context": {left * depth}{"1" if left != "[" else ""}{right * depth}}}'
    assert refused(decoded, body.encode(), Starting).status == 400


def test_what_is_nested_deep_enough_is_not() -> None:
    assert decoded(f'{{"input": "x", "context": {"[" * 98}{"]" * 98}}}'.encode(), Starting).context


def test_messages_may_be_written_shortly() -> None:
    said = messages(
        ["One", {"role": "user", "content": "Two"}, {"role": "user", "content": [{"type": "text", "text": "3"}]}]
    )
    assert said == (Message.user("One"), Message.user("Two"), Message.user("3"))
    picture = {"role": "user", "content": [{"type": "image", "url": "https://x.example/a.png"}]}
    assert messages([picture]) == (Message.user(Image(url="https://x.example/a.png")),)
    assert messages("One") == (Message.user("One"),)


@pytest.mark.parametrize(
    "wrong", ["", [], [""], [7], [{}], [{"role": "x"}], [{"role": "user", "content": 7}], ["a", None]]
)
def test_invalid_messages_are_reported(wrong: Any) -> None:
    assert refused(messages, wrong).param is not None


def test_a_conversation_is_parted_after_what_was_answered() -> None:
    assistant = {"role": "assistant", "content": "Aha."}
    assert conversation("One") == ((), (Message.user("One"),))
    assert conversation(["One", assistant, "Two", "Three"]) == (
        (Message.user("One"), Message.assistant("Aha.")),
        (Message.user("Two"), Message.user("Three")),
    )
    assert refused(conversation, ["One", assistant]).code == "bad_request"


@pytest.mark.parametrize(("text", "wanted"), [(None, 0), ("", 0), ("-1", 0), ("0", 1), (" 41 ", 42)])
def test_a_position_is_what_comes_after_an_id(text: str | None, wanted: int) -> None:
    assert position(text) == wanted


@pytest.mark.parametrize("text", ["x", "1.0", "-2", "1e3", "٣", "1_0", "+1", "9" * 16, "0x1", "1\n2"])
def test_an_invalid_id_is_rejected(text: str) -> None:
    assert refused(position, text).code == "bad_position"


def test_numbers_have_bounds() -> None:
    assert number("limit", None, 7) == 7
    assert number("limit", "3", 7, least=1, most=5) == 3
    for wrong in ("0", "6", "x", "", "-1", "9" * 40):
        assert refused(lambda text=wrong: number("limit", text, 7, least=1, most=5)).param == "limit"
