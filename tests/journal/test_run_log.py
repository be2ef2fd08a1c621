"""The values of the protocol, and what comes with it for every store."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from headwater.errors import AlreadyAnswered
from headwater.events import RunFinished, RunStarted
from headwater.events.codec import encode
from headwater.journal.memory import MemoryLog
from headwater.journal.run_log import Batch, Closed, Conflict, Page, Request, Span, answer


def batch(*lines: bytes, first: int = 0) -> Batch:
    return Batch(run="run_1", first=first, lines=lines, by="w#1")


@pytest.mark.parametrize("lines", [(), (b"",), (b"{}", b""), (b"{}\n{}",), (b"{}\n", b"{}")])
def test_a_batch_is_whole_lines(lines: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="at least one event"):
        batch(*lines).data()
    assert batch(b"{}", b"[]", first=7).data() == b"{}\n[]"
    assert batch(b"{}", b"[]", first=7).end == 9


def test_a_page_numbers_its_events_and_knows_when_it_is_the_last() -> None:
    spans = (Span(0, (encode(RunStarted(seq=0)),)), Span(4, (encode(RunFinished(seq=4)),)))
    page = Page("run_1", spans, end=5, state="finished", after=4)
    assert [number for number, _ in page.lines()] == [0, 4]
    assert [event.seq for event in page.events()] == [0, 4]
    assert page.done
    assert not Page("run_1", spans, end=6, state="finished", after=4).done
    assert not Page("run_1", spans, end=5, state="waiting", after=4).done


def test_what_is_refused_is_raised_by_append_alone() -> None:
    async def main() -> None:
        log = MemoryLog()
        await log.create("run_1", Request(agent="a"))
        assert await log.append(batch(b"{}")) == 1
        with pytest.raises(Conflict) as conflict:
            await log.append(batch(b"{}", first=3))
        assert (conflict.value.end, conflict.value.by) == (1, "")
        await log.append(Batch(run="run_1", first=1, lines=(b"{}",), by="w#1", state="failed"))
        with pytest.raises(Closed, match="run_1 is failed"):
            await log.append(batch(b"{}", first=2))

    asyncio.run(main())


def test_the_first_answer_counts_and_the_second_gets_its_author() -> None:
    async def main() -> None:
        log = MemoryLog()
        await log.create("run_1", Request(agent="a"))
        body = {"approved": True, "by": "Ann"}
        first = await answer(log, "run_1", "q_1", body)
        assert await answer(log, "run_1", "q_1", body) == first
        with pytest.raises(AlreadyAnswered, match="by Ann") as raised:
            await answer(log, "run_1", "q_1", {"approved": False, "by": "Bob"})
        assert raised.value.by == "Ann"

    asyncio.run(main())


def test_the_repr_of_a_request_shows_its_body_up_to_a_limit() -> None:
    shown = repr(Request(agent="a", body=msgspec.Raw(b'{"input":"hi"}')))
    assert shown.startswith("""Request(agent='a', body='{"input":"hi"}', thread=None, queue='default'""")
    assert len(repr(Request(agent="a", body=msgspec.Raw(b'"' + b"x" * 10_000 + b'"')))) < 500
