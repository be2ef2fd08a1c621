"""Telling someone that a run waits: a function or a webhook, once a question.

A question that was told of leaves a note in the inbox, so that no later drive tells of it again. Where the process dies
between the two it is told again, under the same key.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

import msgspec

from headwater.errors import ConfigurationError, HeadwaterError
from headwater.events.questions import Question
from headwater.journal.run_log import RunLog
from headwater.providers.request import HTTPRequest

__all__ = ("OnWaiting", "checked_on_waiting", "tell_each")

OnWaiting: TypeAlias = Callable[[Question], Any] | str
"""Told of each question for which a run waits: a function, plain or async, or the URL of a webhook."""

WEBHOOK_SECONDS: Final = 30.0
"""How long a webhook may take."""

_logger = logging.getLogger("headwater.journal")


def checked_on_waiting(value: Any) -> OnWaiting | None:
    """Raises ConfigurationError where it is neither a function nor an http URL."""
    if value is None or callable(value):
        return value  # type: ignore[no-any-return]
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        return value
    raise ConfigurationError(
        f"on_waiting is {value!r}.", hint="Give a function of the question, or the http URL of a webhook."
    )


async def tell_each(log: RunLog, run: str, questions: Iterable[Question], tell: OnWaiting) -> None:
    """Tell of each question that nobody was told of. What fails is logged, and told when the run waits again."""
    told = {letter.key for letter in await log.inbox(run)}
    for question in questions:
        key = f"{question.id}/told"
        if key in told:
            continue
        try:
            await _tell(tell, run, question)
        except Exception as error:
            _logger.warning("Nobody could be told of %s: %s: %s", question.id, type(error).__name__, error)
            continue
        try:
            await log.post(run, "note", key, b"null")
        except HeadwaterError as error:  # at worst it is told again
            _logger.warning("%s was told of, which could not be noted: %s", question.id, error)


async def _tell(tell: OnWaiting, run: str, question: Question) -> None:
    if isinstance(tell, str):
        await _post(tell, msgspec.json.encode({"run": run, "question": question}), key=question.id)
        return
    said = tell(question)
    if inspect.isawaitable(said):
        await said


async def _post(url: str, body: bytes, *, key: str) -> None:
    from headwater.backends.transport import post

    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    async with asyncio.timeout(WEBHOOK_SECONDS):
        reply = await post(HTTPRequest(url=url, headers=headers, body=body), connect=WEBHOOK_SECONDS)
        try:
            await reply.read_error()
        finally:
            reply.release()
    if not 200 <= reply.status < 300:
        raise ConfigurationError(f"{url} answered {reply.status}.", hint="Its answer has to be 2xx.")
