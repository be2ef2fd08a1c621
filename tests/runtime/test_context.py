"""The current run: the origin of a new run, and the links that end it with another."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from typing import Any

import pytest

from headwater.runtime.context import NOWHERE, CallbackErrors, Links, Origin, current_run
from headwater.tools.context import ToolContext, current_call
from tests.runtime.runs import Saying, Team, log_of_run
from tests.support.virtual import run_virtual


def test_a_run_is_current_where_it_was_set_and_nowhere_else() -> None:
    run = Saying("ann")
    token = current_run.set(run)
    try:
        assert current_run.get() is run
        assert Origin.here().run is run
        seen: list[Any] = []
        thread = threading.Thread(target=lambda: seen.append(current_run.get()))
        thread.start()
        thread.join()
        assert seen == [None]
    finally:
        current_run.reset(token)
    assert current_run.get() is None
    assert Origin.here() == NOWHERE


def test_the_context_of_a_timer_keeps_no_run() -> None:
    async def main() -> None:
        run: Saying | None = Saying("ann")
        gone = weakref.ref(run)
        token = current_run.set(run)
        asyncio.get_running_loop().call_later(300, print)
        current_run.reset(token)
        run = None
        gc.collect()
        assert gone() is None

    run_virtual(main())


def test_without_a_run_no_run_is_current() -> None:
    token = current_run.set(None)
    assert current_run.get() is None
    current_run.reset(token)


def test_a_tools_call_is_part_of_a_runs_place() -> None:
    call: ToolContext[None] = ToolContext(None)
    token = current_call.set(call)
    try:
        assert Origin.here().call is call
    finally:
        current_call.reset(token)


def test_a_run_started_after_a_runs_end_belongs_to_its_parent() -> None:
    async def main() -> None:
        ann = Saying("ann", "One.")
        team = Team("team", ann, Saying("bob", "x", pause=50))
        reading = asyncio.ensure_future(log_of_run(team))
        await asyncio.sleep(10)
        assert ann.over
        assert Origin(ann).going_on is team
        assert Origin(team).going_on is team
        await reading
        assert Origin(ann).going_on is None
        assert Origin().going_on is None

    run_virtual(main())


class Linked:
    def __init__(self, name: str) -> None:
        self.id = name
        self.cancelled: list[Any] = []

    def cancel(self, by: Any) -> None:
        self.cancelled.append(by)


def test_linked_runs_end_with_their_owner() -> None:
    links, one, joined = Links(), Linked("one"), Linked("joined")
    links.add(one)
    links.add(joined)
    links.remove(joined)  # it has become a part of another
    links.cancel()
    assert (one.cancelled, joined.cancelled) == (["parent"], [])


def test_a_link_keeps_nothing_alive() -> None:
    links, one = Links(), Linked("one")
    links.add(one)
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None
    assert links._linked == {}
    links.cancel()


def test_a_link_may_be_added_while_all_are_cancelled() -> None:
    links = Links()

    class Adding(Linked):
        def cancel(self, by: Any) -> None:
            super().cancel(by)
            links.add(late)

    first, late = Adding("first"), Linked("late")
    links.add(first)
    links.cancel()
    assert first.cancelled == ["parent"]
    links.cancel()
    assert late.cancelled == ["parent"]


def test_callback_errors_are_counted_and_the_first_is_logged_in_full(caplog: pytest.LogCaptureFixture) -> None:
    errors = CallbackErrors()
    for number in range(3):
        errors.add(LookupError(str(number)), "streaming_callback")
    assert errors.count == 3
    (record,) = caplog.records
    assert record.getMessage() == "A streaming_callback raised LookupError; the run continues."
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "0"


@pytest.mark.parametrize("quiet", [True, False])
def test_without_logging_standard_error_is_used_unless_quiet(
    quiet: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    CallbackErrors(quiet=quiet).add(LookupError("on Hel"), "on_event callback")
    told = "headwater: an on_event callback raised LookupError: on Hel; the run continues.\n"
    assert capsys.readouterr() == ("", "" if quiet else told)
