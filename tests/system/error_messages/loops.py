"""Blocking calls in async code, async code outside an event loop, and misuse of streams."""

from __future__ import annotations

import asyncio
import gc
import json
import warnings
from typing import Any

from tests.system.error_messages.cases import Here, case, inside_a_loop, offline


@case("A run that is used before it was awaited")
def used(here: Here) -> None:
    """Write `answer = await agent.run(…)`."""

    async def main() -> None:
        answer = offline().run("Hello")
        try:
            print(answer.usage.output_tokens)
        finally:
            await answer

    inside_a_loop(main)


@case("A run that is printed, or used as text, before it was awaited")
def printed(here: Here) -> None:
    """Write `answer = await agent.run(…)`: inside an event loop `run` returns an awaitable. The same holds for
    `str`, format strings, `+`, `len`, `for` and `in`.
    """

    async def main() -> None:
        answer = offline().run("Hello")
        try:
            print("The answer:", answer)
        finally:
            await answer

    inside_a_loop(main)


@case("A run that is sent as JSON before it was awaited")
def as_json(here: Here) -> None:
    """Write `answer = await agent.run(…)`. A web server that returns the run itself fails in a similar way."""

    async def main() -> None:
        answer = offline().run("Hello")
        try:
            json.dumps({"type": "complete", "content": answer})
        finally:
            await answer

    inside_a_loop(main)


@case("A run that is joined with strings before it was awaited")
def joined(here: Here) -> None:
    """Write `answer = await agent.run(…)`."""

    async def main() -> None:
        answer = offline().run("Hello")
        try:
            print("\n".join(["The answer:", answer]))
        finally:
            await answer

    inside_a_loop(main)


@case("A run that is never awaited")
def dropped(here: Here) -> Any:
    """This is a warning: the run did not start, and nothing was sent. Write `await`, or create a task from it."""

    async def main() -> str:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            offline().run("Hello")
            gc.collect()
        assert len(caught) == 1
        return f"{caught[0].category.__name__}: {caught[0].message}"

    return inside_a_loop(main)


@case("A run that is awaited twice")
def awaited_twice(here: Here) -> None:
    """Store the Response and use it as often as you like; a run can be awaited once."""

    async def main() -> None:
        answer = offline().run("Hello")
        await answer
        await answer

    inside_a_loop(main)


@case("async for over run")
def async_for_over_run(here: Here) -> None:
    """`run` returns the whole answer; `run_stream` returns a stream."""

    async def main() -> None:
        answer: Any = offline().run("Hello")
        try:
            async for chunk in answer:
                print(chunk.content)
        finally:
            answer.close()

    inside_a_loop(main)


@case("A plain for in async code")
def plain_for(here: Here) -> None:
    """Put `async` before `for`."""

    async def main() -> None:
        for chunk in offline().run_stream("Hello"):
            print(chunk.content)

    inside_a_loop(main)


@case("run_sync in async code")
def run_sync(here: Here) -> None:
    """Write `await agent.run(…)`, or run it in a thread with `asyncio.to_thread`."""

    async def main() -> None:
        offline().run_sync("Hello")

    inside_a_loop(main)


@case("result_sync in async code")
def result_sync(here: Here) -> None:
    """Write `await stream.result()`."""

    async def main() -> None:
        offline().run_stream("Hello").result_sync()

    inside_a_loop(main)


@case("asyncio.run of run")
def asyncio_run(here: Here) -> None:
    """In sync code `run` blocks and returns the Response: remove `asyncio.run`, or pass
    `agent.arun(…)` to it.
    """
    answer: Any = offline(max_tokens=1).run("Hello")
    asyncio.run(answer)


@case("Async code without asyncio")
def no_loop(here: Here) -> None:
    """Async code needs asyncio (or uvloop). Under another library call `agent.run(…)` in a thread."""
    coroutine = offline().arun("Hello")
    try:
        coroutine.send(None)
    finally:
        coroutine.close()


@case("A stream that is read twice")
def read_twice(here: Here) -> None:
    """Store the chunks in a list while you read, or call `run_stream` again, which is a second run."""
    stream = offline().run_stream("Hello")
    for chunk in stream:
        print(chunk.content)
    for chunk in stream:
        print(chunk.content)


@case("The response before the end")
def too_early(here: Here) -> None:
    """`response` is available once the run has ended; `result()` waits for it."""
    stream = offline().run_stream("Hello")
    print(stream.response)


@case("The result while the stream is being read")
def in_between(here: Here) -> None:
    """Leave the loop first, or use the last chunk, which has the finish reason and the usage."""

    async def main() -> None:
        stream = offline().run_stream("Hello")
        async for _ in stream:
            await stream.result()

    inside_a_loop(main)
