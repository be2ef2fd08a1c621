from __future__ import annotations

import functools
from typing import Any

import pytest

from headwater.schema.context_parameter import takes_context


class Asking:
    def __call__(self, value: Any, who: Any) -> bool:
        return bool(value) and bool(who)

    def method(self, value: Any, limit: int = 3) -> bool:
        return bool(value) and limit > 0


def hinted(value: Any, who: Asking | None = None) -> bool:
    return bool(value) and who is not None


@pytest.mark.parametrize(
    ("function", "takes"),
    [
        (lambda value: None, False),
        (lambda value, who: None, True),
        (lambda value, limit=3: None, False),
        (lambda value, ctx=None: None, True),
        (lambda value, context=None: None, True),
        (lambda value, *, ctx=None: None, False),
        (lambda value, *more: None, True),
        (Asking(), True),
        (Asking().method, False),
        (functools.partial(lambda value, limit: None, limit=3), False),
        (hinted, True),
        (print, True),
    ],
)
def test_whether_it_takes_a_context(function: Any, takes: bool) -> None:
    assert takes_context(function, hint="Asking", variadic=True) is takes


def test_arguments_of_any_number_take_none_unless_that_is_said() -> None:
    assert not takes_context(lambda *values: None)
    assert not takes_context(hinted)


@pytest.mark.parametrize("function", [lambda: None, lambda a, b, c: None, lambda value, *, limit: None])
def test_what_cannot_be_called_either_way(function: Any) -> None:
    with pytest.raises(TypeError):
        takes_context(function)
