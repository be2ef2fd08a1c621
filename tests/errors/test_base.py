from __future__ import annotations

import copy
import inspect
import pickle
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import errors
from headwater.errors import HeadwaterError
from headwater.errors.base import rebuilt
from headwater.events.response import Response
from tests.support.effort import tries

CLASSES: dict[str, type[HeadwaterError]] = {
    name: value for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, HeadwaterError)
}
BESIDES = {"message": "It broke.", "hint": "Mend it.", "response": Response("half", partial=True)}
"""Arguments that every error takes."""


def arguments_of(kind: type[HeadwaterError]) -> dict[str, Any]:
    """Every argument that the error takes, each with a value that is not its default."""
    values: dict[str, Any] = {
        "provider": "openai",
        "status": 429,
        "code": "rate_limit",
        "request_id": "req_1",
        "retry_after": 1.5,
        "clock": "idle",
        "seconds": 300.0,
        "limit": "max_steps",
        "size": 25,
        "ids": ("call_1",),
        "by": "ann",
        "action": "cancel",
        "log": (1, 2),
        "pending": (3,),
        "server": "files",
        "guard": "no_keys",
        "on": "input",
        "note": "It holds a key.",
        **BESIDES,
    }
    return {name: values[name] for name in inspect.signature(kind).parameters}


def documented_tree() -> dict[str, str]:
    """Parent by child, as drawn in the module's docstring."""
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^(?P<rails>[ │]*)(?:[├└]── )?(?P<names>[A-Z]\w+(?:, [A-Z]\w+)*)(?=  |$)", line)
        if match is None:
            continue
        depth = line.index(match["names"])
        above = [(at, name) for at, name in above if at < depth]
        names = match["names"].split(", ")
        for name in names:
            if above:
                parents[name] = above[-1][1]
        above.append((depth, names[0]))
    return parents


def test_the_documented_tree_matches_the_classes() -> None:
    built = {name: kind.__bases__[0].__name__ for name, kind in CLASSES.items() if kind is not HeadwaterError}
    assert documented_tree() == built


def test_the_documented_tree_says_what_is_retryable() -> None:
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"[ │]*[├└]── ([A-Z]\w+(?:, [A-Z]\w+)*)  ", line)
        if match:
            for name in match[1].split(", "):
                assert CLASSES[name].retryable == (" retryable" in line), name


def test_all_is_complete() -> None:
    assert set(errors.__all__) == set(CLASSES)
    assert list(errors.__all__) == sorted(errors.__all__)


def test_every_error_has_a_docstring_and_one_parent() -> None:
    for kind in CLASSES.values():
        assert kind.__doc__
        assert len(kind.__bases__) == 1


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES.keys())
def test_an_error_says_what_happened_and_what_to_do(kind: type[HeadwaterError]) -> None:
    error = kind("It broke.", hint="Mend it.")
    assert str(error) == "It broke. Mend it."
    assert str(kind("It broke.")) == "It broke."
    assert (error.message, error.hint, error.response) == ("It broke.", "Mend it.", None)
    assert kind.__name__ in repr(error)
    assert isinstance(error, Exception)


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES.keys())
def test_pickling_keeps_every_attribute(kind: type[HeadwaterError]) -> None:
    given = arguments_of(kind)
    error = kind(**given)
    error.run_id = "r"  # type: ignore[attr-defined]  # an attribute set by a caller
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is kind
        assert again.__dict__ == error.__dict__
        assert {name: getattr(again, name) for name in given} == given
        assert (str(again), again.args, again.retryable) == (str(error), error.args, error.retryable)
        assert again.response.partial


@given(message=st.text(), hint=st.text())
@settings(max_examples=tries(12, 50), deadline=None)
def test_pickling_keeps_any_message(message: str, hint: str) -> None:
    error = HeadwaterError(message, hint=hint)
    again = pickle.loads(pickle.dumps(error))
    assert (again.message, again.hint) == (message, hint)
    assert str(error).startswith(message)
    assert str(error).endswith(hint)


def test_the_hint_after_a_list_is_a_line_of_its_own() -> None:
    assert str(HeadwaterError("It is late.", hint="Wait.")) == "It is late. Wait."
    assert str(HeadwaterError("It does not fit:\n- a: wrong", hint="Wait.")) == "It does not fit:\n- a: wrong\nWait."


def test_a_traceback_shows_the_name_that_users_import() -> None:
    for kind in CLASSES.values():
        assert kind.__module__ == "headwater.errors"
        assert getattr(errors, kind.__name__) is kind


def test_an_error_is_rebuilt_without_its_constructor() -> None:
    error = rebuilt(errors.RateLimited, {"message": "Slow down.", "hint": "", "retry_after": 2.0})
    assert isinstance(error, errors.RateLimited)
    assert (str(error), error.retry_after, error.args) == ("Slow down.", 2.0, ("Slow down.",))
