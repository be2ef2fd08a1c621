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
from headwater.events import (
    AnyEvent,
    ErrorInfo,
    Event,
    ForkedFrom,
    Unknown,
    WorkflowShape,
)
from headwater.events import types as events
from headwater.events.checker import RULES
from tests.support.effort import tries
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
        if isinstance(value, type) and issubclass(value, (Event, ErrorInfo, ForkedFrom, WorkflowShape))
    }
    assert set(events.__all__) == defined | {"AnyEvent", "End"}
    assert set(get_args(AnyEvent)) == set(CLASSES.values())
    assert list(events.__all__) == sorted(events.__all__)
    assert {*package.__all__} == {*events.__all__, "decode", "encode", "tree_response"}
    assert all(hasattr(package, name) for name in package.__all__)


def test_names_are_unique_and_have_a_noun_and_a_verb() -> None:
    names = [str(kind.__struct_config__.tag) for kind in CLASSES.values()]
    assert len(names) == len(set(names))
    for name in names:
        assert re.fullmatch(r"[a-z]+(\.[a-z]+)?", name)


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


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES.keys())
def test_its_type_is_a_literal_to_type_checkers(kind: type[Event]) -> None:
    (literal,) = get_args(typing.get_type_hints(kind)["type"])  # of ClassVar
    assert get_args(literal) == (kind.__struct_config__.tag,)


@given(event=any_event())
@settings(max_examples=tries(25, 100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_events_are_values(event: Event) -> None:
    assert pickle.loads(pickle.dumps(event)) == event
    assert copy.deepcopy(event) == event
    assert event.type == type(event).__struct_config__.tag
    assert type(event).__name__ in repr(event)
    with pytest.raises(AttributeError):
        event.seq = 1  # type: ignore[misc]


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
