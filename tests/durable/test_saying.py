"""What is said to a run of a journal is a letter in its inbox, under a key of its own."""

from __future__ import annotations

import asyncio

import pytest

from headwater import Message
from headwater.durable.home import home_of
from headwater.durable.saying import say_answer, say_cancel, say_steer
from headwater.errors import AlreadyAnswered, UnknownRun
from headwater.events.questions import Answer
from headwater.journal.run_log import Request
from tests.support.journals import journal

__all__ = ("journal",)


def test_each_is_a_letter(journal: str) -> None:
    async def main() -> None:
        home = home_of(journal)
        log = await home.log()
        await log.create("r", Request(agent="nobody"))
        await say_steer(home, "r", Message.user("hurry"), agent=None, by="ann", now=False)
        await say_answer(home, "r", "r/c1", Answer(by="ann"), "approval")
        await say_cancel(home, "r")
        await say_cancel(home, "r")
        letters = await log.inbox("r")
        assert [letter.kind for letter in letters] == ["steer", "answer", "cancel"]
        assert [letter.key for letter in letters][1:] == ["r/c1", "r/cancel"]
        with pytest.raises(AlreadyAnswered):
            await say_answer(home, "r", "r/c1", Answer(allowed=False, by="bob"), "approval")
        with pytest.raises(UnknownRun):
            await say_cancel(home, "none")

    asyncio.run(main())
