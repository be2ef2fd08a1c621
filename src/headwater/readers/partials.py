"""An answer's data while it is generated: `partials()`, `items()` and `arguments()` of a stream.

Owns which text of the log is the answer: the last step with any, of the run that answers. It is derived from the log
alone, so a saved run and a remote one show the same as a live one. `schema` reads the JSON. With `early=True` it tells
the run that its answer cannot be valid; the run decides what follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from headwater.errors import ConfigurationError, ItemsRestarted
from headwater.events import (
    AttemptStarted,
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    Event,
    Retracted,
    StepFinished,
    StepStarted,
    TextDelta,
    TextStarted,
)
from headwater.events.tree import Tree
from headwater.runtime.unfinished_answer import ends_read, only_job_of, output_type_of, refuse_answer
from headwater.schema.json_in_text import JSONInText
from headwater.schema.plain import to_json
from headwater.schema.problems import ValidationFailed

if TYPE_CHECKING:
    from headwater.runtime.run import Run
    from headwater.schema.growing_json import GrowingJSON, Path
    from headwater.schema.output import OutputType
    from headwater.schema.parts import Parts

__all__ = (
    "Partial",
    "PartialArguments",
    "as_arguments",
    "as_items",
    "as_partials",
    "path_of",
    "restarts_of",
    "type_of",
)

Restarts: TypeAlias = Literal["raise", "again"]
"""What `items` does if the answer starts again."""


class Partial:
    """The data of an answer so far.

    `done` has the paths of the values that were completed since the last Partial, innermost first, () for the whole
    answer. `appended` is what was added to the string that is open now, and `path` its place; when it is completed, its
    path is in `done`. `restarted` says that what came before is not the answer: the request was repeated, text was
    retracted, an invalid answer was sent back, or the run took another step. Everything starts again then.
    """

    __slots__ = ("_document", "_inner", "_settled", "appended", "done", "path", "restarted")

    def __init__(self, json: JSONInText | None, done: tuple[Path, ...], appended: str, restarted: bool) -> None:
        self._document: GrowingJSON | None = json.document if json is not None else None
        self._inner = json is not None and json.inner
        self._settled: Any = json.settled if json is not None else None
        if json is not None and json.inner is None:
            self._document = None
        self.done: tuple[Path, ...] = done
        self.appended: str = appended
        self.path: Path = json.open_path if json is not None and appended else ()
        self.restarted: bool = restarted

    @property
    def value(self) -> Any:
        """Plain data: dicts, lists, strings, numbers, booleans; None if there is none yet.

        It is live: it grows with the stream, so copy what you keep. An open string is in it as far as it goes.
        """
        if self._document is None:
            return self._settled
        return self._document.value["result"] if self._inner else self._document.value

    def __repr__(self) -> str:
        said = f", appended={self.appended!r}" if self.appended else ""
        return f"{type(self).__name__}({self.value!r}, done={self.done}{said}{', restarted' if self.restarted else ''})"


class PartialArguments(Partial):
    """The arguments of a call so far: a Partial with the `call`'s key, the `name` of its tool, and the `agent`'s."""

    __slots__ = ("agent", "call", "name")

    def __init__(
        self, started: CallStarted, json: JSONInText | None, done: tuple[Path, ...], appended: str, restarted: bool
    ) -> None:
        super().__init__(json, done, appended, restarted)
        self.call: str = started.call
        self.name: str = started.name
        self.agent: str = started.agent


# --- which text is the answer


class _Answer:
    """The text of the answer, in `json`: call it with every event of the log."""

    def __init__(self, run: Run, agent: str | None, output: OutputType[Any] | None) -> None:
        self._run = run
        self._agent = agent
        self._given = output
        self._tree = Tree()
        self.run = ""
        """The run that answers."""
        self.step = self.attempt = 0
        self.speaker = ""
        """The name of the agent whose answer it is."""
        self.call = ""
        """The call that gives the answer, if one does."""
        self._part = -1
        """The part of text that is being written."""
        self._attempts: dict[str, int] = {}
        self.output = output
        """The type of the answer, if it is known."""
        self.json = JSONInText(_wrapped(output))
        self.showed = False
        """Whether the reader got anything of it."""
        self.restarted = False
        """Whether that was dropped."""
        past = run.record.events if run.record is not None else ()
        for event in past:
            self(event)
        if past:
            self._begin_anew()
            self.showed = self.restarted = False
        if run.resets:
            self.restarted = True

    def __call__(self, event: Event) -> None:
        """Reads the next event."""
        if event.__class__ is TextDelta:
            if event.part == self._part and event.step == self.step and event.run == self.run:
                self.json.feed(event.text)
            return
        if event.__class__ is not CallDelta:
            self._tree.add(event)
        if handler := _HANDLERS.get(event.__class__):
            handler(self, event)

    def _begin_anew(self) -> None:
        self.restarted = self.restarted or self.showed
        self.showed = False
        self.json = JSONInText(_wrapped(self.output))
        self._part, self.call = -1, ""

    def _chosen(self, event: Event) -> bool:
        """Whether the run's text counts."""
        if self._agent is not None:
            return event.agent == self._agent
        return event.run in self._tree.speakers

    def _follow(self, event: TextStarted | CallStarted) -> None:
        """The answer is in this step of this run."""
        if event.run == self.run and event.step == self.step:
            return
        if event.run != self.run:
            self.output = self._given or output_type_of(self._run, event.run)
        self._begin_anew()
        self.run, self.step, self.speaker = event.run, event.step, event.agent
        self.attempt = self._attempts.get(event.run, 0)

    def _text_started(self, event: TextStarted) -> None:
        if event.kind != "answer" or not self._chosen(event):
            return
        self._follow(event)
        if not self.call:
            self._part = event.part

    def _call_started(self, event: CallStarted) -> None:
        node = self._tree.nodes.get(event.run)
        if node is None or not node.answer_tool or event.name != node.answer_tool or not self._chosen(event):
            return
        self._follow(event)
        if not self.call:  # the first call counts
            self._begin_anew()
            self.call = event.call

    def _call_delta(self, event: CallDelta) -> None:
        if self._is_answer(event):
            self.json.feed(event.json)

    def _call_ready(self, event: CallReady) -> None:
        if self._is_answer(event):
            if self.json.document is None:  # its API sends arguments whole
                self.json.feed(to_json(event.arguments))
            self.json.end()

    def _call_rejected(self, event: CallRejected) -> None:
        if self._is_answer(event):
            self.json.end()

    def _is_answer(self, event: CallDelta | CallReady | CallRejected) -> bool:
        return event.call == self.call and event.run == self.run

    def _attempt_started(self, event: AttemptStarted) -> None:
        self._attempts[event.run] = event.attempt
        self._dropped(event)

    def _dropped(self, event: AttemptStarted | Retracted | StepStarted) -> None:
        """What the run wrote so far is not the answer, or not any more."""
        if event.run == self.run:
            self._begin_anew()
            self.run = ""

    def _step_finished(self, event: StepFinished) -> None:
        if event.run == self.run and event.step == self.step:
            self._part = -1
            if not self.call:
                self.json.end()

    def take(self) -> tuple[list[Path], str, bool]:
        """See `JSONInText.take`; the caller resets `restarted`."""
        json = self.json
        done, appended, grew = json.take()
        if json.restarted:
            json.restarted = False
            self.restarted = True
        if done or appended or grew:
            self.showed = True
        return done, appended, grew


_HANDLERS: Final[dict[type[Event], Callable[[_Answer, Any], None]]] = {
    TextStarted: _Answer._text_started,
    CallStarted: _Answer._call_started,
    CallDelta: _Answer._call_delta,
    CallReady: _Answer._call_ready,
    CallRejected: _Answer._call_rejected,
    AttemptStarted: _Answer._attempt_started,
    Retracted: _Answer._dropped,
    StepStarted: _Answer._dropped,
    StepFinished: _Answer._step_finished,
}


def _wrapped(output: OutputType[Any] | None) -> bool | None:
    return None if output is None else output.wrapped


# --- the shapes


def as_partials(
    run: Run, *, agent: str | None = None, early: bool = False, output: OutputType[Any] | None = None
) -> Callable[[Event], Partial | None]:
    """One Partial a read that brought anything. Raises ConfigurationError."""
    _known_type(run, agent, output)
    answer = _Answer(run, agent, output)
    early_check = _Early(run, answer) if early else None

    def project(event: Event) -> Partial | None:
        answer(event)
        if not ends_read(run, event):
            return None
        done, appended, grew = answer.take()
        if not (done or appended or grew or answer.restarted):
            return None
        if early_check is not None:
            early_check(done)
        partial = Partial(answer.json, tuple(done), appended, answer.restarted)
        answer.restarted = False
        return partial

    return project


def as_items(
    run: Run,
    *,
    path: Path = (),
    restarts: Restarts = "raise",
    agent: str | None = None,
    early: bool = False,
    output: OutputType[Any] | None = None,
) -> Callable[[Event], list[Any] | None]:
    """The elements of the list at `path`, validated. Raises ConfigurationError, ItemsRestarted."""
    if (known := _known_type(run, agent, output)) is not None:
        from headwater.schema.list_path import prove_list

        prove_list(known, path)
    items = _Items(run, _Answer(run, agent, output), path, restarts, early=early)

    def project(event: Event) -> list[Any] | None:
        items.answer(event)
        return items.next() if ends_read(run, event) else None

    return project


def _known_type(run: Run, agent: str | None, given: OutputType[Any] | None) -> OutputType[Any] | None:
    """The type of the answer if it is certain before the run. Raises ConfigurationError if the answer is text."""
    if given is not None or (job := only_job_of(run, agent)) is None:
        return given
    if job.output is None:
        raise ConfigurationError(
            f"The answer of {run.name!r} is text: the agent has no output_type.",
            hint="Give the agent an output_type, or pass one here if its text is JSON.",
        )
    return job.output.type


class _Items:
    """Yields the elements of a list as they are completed."""

    def __init__(self, run: Run, answer: _Answer, path: Path, restarts: Restarts, *, early: bool) -> None:
        self.answer = answer
        self._path = path
        self._again = restarts == "again"
        self._early = _Early(run, answer) if early else None
        self._check = _Check(answer)
        self._yielded = 0
        """Number of elements of this answer that were yielded."""
        self._speaker: str | None = None
        """The agent whose elements they are."""
        if run.resets and not self._again:
            raise ItemsRestarted(
                "The log of the run starts again: its journal was restored, or has dropped what was being read.",
                hint='With restarts="again" all items are yielded again.',
            )
        self._invalid = False
        """Whether an element is invalid: so is the answer, and no more of it is yielded."""

    def next(self) -> list[Any] | None:
        """Returns the new elements. Raises ItemsRestarted."""
        answer = self.answer
        done, _, _ = answer.take()
        if answer.restarted:
            answer.restarted = self._invalid = False
            if self._yielded and not self._again:
                raise _restarted(self._yielded, self._speaker, answer.speaker)
            self._yielded = 0
        if self._early is not None and done:
            self._early(done)
        size = len(self._path)
        found: list[Any] = []
        for path in done:
            if len(path) == size + 1 and isinstance(path[-1], int) and path[:size] == self._path and not self._invalid:
                try:
                    found.append(self._check(path))
                except ValidationFailed:
                    self._invalid = True
        if found:
            self._yielded += len(found)
            self._speaker = answer.speaker
        return found or None


def _restarted(yielded: int, before: str | None, now: str | None) -> ItemsRestarted:
    if before != now:
        return ItemsRestarted(
            f"Another agent answers, {now!r}, after {yielded} items of {before!r} had been yielded.",
            hint=f'For the items of one agent alone pass agent="{before}"; '
            'with restarts="again" those of each are yielded.',
        )
    return ItemsRestarted(
        f"The answer started again after {yielded} of its items had been yielded.",
        hint='With restarts="again" all items are yielded again; partials() says when that happens.',
    )


class _Check:
    """Validates parts of the answer."""

    def __init__(self, answer: _Answer) -> None:
        self._answer = answer
        self._output: OutputType[Any] | None = None
        self._parts: Parts | None = None

    @property
    def parts(self) -> Parts | None:
        """The types of the parts; None if the type of the answer is not known."""
        output = self._answer.output
        if output is not self._output:
            from headwater.schema.parts import Parts

            self._output, self._parts = output, None if output is None else Parts(output)
        return self._parts

    def __call__(self, path: Path) -> Any:
        """Returns a completed part as a value of its type. Raises ValidationFailed."""
        value = self._answer.json.value
        for key in path:
            value = value[key]
        parts = self.parts
        if parts is None or not parts.knows(path):
            return value
        return parts.convert(path, value)


class _Early:
    """Tells the run as soon as a completed part cannot be valid."""

    def __init__(self, run: Run, answer: _Answer) -> None:
        self._run = run
        self._answer = answer
        self._check = _Check(answer)

    def __call__(self, done: list[Path]) -> None:
        answer = self._answer
        for path in done:
            try:
                if path:  # the whole answer is validated by the run
                    self._check(path)
            except ValidationFailed as failed:
                refuse_answer(self._run, answer.run, answer.step, answer.attempt, str(failed))
                return


# --- arguments of calls


def as_arguments(run: Run, *, agent: str | None = None) -> Callable[[Event], list[PartialArguments] | None]:
    """The arguments of the calls while they are written, at most one a read and call."""
    calls = _Calls(agent)

    def project(event: Event) -> list[PartialArguments] | None:
        calls(event)
        return [*calls.news()] or None if ends_read(run, event) else None

    for event in run.record.events if run.record is not None else ():
        calls(event)
        calls.forget()
    return project


class _Calls:
    """The calls that are being written, in the whole tree; not those that give an answer."""

    def __init__(self, agent: str | None) -> None:
        self._agent = agent
        self._tree = Tree()
        self._open: dict[tuple[str, str], tuple[CallStarted, JSONInText]] = {}
        self._shown: set[tuple[str, str]] = set()
        self._dropped: list[CallStarted] = []
        self._finished: dict[tuple[str, str], tuple[CallStarted, JSONInText]] = {}
        """Those whose step has ended, so that they cannot be retracted, as long as there may be news of them."""

    def __call__(self, event: Event) -> None:
        """Reads the next event."""
        match event:
            case TextDelta():
                return
            case CallDelta():
                if (call := self._open.get((event.run, event.call))) is not None:
                    call[1].feed(event.json)
                return
            case CallStarted():
                node = self._tree.nodes.get(event.run)
                gives = node is not None and bool(node.answer_tool) and event.name == node.answer_tool
                if not gives and self._agent in (None, event.agent):
                    self._open[event.run, event.call] = (event, JSONInText(wrapped=False))
            case CallReady():
                if (call := self._open.get((event.run, event.call))) is not None:
                    if call[1].document is None and not event.custom:
                        call[1].feed(to_json(event.arguments))
                    call[1].end()
            case AttemptStarted() | Retracted():
                self._drop(event.run)
            case StepFinished():
                for key in self._of(event.run):
                    self._finished[key] = self._open.pop(key)
            case _:
                pass
        self._tree.add(event)

    def _of(self, run: str) -> list[tuple[str, str]]:
        return [key for key in self._open if key[0] == run]

    def _drop(self, run: str) -> None:
        """The run's calls were retracted."""
        for key in self._of(run):
            started, _ = self._open.pop(key)
            if key in self._shown:
                self._shown.discard(key)
                self._dropped.append(started)

    def news(self) -> Iterator[PartialArguments]:
        """Returns what is new."""
        dropped, self._dropped = self._dropped, []
        for started in dropped:
            yield PartialArguments(started, None, (), "", restarted=True)
        for key, (started, json) in (*self._finished.items(), *self._open.items()):
            done, appended, grew = json.take()
            restarted, json.restarted = json.restarted, False
            if done or appended or grew or restarted:
                self._shown.add(key)
                yield PartialArguments(started, json, tuple(done), appended, restarted)
        self._shown.difference_update(self._finished)
        self._finished.clear()

    def forget(self) -> None:
        """What there is was written before the log was resumed."""
        self._open.clear()
        self._finished.clear()
        self._dropped.clear()


def path_of(path: Any) -> Path:
    """The path to a list: names and indexes; a string is one name. Raises ConfigurationError."""
    path = (path,) if isinstance(path, (str, int)) else path
    if not isinstance(path, (tuple, list)) or not all(
        isinstance(key, (str, int)) and not isinstance(key, bool) for key in path
    ):
        raise ConfigurationError(
            f"path is {path!r}.", hint='Pass the names that lead to the list: stream.items(("report", "ports")).'
        )
    return tuple(path)


def restarts_of(restarts: Any) -> Restarts:
    """What to do if the answer starts again. Raises ConfigurationError."""
    if restarts not in ("raise", "again"):
        raise ConfigurationError(f"restarts is {restarts!r}.", hint='Use "raise" or "again".')
    return restarts  # type: ignore[no-any-return]


def type_of(output_type: Any) -> OutputType[Any] | None:
    """The type of an answer; None if it is not given, or text. Raises ConfigurationError."""
    if output_type is None or output_type is str:
        return None
    from headwater.schema.output import OutputType

    return OutputType(output_type)
