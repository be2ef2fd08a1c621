"""What an agent and a workflow have in common: under a journal its arguments, and runs that go on without a reader; and
the error for a method that other libraries' agents have.

Owns which of a run's options belong to the journal. What a drive is, and what is stored, is `durable`'s, which is
imported where a journal is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal

from typing_extensions import TypeVar

from headwater.agents import validation
from headwater.agents.options import NO_TASK, ContextFrom, Keep, OnWaiting, task_of
from headwater.agents.task import Task, as_messages
from headwater.errors import UsageError
from headwater.runtime.context import driven

if TYPE_CHECKING:
    from headwater.durable.run_ref import RunRef
    from headwater.events.messages import Message
    from headwater.runtime.run import Run

__all__ = ("Journaled", "OtherMethods")

OutputT = TypeVar("OutputT", default=str)


class OtherMethods:
    """An agent or a workflow, which explains a method that it does not have."""

    _details = False

    def _set_details(self, details: bool) -> None:
        self._details = details

    # It can be set, but not read: elsewhere agents have a method `stream`, and a bool cannot say what to write instead.
    stream: property = property(
        None, _set_details, doc="Whether token callbacks get details; as the argument of that name."
    )

    if not TYPE_CHECKING:  # type checkers would otherwise accept any name

        def __getattr__(self, name: str) -> Any:
            from headwater.agents.spellings import method_hint

            kind = type(self).__name__
            if hasattr(type(self), name) and name not in vars(OtherMethods):
                return object.__getattribute__(self, name)  # a property of a subclass that raised AttributeError
            article = "An" if kind[0] in "AEIOU" else "A"
            raise AttributeError(f"{article} {kind} has no {name!r}{method_hint(name)}", name=name, obj=self)


class Journaled(Generic[OutputT]):
    """Runs of it may be stored in a journal."""

    name: str
    journal: str | None = None
    """The URL of the store of its runs; None: HEADWATER_JOURNAL, if that is set."""
    context_from: ContextFrom | None = None
    on_waiting: OnWaiting | None = None
    keep: Keep = None
    """How long its runs are kept in the journal after their end: "30d", seconds, None forever, or rules."""

    def _keep_journal(
        self, journal: str | None, context_from: ContextFrom | None, on_waiting: OnWaiting | None, keep: Keep
    ) -> None:
        if journal is not None:
            from headwater.journal.opening import check_url

            check_url(journal)
        if context_from is not None and not callable(context_from):
            raise validation.wrong("context_from", context_from, "Give a function of what the run was started with.")
        if on_waiting is not None:
            from headwater.durable.notifying import checked_on_waiting

            checked_on_waiting(on_waiting)
        if keep is not None:
            from headwater.journal.retention import retention_of

            retention_of(keep)
        self.journal, self.context_from, self.on_waiting, self.keep = journal, context_from, on_waiting, keep

    @property
    def is_journaled(self) -> bool:
        """Whether its runs are stored: it has a journal, or HEADWATER_JOURNAL names one."""
        return bool(self.journal if self.journal is not None else os.environ.get("HEADWATER_JOURNAL"))

    def start(
        self,
        task: Task = NO_TASK,
        *,
        key: str | None = None,
        context: Any = None,
        history: Sequence[Message] = (),
        thread: str | None = None,
        when_busy: Literal["raise", "queue"] = "raise",
        queue: str = "default",
        priority: int = 0,
        not_before: float | None = None,
        labels: Mapping[str, str] | None = None,
        keep: Keep | Literal["as declared"] = "as declared",
        **options: Any,
    ) -> RunRef[OutputT]:
        """Start a run that goes on without a reader. It blocks in plain code; in an event loop, await it.

        The run is stored in the journal and driven in this process, until it ends or another process takes over.
        `key` names it among the agent's runs: a second start under the same key returns the run that there is, and
        changes nothing of it. `context` is a JSON value. `thread` is the name of a conversation in the journal, which
        takes one run at a time: a second one raises ThreadBusy, or waits its turn with `when_busy="queue"`.
        `queue` names the workers that drive it, where there are some (`headwater worker --queue`).
        `not_before` is in Unix seconds of the journal's clock. `keep` says how long the run is kept after its end,
        instead of the agent's own.
        `options` are those of `run_stream` that have a JSON form. Raises ConfigurationError, ThreadBusy.
        """
        from headwater.durable.start import started

        return started(
            self,  # type: ignore[arg-type]  # agents and workflows have what is missing here
            self.journal,
            as_messages(task_of(task, options)),
            key=key,
            context=context,
            history=history,
            thread=thread,
            when_busy=when_busy,
            queue=queue,
            priority=priority,
            not_before=not_before,
            labels=labels,
            keep=self.keep if keep == "as declared" else keep,
            options=options,
        )

    def _recorded(self, task: Task, options: dict[str, Any]) -> Callable[[Run], None] | None:
        """What attaches a run to its journal, taken from what the run is given; None where there is no journal.

        The name of a thread is taken out of `options`, and the context there is the one that `context_from` builds.
        Raises ConfigurationError; UsageError where a thread is named and there is no journal.
        """
        if driven.get():
            return None
        url = self.journal if self.journal is not None else os.environ.get("HEADWATER_JOURNAL")
        thread = options.pop("thread") if isinstance(options.get("thread"), str) else None
        if not url:
            if thread is None:
                return None
            raise UsageError(
                f"thread={thread!r} is the name of a thread, and {self.name!r} has no journal.",
                hint='Pass a Thread() and the same one again, or name a journal: Agent(journal="sqlite:///runs.db").',
            )
        from headwater.durable.recording import Recording

        recording = Recording(url, self.name, as_messages(task), options, thread=thread, keep=self.keep)
        if self.context_from is not None:
            options["context"] = recording.context(self.context_from)
        return recording.attach
