"""A line typed at the terminal, read while the loop goes on."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest

from headwater.agents.typed_line import forget_what_was_typed, in_thread, read_line
from tests.support.typing_person import at_terminal

posix = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")


@posix
def test_lines_are_read_one_by_one_while_the_loop_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> list[str | None]:
        reading = asyncio.ensure_future(read_line())
        await asyncio.sleep(0)
        assert not reading.done()
        person.type("one\nt\u00efde\n\x04")
        return [await reading, await read_line(), await read_line()]

    with at_terminal(monkeypatch) as person:
        assert asyncio.run(main()) == ["one", "t\u00efde", None]


@posix
def test_a_cancelled_read_consumes_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> str | None:
        reading = asyncio.ensure_future(read_line())
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        person.type("one\n")
        return await read_line()

    with at_terminal(monkeypatch) as person:
        assert asyncio.run(main()) == "one"


@posix
def test_what_was_typed_before_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> str | None:
        person.type("y\n")
        assert person.has_typed()
        forget_what_was_typed()
        reading = asyncio.ensure_future(read_line())
        await asyncio.sleep(0)
        person.type("n\n")
        return await reading

    with at_terminal(monkeypatch) as person:
        assert asyncio.run(main()) == "n"


@posix
def test_a_loop_that_cannot_watch_files_reads_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    class Loop(asyncio.SelectorEventLoop):
        def add_reader(self, *_: object) -> None:
            raise NotImplementedError

    with at_terminal(monkeypatch) as person, asyncio.Runner(loop_factory=Loop) as runner:
        person.type("one\n")
        assert runner.run(read_line()) == "one"


def test_reading_in_a_thread_does_not_stop_the_loop() -> None:
    async def main() -> str | None:
        go = threading.Event()

        def read() -> str | None:
            go.wait()
            return "Hi."

        reading = asyncio.ensure_future(in_thread(read))
        await asyncio.sleep(0)
        assert not reading.done()
        go.set()
        return await reading

    assert asyncio.run(main()) == "Hi."


def test_an_abandoned_reader_is_left_behind() -> None:
    go, earlier = threading.Event(), {*threading.enumerate()}

    def read() -> str | None:
        go.wait()
        return "Hi."

    async def main() -> None:
        reading = asyncio.ensure_future(in_thread(read))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(main())
    (left,) = [one for one in threading.enumerate() if one.name == "headwater-input" and one not in earlier]
    assert left.daemon
    go.set()
    left.join()
