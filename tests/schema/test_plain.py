from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import json
import types
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, field_serializer

from headwater.events.messages import Image
from headwater.events.response import Response
from headwater.schema.plain import to_json, to_plain
from tests.support.effort import tries


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    more: Any = None


class Model(BaseModel):
    when: datetime.date
    color: Color = Color.RED

    @field_serializer("color", when_used="json")
    def say_color(self, color: Color) -> str:
        return color.value.upper()


class Raw(BaseModel):
    body: bytes


class Rude:
    def __str__(self) -> str:
        raise RuntimeError("no")


class Named(str):
    __slots__ = ()


class Counted(int):
    pass


class Weighed(float):
    pass


class Listed:
    def tolist(self) -> list[int]:
        return [1, 2]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (3, 3),
        ("ä", "ä"),
        (float("nan"), None),
        ({1, 2}, [1, 2]),
        ({1: (2, 3)}, {"1": [2, 3]}),
        (b"\xff", "/w=="),
        (Color.RED, "red"),
        (Point(1, Color.RED), {"x": 1, "more": "red"}),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (datetime.timedelta(seconds=90), "PT90S"),
        (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (decimal.Decimal("1.5"), "1.5"),
        (Model(when=datetime.date(2024, 1, 2)), {"when": "2024-01-02", "color": "RED"}),
        ([Raw(body=b"\xff")], [{"body": "/w=="}]),
        (Response("text"), "text"),
        (Named("n"), "n"),
        (Counted(4), 4),
        (Weighed(1.5), 1.5),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (collections.deque([1]), [1]),
        (range(3), [0, 1, 2]),
        (Listed(), [1, 2]),
        (ValueError("bad"), "bad"),
        (Model, "<class 'tests.schema.test_plain.Model'>"),
        ({(1, 2): {None: Color.RED}}, {"(1, 2)": {"None": "red"}}),
        (Point(1, {(1, 2): "\ud800"}), {"x": 1, "more": {"(1, 2)": "\ufffd"}}),
        ("\ud800", "\ufffd"),
        ({"\ud800": ["\udfff"]}, {"\ufffd": ["\ufffd"]}),
        ([Rude(), 1], ["<Rude>", 1]),
        (2**70, 2**70),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_as_json(value: Any, expected: Any) -> None:
    assert json.loads(to_json(value)) == expected
    assert to_plain(value) == expected


def test_cycles_end() -> None:
    cycle: list[Any] = [1]
    cycle.extend((cycle, cycle))
    assert json.loads(to_json(cycle)) == [1, "…", "…"]


def test_depth_ends() -> None:
    deep: Any = "end"
    for _ in range(1_000_000):
        deep = [deep]
    assert "…" in to_json(deep)


def test_a_repeated_value_is_not_a_cycle() -> None:
    twin = {(0,): 1}
    assert json.loads(to_json([twin, twin])) == [{"(0,)": 1}, {"(0,)": 1}]


def test_plain_data_shares_no_object() -> None:
    given_ = {"a": [1]}
    plain = to_plain(given_)
    given_["a"].append(2)
    assert plain == {"a": [1]}


def test_parts_are_data() -> None:
    assert to_plain(Image(data=b"\x89PNG\r\n\x1a\n"))["media_type"] == "image/png"


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.binary()
        | st.dates()
        | st.complex_numbers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.tuples(st.integers()) | st.integers(), inner),
        max_leaves=20,
    )
)
@settings(max_examples=tries(50, 200), deadline=None)
def test_always_json_that_a_log_can_hold(value: Any) -> None:
    plain = json.loads(to_json(value))
    assert msgspec.json.decode(msgspec.json.encode(to_plain(value))) == msgspec.json.decode(msgspec.json.encode(plain))
