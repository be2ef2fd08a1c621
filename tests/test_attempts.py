"""Asking for an answer: what becomes of an attempt that fails."""

from __future__ import annotations

from headwater import Agent
from headwater.errors import IncompleteStream
from headwater.events import AttemptFailed, Event, Retracted, TextDelta
from headwater.fold import fold
from headwater.grammar import check_log
from headwater.providers.base import Decoder, Place, Request
from tests.virtual import run_virtual


class _Held(Decoder):
    """Holds the end of what was said back until its input ends, as decoders do that look for a tag or a line's end."""

    def _feed(self, data: bytes) -> None:
        self.text(data.decode())

    def _finish(self) -> None:
        self.text("held")


class _Exchange:
    alive_at = 0.0

    def __init__(self, decoder: Decoder, data: bytes) -> None:
        self.decoder = decoder
        self._data = [data] if data else []

    async def pull(self) -> list[Event]:
        if self._data:
            return self.decoder.feed(self._data.pop())
        raise IncompleteStream("It broke.")

    def abort(self) -> None:
        pass

    def shut(self) -> None:
        pass


class _Broken:
    """Breaks off twice, then answers."""

    provider = api = model = "test"

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._asked = 0

    def open(self, request: Request, place: Place) -> _Exchange:
        self._asked += 1
        if self._asked <= 2:
            return _Exchange(_Held(place), self._data)
        decoder = Decoder(place)
        decoder.text("Whole.")
        decoder.complete = True
        return _Ended(decoder, b"")


class _Ended(_Exchange):
    async def pull(self) -> list[Event]:
        return self.decoder.finish()


def _log(data: bytes) -> list[Event]:
    agent = Agent(model=_Broken(data), retries=2, on_interrupted="restart")

    async def read() -> list[Event]:
        return [event async for event in agent.run_stream("Go.").events()]

    log, _ = run_virtual(read())
    check_log(log)
    return log


def test_words_held_back_until_the_end_are_taken_back_with_the_rest() -> None:
    log = _log(b"Some, ")
    assert [event.text for event in log if isinstance(event, TextDelta)] == [
        "Some, ",
        "held",
        "Some, ",
        "held",
        "Whole.",
    ]
    assert [event.chars for event in log if isinstance(event, Retracted)] == [10, 10]
    assert fold(log).response().transcript == "Whole."


def test_words_held_back_count_as_shown_where_they_are_the_only_ones() -> None:
    log = _log(b"")
    assert [event.chars for event in log if isinstance(event, Retracted)] == [4, 4]
    assert [event.then for event in log if isinstance(event, AttemptFailed)] == ["restart", "restart"]
    assert fold(log).response().transcript == "Whole."
