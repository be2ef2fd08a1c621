from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from headwater import Agent, ConcurrentWorkflow
from headwater.events import Event, RunStarted
from headwater.runtime.shown import MAX_FIELDS, MAX_TEXT, as_data, outlined
from headwater.testing import ScriptedModel


@dataclasses.dataclass
class Order:
    api_key: str
    number: int
    rows: list[int]


class Point(msgspec.Struct):
    x: int
    note: str = "n" * 300


class Untouchable:
    """What must not be asked anything: reading it has effects."""

    def __repr__(self) -> str:
        raise AssertionError("its repr was asked for")

    def __len__(self) -> int:
        raise AssertionError("its length was asked for")

    def model_dump(self, mode: str = "") -> Any:
        raise AssertionError("it was dumped")


@pytest.mark.parametrize(
    ("context", "shown"),
    [
        (None, None),
        ("ada", "ada"),
        (7, 7),
        ("x" * 500, "x" * MAX_TEXT + "…"),
        ([1, 2, 3], "<list, 3 items>"),
        (b"abc", "<bytes, 3 bytes>"),
        (
            {"user": "ada", "token": "sk-123456", "rows": [1] * 9},
            {"user": "ada", "token": "…", "rows": "<list, 9 items>"},
        ),
        (Order("sk-live-secret", 7, [1, 2]), {"api_key": "…", "number": 7, "rows": "<list, 2 items>"}),
        (Point(1), {"x": 1, "note": "n" * MAX_TEXT + "…"}),
        (Untouchable(), "<Untouchable>"),
        ({"db": Untouchable(), 3: {"a": 1}}, {"db": "<Untouchable>", "3": "<dict, 1 fields>"}),
    ],
    ids=["nothing", "text", "number", "long text", "list", "bytes", "dict", "dataclass", "struct", "object", "nested"],
)
def test_a_context_is_shown_in_outline(context: Any, shown: Any) -> None:
    assert outlined(context) == shown


def test_an_outline_is_short_whatever_the_context_contains() -> None:
    shown = outlined({f"field {n}": n for n in range(10_000)})
    assert len(shown) == MAX_FIELDS + 1
    assert shown["…"] == f"{10_000 - MAX_FIELDS} more"


def test_a_tree_shows_its_context_once() -> None:
    members = [Agent(name=name, model=ScriptedModel(["Hi."])) for name in "abc"]
    log: list[Event] = []
    ConcurrentWorkflow(members).run_sync("Go.", context={"user": "ada"}, on_event=log.append)
    assert [event.context for event in log if isinstance(event, RunStarted)] == [{"user": "ada"}, None, None, None]


def test_code_gets_the_context_itself() -> None:
    seen: list[Any] = []
    context = Untouchable()

    def instructions(given: Any) -> str:
        seen.append(given)
        return "Be brief."

    Agent(model=ScriptedModel(["So."]), instructions=instructions).run_sync("Go.", context=context)
    assert seen == [context]


def test_data_is_plain() -> None:
    assert as_data(Point(1, "n")) == {"x": 1, "note": "n"}
    assert as_data("text") == "text"
    assert as_data({1: object}) == {"1": "<class 'object'>"}
