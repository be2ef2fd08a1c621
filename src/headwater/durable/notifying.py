"""Notifies about a waiting run: calls a function or a webhook, once per question.

Theory of operation. A run is released only when the notifications of its questions were sent. Until then its process
drives it and retries at growing intervals. If that process dies, the run is due, and the next one tries. A sent
notification leaves a note in the inbox, so that no later drive sends it again. If the process dies between the two, it
is sent again under the same key.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeAlias

import msgspec

from headwater.errors import ConfigurationError, HeadwaterError
from headwater.events.questions import Question
from headwater.journal.addresses import shown, without_address
from headwater.journal.run_log import Letter, RunLog
from headwater.providers.request import HTTPRequest
from headwater.runtime.context import others_cancel

__all__ = ("OnWaiting", "Telling", "checked_on_waiting")

OnWaiting: TypeAlias = Callable[[Question], Any] | str
"""Receives each question for which a run waits: a function, sync or async, or the URL of a webhook."""

WEBHOOK_SECONDS: Final = 30.0
"""Timeout in seconds of a webhook."""

FIRST_PAUSE: Final = 1.0
"""Seconds before a failed notification is retried; doubled with each retry."""

LONGEST_PAUSE: Final = 300.0
"""The longest of these pauses, in seconds: a webhook that was down for a day is called within minutes."""

_logger = logging.getLogger("headwater.journal")


def checked_on_waiting(value: Any) -> OnWaiting | None:
    """Raises ConfigurationError if it is neither a function nor an http URL."""
    if value is None or callable(value):
        return value  # type: ignore[no-any-return]
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        return value
    raise ConfigurationError(
        f"on_waiting is {shown(value) if isinstance(value, str) else value!r}.",
        hint="Pass a function of the question, or the http URL of a webhook.",
    )


class Telling:
    """Notifies about the questions of one run that is driven here: `pending` now. `letters` are those in its inbox.

    `stored` waits until the log that contains them is stored. `failed` is called for each failed notification, and
    `told` when all were sent.
    """

    def __init__(
        self,
        log: RunLog,
        run: str,
        tell: OnWaiting,
        letters: Iterable[Letter],
        *,
        pending: Callable[[], Iterable[Question]],
        stored: Callable[[], Awaitable[None]],
        failed: Callable[[], None],
        told: Callable[[], None],
    ) -> None:
        self._log = log
        self._run = run
        self._tell = tell
        self._pending = pending
        self._stored = stored
        self._failed = failed
        self._told = told
        self._noted = {letter.key for letter in letters if letter.kind == "note"}
        self._task: asyncio.Task[None] | None = None

    @property
    def left(self) -> list[Question]:
        """The questions without a notification."""
        return [question for question in self._pending() if _note(question) not in self._noted]

    def begin(self) -> None:
        """Called when the run waits: sends the missing notifications, unless that is in progress."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work(), name=f"headwater telling {self._run}")

    async def close(self) -> None:
        """Stops: the run no longer waits, or another process drives it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        await self._stored()
        pause = FIRST_PAUSE
        while left := self.left:
            if not all([await self._tell_of(question) for question in left]) and self.left:
                self._failed()
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        self._told()

    async def _tell_of(self, question: Question) -> bool:
        try:
            await _tell(self._tell, self._run, question)
        except (Exception, asyncio.CancelledError) as raised:
            error = raised if isinstance(raised, Exception) else others_cancel()
            if error is None:
                raise
            said = without_address(str(error), self._tell) if isinstance(self._tell, str) else str(error)
            _logger.warning(
                "on_waiting could not be told of %s, and is tried again: %s: %s",
                question.id,
                type(error).__name__,
                said,
            )
            return False
        self._noted.add(_note(question))
        try:
            await self._log.post(self._run, "note", _note(question), b"null")
        except HeadwaterError as error:  # at worst the notification is repeated
            _logger.warning("The notification about %s could not be recorded: %s", question.id, error)
        return True


def _note(question: Question) -> str:
    return f"{question.id}/told"


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
        raise ConfigurationError(
            f"{shown(url)} answered {reply.status}.", hint="The webhook must answer with a 2xx status."
        )
