"""A run that is played from its file is the live one, in whatever shape it is read, and for all who watch it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from headwater import AgentStream, RunFile
from headwater.errors import HeadwaterError
from headwater.events import Event
from headwater.readers.callbacks import token_watcher
from headwater.runtime.context import CallbackErrors
from headwater.testing import sample_logs
from tests.support.effort import tries
from tests.support.late import late_stream
from tests.support.virtual import run_virtual
from tests.system.invariants.late_reader import known, on_a_pipe
from tests.system.resume.people import Attending
from tests.system.resume.scenarios import SCENARIOS

SHAPES: Final[Mapping[str, Callable[[AgentStream[Any, Any]], Any]]] = {
    "chunks": lambda stream: stream,
    "events": lambda stream: stream.events(),
    "text": lambda stream: stream.text(),
    "the answer": lambda stream: stream.select(final_only=True),
    "its events": lambda stream: stream.events(final_only=True),
    "the outermost": lambda stream: stream.select(depth=0),
    "the members": lambda stream: stream.select(depth=1),
    "one of them": lambda stream: stream.select(agent=("one", "asker", "left", "plain")),
}


def _plain(item: Any) -> Any:
    """What was handed out, without what is another object each time."""
    if isinstance(item, (str, Event)):
        return item
    return item.agent, item.content, item.finish_reason, item.is_final, item.metadata, item.event


class Faces:
    """All that is seen of a run: what its reader is handed, what callbacks are told, what printers write."""

    def __init__(self, stream: AgentStream[Any, Any], shape: str, people: Attending | None = None) -> None:
        self.stream = stream
        self.read: list[Any] = []
        self.told: list[Any] = []
        self.error = ""
        self.printed: dict[str, str] = {}
        self._shape = shape
        self._people = people

    async def look(self) -> tuple[Any, ...]:
        """Read it to its end; what was seen, to be compared."""
        run, log = self.stream._begun(), list[Event]()
        printers, written = on_a_pipe()
        for printer in printers:
            run.watch(printer)
        for details in (False, True):
            for takes_back in (None, lambda agent, chars: self.told.append((agent, chars))):
                hear, errors = self._ear(details), CallbackErrors()
                run.watch(token_watcher(hear, run, errors, details=details, on_retract=takes_back))

        def attend(event: Event) -> None:
            log.append(event)
            if self._people is not None:
                self._people(self.stream, log)

        run.watch(attend)
        try:
            async for item in SHAPES[self._shape](self.stream):
                self.read.append(_plain(item))
        except HeadwaterError as error:
            self.error = f"{type(error).__name__}: {error}"
        return self.read, self.told, written(), self.error, known(self.stream.response)

    def _ear(self, details: bool) -> Callable[..., None]:
        if details:
            return lambda detail: self.told.append(detail)
        return lambda agent, token, is_final: self.told.append((agent, token, is_final))


@pytest.mark.long
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_reader_shows_the_same(name: str, tmp_path: Path) -> None:
    scenario, number = SCENARIOS[name], [*SCENARIOS].index(name)
    shapes = [*SHAPES] * 2

    async def main(shape: str) -> None:
        path = tmp_path / f"{shape}.jsonl.gz"
        live = await Faces(scenario.make().run_stream("go", save=path), shape, scenario.people()).look()
        again = await Faces(RunFile(path).play(speed=0), shape).look()
        for one, other in zip(live, again, strict=True):
            assert other == one

    first = number % len(SHAPES)
    for shape in shapes[first : first + tries(2, len(SHAPES))]:
        run_virtual(main(shape))


@pytest.mark.parametrize("name", [name for name, log in sample_logs().items() if log[0].type == "run.started"])
def test_so_is_every_sample_as_a_late_reader_sees_it(name: str) -> None:
    from headwater.runtime.played import Played

    log = sample_logs()[name]

    async def main(shape: str) -> None:
        read: list[list[Any]] = []
        for stream in (late_stream(log), AgentStream[Any](lambda: Played(log, speed=0))):
            items: list[Any] = []
            try:
                async for item in SHAPES[shape](stream):
                    items += (_plain(item),)
            except HeadwaterError:
                assert log[-1].type != "run.finished"
            read.append(items)
        assert read[0] == read[1]

    for shape in SHAPES:
        run_virtual(main(shape))
