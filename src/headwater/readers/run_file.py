"""A run as a file: its log, one event per line, written while the run happens, and read, replayed and forked later.

    agent.run("Explain tides", save="tides.jsonl.gz")
    file = RunFile("tides.jsonl.gz")
    for chunk in file.play():
        print(chunk.content, end="")

Owns the file: its path, when it is written, and its permissions. `events.saved` owns its content.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from headwater.backends.private_file import new_private
from headwater.errors import ConfigurationError, InvalidRecord, RunBusy
from headwater.events import (
    CallDelta,
    End,
    Event,
    ReasoningDelta,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    TextDelta,
    ToolProgress,
    tree_response,
)
from headwater.events.saved import SUFFIXES, first_line, line, read_saved
from headwater.readers.file_lock import Locked, held, lock
from headwater.version import __version__

if TYPE_CHECKING:
    from headwater.events.questions import Question
    from headwater.events.response import Response
    from headwater.events.results import Results
    from headwater.readers.stream import AgentStream
    from headwater.runtime.run import Run

__all__ = ("RunFile", "RunWriter", "run_files")

MAX_SPEED: Final = 1e9
"""The highest speed of a replay: a year of waiting in 30 milliseconds."""

_SMALL: Final = (TextDelta, ReasoningDelta, CallDelta, ToolProgress)
"""Events that are not flushed on their own: they are frequent, and the next other event flushes them."""


class RunWriter:
    """Writes a run's events to a private file as they are appended; the file of a run that has ended is replaced.

    `path` ends with .jsonl or .jsonl.gz, or is a folder for one file per run. The file is readable up to the last
    written event, even if the process dies. `before` are the events of a resumed run: the file replaces another one,
    such as the one that is resumed, only once it holds them all. Raises ConfigurationError if it cannot be written,
    or if the file holds another run that can be resumed, or no run at all, and RunBusy if somebody else writes it, or
    has written more of the same run; that is checked before the run starts.
    """

    def __init__(self, path: str | os.PathLike[str], run: str, before: Iterable[Event] = ()) -> None:
        self.path: Path = _place(path, run)
        self._packer = zlib.compressobj(wbits=31) if self.path.suffix == ".gz" else None
        log = tuple(before)
        beginning = first_line(by=f"headwater {__version__}", saved=time.time()) + b"".join(map(line, log))
        self._file: BinaryIO | None = _begun(self.path, self._packed(beginning, press=True), run, log)

    @classmethod
    def attach(cls, path: str | os.PathLike[str], run: Run) -> None:
        """Writes the log of `run`, which has not started yet, to the file. Raises ConfigurationError."""
        writer = cls(path, run.id, run.record.events if run.record is not None else ())
        if run.over:  # its log has its end
            writer.close()
            return
        run.watch(writer)
        run.at_end = (*run.at_end, writer.close)

    def __call__(self, event: Event) -> None:
        """Writes the next event."""
        self._put(line(event), press=not isinstance(event, _SMALL))

    def _put(self, data: bytes, *, press: bool) -> None:
        if self._file is None:
            return
        self._file.write(self._packed(data, press=press))
        if press:
            self._file.flush()

    def _packed(self, data: bytes, *, press: bool) -> bytes:
        if self._packer is None:
            return data
        return self._packer.compress(data) + (self._packer.flush(zlib.Z_SYNC_FLUSH) if press else b"")

    def close(self) -> None:
        """Closes the file; the run has ended or was parked."""
        file, self._file = self._file, None
        if file is not None:
            if self._packer is not None:
                file.write(self._packer.flush())
            file.close()


class RunFile:
    """A saved run. `path` is a file of `save=`, plain or gzip; `cut` says that its last line is incomplete.

    Raises InvalidRecord if it is not such a file, OSError if it cannot be read (FileNotFoundError if there is none),
    and ConfigurationError if it is not a path.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            self.path: Path = Path(path)
            data = self.path.read_bytes()
        except (TypeError, ValueError) as error:  # ValueError: a null byte in the name
            raise ConfigurationError(
                f"{path!r} is not a path: {error}.", hint='Pass the path of a saved run: RunFile("run.jsonl.gz").'
            ) from None
        self.events: tuple[Event, ...]
        self.cut: bool
        self.events, self.cut = read_saved(data, str(self.path))
        """The log, as far as it was written."""

    @classmethod
    def of_log(cls, events: Iterable[Event]) -> RunFile:
        """A run whose log is not in a file, such as one of a journal. `path` is where `save=` would put it.

        Raises InvalidRecord if the log does not begin with the start of a run.
        """
        file = cls.__new__(cls)
        file.events, file.cut = tuple(events), False
        if not file.events or not isinstance(file.events[0], RunStarted):
            raise InvalidRecord("The log does not begin with run.started.", hint="Pass the whole log of a run.")
        file.path = Path(f"{file.run_id}.jsonl.gz")
        return file

    def __repr__(self) -> str:
        return f"RunFile({str(self.path)!r}, {len(self.events)} events of {self.started.agent_name!r})"

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    @property
    def started(self) -> RunStarted:
        """The first event."""
        first = self.events[0]
        assert isinstance(first, RunStarted)
        return first

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.started.run

    @property
    def end(self) -> RunFinished | RunFailed | RunCancelled | None:
        """The event that ended the run; None if the run waits or was interrupted, so that it can be resumed."""
        ends = (event for event in reversed(self.events) if event.run == self.run_id and isinstance(event, End))
        return next(ends, None)

    @property
    def pending(self) -> tuple[Question, ...]:
        """The open questions of the whole tree, in the order in which they were asked; empty if the run has ended.

        Raises InvalidRecord if the log was written by headwater 0.1.
        """
        from headwater.runtime.past import past_of

        return past_of(self.events).pending if self.end is None else ()

    @property
    def response(self) -> Response[Any] | Results:
        """The run's result, or the partial one at the end of the file. Raises InvalidRecord if the log is damaged."""
        try:
            return tree_response(self.events)
        except InvalidRecord as error:
            raise InvalidRecord(f"{self.path} is damaged. {error.message}", hint=error.hint) from None

    def play(self, speed: float = 1.0) -> AgentStream[Any]:
        """Replays the run as a stream: the same events at their times, `speed` times faster; 0 means without waiting.

        No request is sent and no tool runs. Raises the error that ended the run; Parked if the file has no end.
        """
        from headwater.readers.stream import AgentStream
        from headwater.runtime.played import Played

        if isinstance(speed, bool) or not isinstance(speed, (int, float)) or not 0 <= speed <= MAX_SPEED:
            raise ConfigurationError(
                f"speed must be from 0 to {MAX_SPEED:g}, not {speed!r}.",
                hint="Use 0 for no waiting, 1 for the original times, 2 for twice as fast.",
            )
        return AgentStream(lambda: Played(self.events, speed=speed))

    def resume(self, agent: Any, **options: Any) -> AgentStream[Any]:
        """Continues the run with `agent`, the agent or workflow that it was started with, and writes to this file.

        `options` are those of the agent's `resume`, such as `approvals={id: True}` and `answers={id: value}`; pass
        another path as `save=` to keep this file as it is. Raises what the agent's `resume` raises, and RunBusy if
        somebody else continues the run.
        """
        _check_agent(agent, "resume")
        stream: AgentStream[Any] = agent.resume(self.events, **{"save": self.path, **options})
        return stream

    def fork(
        self,
        agent: Any,
        *,
        step: int | None = None,
        at: int | None = None,
        run: tuple[str, ...] | None = None,
        message: str | None = None,
        **options: Any,
    ) -> AgentStream[Any]:
        """Continues from the middle with `agent`, an agent or a workflow: the log so far under new ids, then live.

        `step` is the last step to copy, of the outermost run or of the run with the path `run`; `at` is the number of
        the last event instead. Without either, everything is copied. `message` is the next message to the model. The
        fork asks about tools that had started and not ended. `options` are those of `resume`.

        Raises ConfigurationError if there is no such step or event, or if the copied part includes the end of the run,
        so that no model would read the message.
        """
        from headwater.events.forked import end_of_step, forked

        _check_agent(agent, "fork")
        if at is not None:
            self._check_event(at, step)
        if run is not None and step is None:
            raise ConfigurationError(
                "run= selects the run whose step is meant, but there is no step=.",
                hint="Pass step= too; at= counts the events of all runs.",
            )
        if step is not None:
            path = _path_of(run) or self.started.path
            at = None if isinstance(step, bool) else end_of_step(self.events, step, path)
            if at is None:
                raise ConfigurationError(
                    f"{'/'.join(path)} has no finished step {step!r} here.",
                    hint="headwater runs show FILE lists them.",
                )
        taken = self.events if at is None else self.events[: at + 1]
        if message is not None and any(isinstance(event, End) and event.run == self.run_id for event in taken):
            raise ConfigurationError(
                "The copied part includes the end of the run, so no model would read the message.",
                hint="Pass step=, the last step to copy.",
            )
        log = forked(taken, agent.name, lambda: f"run_{os.urandom(9).hex()}")
        stream: AgentStream[Any] = agent.resume(log, **{"on_changed": "warn", **options})
        if message is not None:
            stream.steer(message)
        return stream

    def _check_event(self, at: Any, step: int | None) -> None:
        last = len(self.events) - 1
        if step is not None:
            raise ConfigurationError(
                "step= and at= both say where to fork.", hint="Pass step=, or at= for a place inside a step."
            )
        if isinstance(at, bool) or not isinstance(at, int) or not 0 <= at <= last:
            raise ConfigurationError(
                f"There is no event {at!r} in {str(self.path)!r}.", hint=f"at= is an event's seq: 0 to {last}."
            )


def _path_of(run: Any) -> tuple[str, ...]:
    path = (run,) if isinstance(run, str) else run or ()
    if not isinstance(path, (tuple, list)) or not all(isinstance(name, str) for name in path):
        raise ConfigurationError(
            f"run= is {run!r}.",
            hint='Pass the path of a run: the names from the outermost run, such as ("lead", "ann").',
        )
    return tuple(path)


def run_files(places: Iterator[str | os.PathLike[str]]) -> Iterator[Path]:
    """Returns the run files at these paths; for a folder, those in it, by name."""
    for place in map(Path, places):
        if place.is_dir():
            yield from sorted(one for one in place.iterdir() if one.name.endswith(SUFFIXES))
        else:
            yield place


def _check_agent(agent: Any, method: str) -> None:
    if not (callable(getattr(agent, "resume", None)) and isinstance(getattr(agent, "name", None), str)):
        raise ConfigurationError(
            f"{type(agent).__name__} cannot continue a run.", hint=f"Pass an agent or a workflow: file.{method}(agent)."
        )


def _begun(path: Path, beginning: bytes, run: str, before: Sequence[Event]) -> BinaryIO:
    """Returns the new file at `path`, locked; nobody else has written it meanwhile. Raises as `RunWriter` does."""
    _make_folder(path)
    while True:
        try:
            with held(path) as there:
                if there:
                    _check_replaceable(path, run, before)
                return new_private(path, beginning, lock=lock, replace=there or os.path.lexists(path))
        except FileExistsError:
            continue  # somebody else was first: look at what they write
        except Locked:
            raise RunBusy(
                f"{str(path)!r} is being written by a run.", hint="Wait until that run ends, or pass another path."
            ) from None
        except (OSError, ValueError) as error:  # ValueError: a null byte in the name
            raise _unwritable(path, error) from error


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error


def _check_replaceable(path: Path, run: str, before: Sequence[Event]) -> None:
    """Raises ConfigurationError if the file at `path` contains something that cannot be recovered, and RunBusy if it
    holds more of the run than `before`."""
    try:
        if not path.stat().st_size:
            return
        file = RunFile(path)
    except InvalidRecord:
        raise ConfigurationError(
            f"{str(path)!r} exists and is not a saved run, so it is not replaced.",
            hint="Save the run to another file.",
        ) from None
    if before and file.run_id == run and len(file.events) > len(before):
        raise RunBusy(
            f"{str(path)!r} holds {len(file.events)} events of the run, but {len(before)} are continued: somebody else "
            "has continued it.",
            hint="Read the file again: RunFile(path).resume(agent), or save to another file.",
        )
    if file.end is None and file.run_id != run:
        raise ConfigurationError(
            f"{str(path)!r} holds a run that can be resumed, so it is not replaced: {file.run_id}.",
            hint="Resume that run or delete its file, or save this run to another file.",
        )


def _place(given: str | os.PathLike[str], run: str) -> Path:
    try:
        path = Path(given)
        folder = path.is_dir()
    except (OSError, TypeError) as error:
        raise _unwritable(given, error) from error
    if folder or str(path).endswith(os.sep) or path.suffix == "":
        return path / f"{run}.jsonl.gz"
    if not path.name.endswith(SUFFIXES):
        raise ConfigurationError(
            f"save={str(path)!r} is not a valid file name for a run.",
            hint="It must end with .jsonl or .jsonl.gz, or be a folder.",
        )
    return path


def _unwritable(path: object, error: Exception) -> ConfigurationError:
    given = str(path) if isinstance(path, os.PathLike) else path
    why = error.strerror if isinstance(error, OSError) else str(error)
    return ConfigurationError(
        f"Cannot save the run to {given!r}: {why}.", hint="Pass the path of a writable file, or of a folder."
    )
