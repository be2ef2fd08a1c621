from __future__ import annotations

import copy
import pickle
import re
import runpy
import typing
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

import headwater.events as package
from headwater.errors import RateLimited
from headwater.events import (
    End,
    ErrorInfo,
    Event,
    RunCancelled,
    RunFailed,
    RunFinished,
    TextDelta,
    ToolStarted,
    Unknown,
)
from headwater.events import types as events
from headwater.events.checker import RULES
from tests.support.paths import ROOT
from tests.support.values import any_event

CLASSES: dict[str, type[Event]] = {
    name: value
    for name, value in vars(events).items()
    if isinstance(value, type) and issubclass(value, Event) and value is not Event
}
COMMON = ("seq", "time", "run", "path", "extra")


def test_all_lists_the_definitions() -> None:
    defined = {
        name
        for name, value in vars(events).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == events.__name__
    }
    assert set(events.__all__) == defined | {"End"}
    assert list(events.__all__) == sorted(events.__all__)
    assert {*package.__all__} == {*events.__all__, "decode", "encode", "tree_response"}
    assert all(hasattr(package, name) for name in package.__all__)


def test_names_are_unique_and_have_a_noun_and_a_verb() -> None:
    names = [str(kind.__struct_config__.tag) for kind in CLASSES.values()]
    assert len(names) == len(set(names))
    for name in names:
        assert re.fullmatch(r"[a-z]+(\.[a-z]+)?", name)


@pytest.mark.parametrize("noun", ["text", "reasoning"])
def test_streamed_things_are_started_have_deltas_and_are_ended(noun: str) -> None:
    names = {str(kind.__struct_config__.tag) for kind in CLASSES.values()}
    assert {f"{noun}.started", f"{noun}.delta", f"{noun}.ended"} <= names


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES.keys())
def test_every_class_is_frozen_tagged_and_documented(kind: type[Event]) -> None:
    config = kind.__struct_config__
    assert config.frozen
    assert config.tag_field == "type"
    assert config.omit_defaults
    assert not config.gc  # events hold data only, with no reference back
    assert kind.__doc__


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES.keys())
def test_no_field_shadows_a_common_one(kind: type[Event]) -> None:
    wire = [field.encode_name for field in msgspec.structs.fields(kind)]
    assert len(wire) == len(set(wire))
    assert set(COMMON) <= set(wire)
    assert not {"v", "type"} & set(wire)


@given(event=any_event())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_events_are_values(event: Event) -> None:
    assert pickle.loads(pickle.dumps(event)) == event
    assert copy.deepcopy(event) == event
    assert event.type == type(event).__struct_config__.tag
    assert type(event).__name__ in repr(event)
    with pytest.raises(AttributeError):
        event.seq = 1  # type: ignore[misc]


def test_stamping_changes_nothing_else() -> None:
    event = TextDelta(step=1, part=0, text="a")
    stamped = msgspec.structs.replace(event, seq=3, time=2.5, run="r", path=("team", "writer"))
    assert (stamped.seq, stamped.time, stamped.run, stamped.path) == (3, 2.5, "r", ("team", "writer"))
    assert (stamped.step, stamped.part, stamped.text) == (1, 0, "a")
    assert event.seq == 0


def test_the_agent_is_the_last_part_of_the_path() -> None:
    assert TextDelta(step=1, part=0, text="a", path=("team", "writer")).agent == "writer"
    assert TextDelta(step=1, part=0, text="a").agent == ""


def test_python_keywords_have_their_plain_name_on_the_wire() -> None:
    assert b'"try":2' in msgspec.json.encode(ToolStarted(step=1, call="c", name="f", try_=2))
    assert b'"agent":"a"' in msgspec.json.encode(events.RunStarted(agent_name="a"))


def test_a_run_has_three_ends() -> None:
    assert set(get_args(End)) == {RunFinished, RunFailed, RunCancelled}


def test_an_unknown_event_is_of_the_type_unknown() -> None:
    assert Unknown(name="dream.started", body={}).type == "unknown"


def test_event_fields_have_json_types() -> None:
    def leaves(hint: Any) -> set[Any]:
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            return set().union(*(leaves(inner) for inner in typing.get_type_hints(hint).values()))
        inner = get_args(hint)
        if not inner or typing.get_origin(hint) is typing.Literal:
            return {hint} if not inner else {type(word) for word in inner}
        return set().union(*(leaves(one) for one in inner))

    held = set().union(*(leaves(kind) for kind in CLASSES.values()))
    assert held <= {str, int, float, bool, bytes, Decimal, type(None), Any, ..., dict, tuple}


# --- the page


def test_the_page_matches_the_types() -> None:
    told: str = runpy.run_path(str(ROOT / "scripts" / "event_reference.py"))["page"]()
    page = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    assert page == told, "the events have changed: run python scripts/event_reference.py"
    for kind in CLASSES.values():
        if kind is not Unknown:
            assert f"\n### {kind.__struct_config__.tag}\n" in page
    for rule in RULES:
        assert f"\n| {rule} | " in page


def test_an_error_tells_how_long_the_provider_asked_to_wait() -> None:
    told = ErrorInfo.of(RateLimited("busy", provider="groq", status=429, retry_after=7))
    assert (told.retry_after, told.status, told.retryable) == (7.0, 429, True)
    again = told.exception()
    assert isinstance(again, RateLimited)
    assert again.retry_after == 7.0
    assert ErrorInfo.of(ValueError("x")).retry_after is None
