from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from headwater import Image
from headwater.adapters import Strings
from headwater.errors import ConfigurationError
from headwater.testing import check_log


async def echo(task: str) -> AsyncIterator[str]:
    for word in task.split():
        yield f"{word} "


def test_what_it_yields_is_the_answer() -> None:
    log = list(Strings(echo, model="llama", provider="local").run_stream("High water").events())
    check_log(log)
    response = Strings(echo, model="llama", provider="local").run("High water")
    assert (response, response.agent, response.model, response.provider) == ("High water ", "echo", "llama", "local")
    assert response.usage_origin == "unknown"


def test_an_empty_answer_is_an_answer() -> None:
    async def nothing(task: str) -> AsyncIterator[str]:
        words: tuple[str, ...] = ()
        for word in words:
            yield word

    response = Strings(nothing, name="quiet").run("Go.")
    assert (response, response.partial) == ("", False)


def test_a_second_argument_is_the_context() -> None:
    async def tell(task: str, context: Any) -> AsyncIterator[str]:
        yield f"{task} {context}"

    assert Strings(tell).run("for", context=7) == "for 7"


def test_a_coroutine_may_return_the_iterator() -> None:
    async def connect(task: str) -> AsyncIterator[str]:
        return echo(task)

    assert Strings(connect).run("High") == "High "


def test_an_iterator_without_aclose_will_do() -> None:
    class Pieces:
        def __init__(self, task: str) -> None:
            self.left = task.split()

        def __aiter__(self) -> Pieces:
            return self

        async def __anext__(self) -> str:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    assert Strings(Pieces).run("High water") == "Highwater"


def test_what_is_no_source_is_refused() -> None:
    iterator: Any = echo("once")
    with pytest.raises(ConfigurationError, match="not a function"):
        Strings(iterator)

    def words(task: str) -> Any:
        return task.split()

    with pytest.raises(ConfigurationError, match="not an async iterator"):
        Strings(words).run("High")

    async def numbers(task: str) -> AsyncIterator[Any]:
        yield 1

    with pytest.raises(ConfigurationError, match="not a string"):
        Strings(numbers).run("High")
    with pytest.raises(ConfigurationError, match="an image"):
        Strings(echo).run([Image(data=b"x")])
