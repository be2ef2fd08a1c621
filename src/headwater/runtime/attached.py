"""A run on another server: its log is read as it happens, and it is controlled over HTTP.

It is shown from the log alone: messages and answers sent here appear once the log has them. Leaving closes the
connection and tells the server nothing, whose `on_disconnect` decides about the run; `cancel` stops it there. Owns the
requests to the run; `backends.remote` owns the connection.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Final, Literal

import msgspec

from headwater.backends.remote.log import RemoteLog
from headwater.errors import (
    AnswerInvalid,
    ApprovalNeeded,
    Cancelled,
    ConfigurationError,
    HeadwaterError,
    RunEnded,
    UsageError,
)
from headwater.events import Event, RunWaiting
from headwater.events.messages import Message
from headwater.events.questions import Answer
from headwater.runtime.ending import CancelledBy
from headwater.runtime.from_log import DrivenElsewhere
from headwater.runtime.pausing import wakes
from headwater.runtime.people import Approver
from headwater.runtime.sending import Blocking

__all__ = ("Attached",)

_MEANS: Final[Mapping[str, Mapping[str, type[HeadwaterError]]]] = {
    "cancel": {},
    "messages": {"bad_request": ConfigurationError, "unknown_agent": RunEnded},
    "answer": {"bad_request": AnswerInvalid},
    "approve": {"bad_request": AnswerInvalid},
}
"""The requests to a run, and the errors for a server's refusals, the same as for a local run."""


class Attached(DrivenElsewhere):
    """The run whose log `remote` reads. `approver` answers its questions, unless someone else is faster.

    `alone`: nobody reads the questions, so the reading ends with ApprovalNeeded when the run waits for people and
    neither this `approver` nor one on the server answers. The run itself goes on waiting.
    """

    def __init__(
        self,
        remote: RemoteLog,
        *,
        blocking: Blocking,
        approver: Approver | None = None,
        keep_log: bool = False,
        alone: bool = False,
    ) -> None:
        super().__init__(blocking, approver)
        self.id: str = remote.run
        self.wants_log = keep_log
        self._alone = alone and approver is None
        self._began_to_wait = False
        """Whether the run waits for people, and it was not asked yet who can answer."""
        self._remote = remote
        self._cancelled = self._cancel_told = False

    # --- reading

    async def _advance(self) -> list[Event]:
        if self._cancelled and not self._remote.run:
            raise Cancelled("The run was cancelled before it started.", hint="Start another one.")
        self._ask()
        if self._began_to_wait and self._alone:
            await self._refuse_to_wait()
        events = await self._interruptible.wait(self._remote.pull())
        if not events:
            return self._ended()
        self.id = self._remote.run
        if self._cancelled and not self._cancel_told:
            self._cancel_told = True
            self._sending.meanwhile(lambda: self._post("cancel", {}), self._unsaid)
        return events

    def append(self, event: Event) -> Awaitable[Any] | None:
        """See DrivenElsewhere. Notes whether the run has begun to wait."""
        wait = super().append(event)
        if event.__class__ is RunWaiting and event.run == self.id:
            self._began_to_wait = True
        elif self._began_to_wait and wakes(event):
            self._began_to_wait = False
        return wait

    async def _refuse_to_wait(self) -> None:
        """Raises ApprovalNeeded if the server says that only a reader can answer the run's questions."""
        self._began_to_wait = False
        told = await self._interruptible.wait(self._remote.server.ask(self._remote.place(), method="GET"))
        unattended = told.get("unattended", ()) if isinstance(told, dict) else ()
        pending = tuple(self.open_questions)
        if waits := ", ".join(f"{one.tool} ({one.id})" for one in pending if one.id in unattended):
            raise ApprovalNeeded(
                f"The run waits for people on its server, but nobody is there to answer: {waits}.",
                hint=f"Answer with headwater.attach({self._remote.run_url!r}, approver=…), pass approver=… to run, or"
                " use run_stream.",
                pending=pending,
            )

    def _release(self) -> None:
        super()._release()
        self._remote.abort()

    def _shut(self) -> None:
        self._remote.shut()

    # --- requests to the run

    def cancel(self, by: CancelledBy = "caller") -> None:
        """Stops the run on its server, from any thread; its reader gets the end of the log.

        Errors of the request are raised here in sync code, and by the reading in async code.
        """
        if self.over or self._cancelled:
            return
        self._cancelled = True
        if self._remote.run:
            self._cancel_told = True
            try:
                self._say("cancel", {})
            except BaseException:
                self._cancelled = self._cancel_told = False
                raise

    def steer(self, message: Message, *, agent: str | None, by: str, now: bool, key: str = "") -> bool:
        """Sends a message to the run, or to the child run named `agent`; from any thread.

        False: it is over. The server records the sender. Raises the same errors as `cancel`.
        """
        if self.over or self.fold.end is not None or not self._remote.run:
            return False
        body: dict[str, Any] = {"input": [msgspec.to_builtins(message)], "now": now}
        try:
            self._say("messages", body if agent is None else {**body, "agent": agent})
        except RunEnded:
            return False
        return True

    async def answer_and_wait(self, id: str, answer: Answer, kind: Literal["approval", "input"]) -> None:
        """Sends the answer to the server, in its format. Raises AnswerInvalid, AlreadyAnswered and RunEnded."""
        await self._post(*_in_words(id, answer, kind))

    def park(self, *, now: bool = False) -> None:
        """Raises UsageError: only the server can park the run."""
        raise UsageError(
            "A run on another server cannot be parked from here.",
            hint="Leave it: headwater.attach(url) comes back to it.",
        )

    def _say(self, action: str, body: Any) -> None:
        """Sends a POST request to the run; see `Sending`."""
        self._send(lambda: self._post(action, body))

    async def _post(self, action: str, body: Any) -> None:
        await self._remote.server.ask(self._remote.place(action), body, means=_MEANS[action])


def _in_words(id: str, answer: Answer, kind: str) -> tuple[str, dict[str, Any]]:
    """Returns an answer in the format of its route."""
    if kind == "input":
        return "answer", {"input": id, "action": answer.action, "content": answer.content}
    said: dict[str, Any] = {"allowed": answer.allowed, "note": answer.note, "for_run": answer.for_run}
    if answer.arguments is not None:
        said["arguments"] = dict(answer.arguments)
    return "approve", {"approval": id, **said}
