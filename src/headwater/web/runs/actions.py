"""The actions on runs, shared by all wires: start a run, read it, send it messages, answer it, stop it.

Owns the meaning of each action and its errors. The routes own authentication and formats.
"""

from __future__ import annotations

from typing import Any

from headwater.errors import AlreadyAnswered, AnswerInvalid, ConfigurationError, RunEnded, UnknownQuestion
from headwater.events.questions import Answer
from headwater.readers.selection import Choice
from headwater.web.http.bodies import Answering, Approving, Saying, Starting, conversation, messages
from headwater.web.problems import Problem
from headwater.web.runs.live_run import LiveRun, OnDisconnect
from headwater.web.runs.manager import Manager, checked_on_disconnect

__all__ = ("Actions", "choice_of")


class Actions:
    """The actions on a server's runs, each on behalf of a named caller. All of them raise Problem.

    `on_disconnect` sets what happens to runs without readers, unless the request says otherwise; None uses the default
    of the wire.
    """

    def __init__(self, manager: Manager, on_disconnect: OnDisconnect | None = None) -> None:
        self.manager = manager
        self._on_disconnect = on_disconnect

    def start(self, asked: Starting, caller: str | None, otherwise: OnDisconnect) -> LiveRun:
        """Starts a run; `otherwise` is the wire's default for `on_disconnect`."""
        before, task = conversation(asked.input)
        if asked.thread is not None:
            before, task = (), (*before, *task)
        options: dict[str, Any] = {} if asked.context is None else {"context": asked.context}
        return self.manager.start(
            asked.agent,
            task,
            owner=caller,
            on_disconnect=self.then(asked.on_disconnect, otherwise),
            thread=asked.thread,
            history=before,
            **options,
        )

    def then(self, asked: Any, otherwise: OnDisconnect) -> OnDisconnect:
        """Returns `on_disconnect` of a run: from the request, else from the server, else from the wire."""
        try:
            given = checked_on_disconnect(asked)
        except ConfigurationError as error:
            raise Problem("bad_request", error.message, hint=error.hint, param="on_disconnect") from None
        if self.manager.durable is not None and given not in (None, "continue"):
            raise Problem(
                "bad_request",
                "Runs of this server continue without readers.",
                hint="Leave out on_disconnect, and cancel the run to stop it.",
                param="on_disconnect",
            )
        for one in (given, self._on_disconnect):
            if one is not None:
                return one
        return otherwise

    def say(self, live: LiveRun, asked: Saying, caller: str | None) -> None:
        """Sends messages to an active run, which are added before its next model request."""
        said = messages(asked.input)
        if any(message.role != "user" for message in said):
            raise Problem("bad_request", "A message to a run must have the role user.", param="input")
        run = live.run
        if run is None:
            raise _over(live)
        try:
            heard = [run.steer(one, agent=asked.agent, by=caller or "", now=asked.now) for one in said]
        except ConfigurationError as error:
            hint = 'Name the member: "agent".'
            raise Problem("bad_request", error.message, hint=hint, param="agent") from None
        if not all(heard):
            if asked.agent is not None and not run.stopping:
                raise Problem("unknown_agent", f"No agent named {asked.agent!r} is running.", param="agent")
            raise _over(live)

    def answer(self, live: LiveRun, asked: Answering, caller: str | None) -> None:
        """Answers a tool's question."""
        answer = Answer(action=asked.action, content=asked.content, by=caller or "")
        _answered(live, asked.input, answer, "input")

    def approve(self, live: LiveRun, asked: Approving, caller: str | None) -> None:
        """Approves or denies a call that waits for approval."""
        answer = Answer(
            allowed=asked.allowed,
            arguments=asked.arguments,
            note=asked.note,
            for_run=asked.for_run,
            by=caller or "",
        )
        _answered(live, asked.approval, answer, "approval")


def choice_of(agent: list[str], depth: int | None, final_only: bool) -> Choice | None:
    """Returns the selection of a run's events; None for all. Raises Problem."""
    try:
        return Choice.of(final_only, agent or None, depth)
    except ConfigurationError as error:
        raise Problem("bad_request", error.message, hint=error.hint) from None


def _over(live: LiveRun) -> Problem:
    return Problem("run_ended", f"The run has ended: {live.state}.", hint="Start another run.")


_CODES: dict[type[Exception], str] = {
    UnknownQuestion: "unknown_question",
    AlreadyAnswered: "answered",
    RunEnded: "run_ended",
    AnswerInvalid: "bad_request",
}


def _answered(live: LiveRun, id: str, answer: Answer, kind: str) -> None:
    run = live.run
    if run is None:
        raise _over(live)
    try:
        run.people.answer(id, answer, kind)
    except (UnknownQuestion, AlreadyAnswered, RunEnded, AnswerInvalid) as error:
        raise Problem(_CODES[type(error)], error.message, hint=error.hint) from None
