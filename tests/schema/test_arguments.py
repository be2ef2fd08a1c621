"""Values that say what to write instead of an argument that they do not have."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from headwater import MCP, Budget, File, Image, Price, Settings, Timeouts
from headwater.events.questions import Answer


def loose(kind: Any) -> Any:
    """The class, for calls that a type checker refuses."""
    return kind


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: loose(Timeouts)(total=3), "Timeouts has no argument total=. Write Timeouts(run=…), in seconds."),
        (lambda: loose(Timeouts)(tools=3), "Timeouts has no argument tools=. Did you mean tool=?"),
        (lambda: loose(Timeouts)(x=3), "Timeouts has no argument x=. The arguments are connect, first_token, idle, "),
        (lambda: loose(Timeouts)(3), "The arguments of Timeouts have names. Write Timeouts(run=…), in seconds."),
        (lambda: loose(Image)(path="x"), 'Image has no argument path=. Write Image(data=Path("name").read_bytes()).'),
        (lambda: loose(File)(path="x"), 'File has no argument path=. Write File(data=Path("name").read_bytes()).'),
        (lambda: loose(Answer)(approved=True), "Answer has no argument approved=. Write Answer(allowed=…)."),
        (lambda: loose(Budget)(token=5), "Budget has no argument token=. Write Budget(total_tokens=…), or Budget(out"),
        (lambda: loose(Budget)(output_token=5), "Budget has no argument output_token=. Did you mean output_tokens=?"),
        (lambda: loose(Budget)(5), "The arguments of Budget have names. Write Budget(cost=…), in dollars."),
        (lambda: loose(Price)(inptu=1, output=2), "Price has no argument inptu=. Did you mean input=?"),
        (lambda: loose(Price)(input=1), "Price.__init__() missing 1 required keyword-only argument: 'output'"),
        (lambda: loose(MCP)("x", inclde=["a"]), "MCP has no argument inclde=. Did you mean include=?"),
        (lambda: loose(MCP)(), "MCP.__init__() missing 1 required positional argument: 'target'"),
        (lambda: loose(Settings)(temprature=1), "Settings has no argument temprature=. Did you mean temperature=?"),
    ],
)
def test_an_unknown_argument_is_explained(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(TypeError) as caught:
        make()
    assert str(caught.value).startswith(said)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("kind", [Budget, MCP, Price, Timeouts])
def test_its_arguments_can_still_be_read(kind: Any) -> None:
    assert "args" not in inspect.signature(kind).parameters
    assert "self" not in inspect.signature(kind).parameters


def test_a_values_own_check_is_unchanged() -> None:
    with pytest.raises(TypeError, match="An Image needs either"):
        Image()


@pytest.mark.parametrize("value", [Timeouts(run=3), Image(data=b"\x89PNG"), File(id="f"), Answer(), Settings(seed=1)])
def test_a_value_is_copied_and_stored_as_any_struct(value: Any) -> None:
    assert copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == msgspec.structs.replace(value) == value
    assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value
