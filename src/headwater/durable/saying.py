"""Messages to a run of a journal from any process: an answer, steering, a cancellation.

Each is a letter in the run's inbox. If the run can be driven in this process it is submitted, for delivery at once;
else its driver delivers it.
"""

from __future__ import annotations

import os
from typing import Literal

from headwater.durable.home import Home
from headwater.durable.inbox import answer_body, steer_body
from headwater.events.messages import Message
from headwater.events.questions import Answer
from headwater.journal import run_log
from headwater.schema.well_formed import all_well_formed

__all__ = ("say_answer", "say_cancel", "say_steer")


async def say_answer(home: Home, run: str, question: str, answer: Answer, kind: Literal["approval", "input"]) -> None:
    """Answers a question. Raises AlreadyAnswered, RunEnded, UnknownRun."""
    log = await home.log()
    await run_log.answer(log, run, question, answer_body(all_well_formed(answer), kind))
    await _wake(home, run)


async def say_steer(
    home: Home, run: str, message: Message, *, agent: str | None, by: str, now: bool, key: str = ""
) -> None:
    """Sends a message to the run, for its next request to the model. Raises RunEnded, UnknownRun."""
    log = await home.log()
    body = steer_body(all_well_formed(message), agent=agent, now=now, by=by)
    await log.post(run, "steer", key or f"{run}/said-{os.urandom(4).hex()}", body)


async def say_cancel(home: Home, run: str) -> None:
    """Cancels the run. Raises RunEnded, UnknownRun."""
    log = await home.log()
    await log.post(run, "cancel", f"{run}/cancel", b"null")
    await _wake(home, run)


async def _wake(home: Home, run: str) -> None:
    log = await home.log()
    info = await log.info(run)
    if info.request.agent in home.members and info.state in ("waiting", "queued"):
        home.submit(run, info.request.agent, queue=info.request.queue, priority=info.request.priority)
