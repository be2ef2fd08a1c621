"""Pauses that a provider asks for, shared by all requests with the same key."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Agent, ConcurrentWorkflow, Model, Timeouts
from headwater.backends import rate_limits
from headwater.backends.http import HTTPBackend
from headwater.backends.offline import Fail, ScriptedModel, Wait
from headwater.backends.retry import MAX_PAUSED_SECONDS, MAX_RETRY_AFTER_SECONDS
from headwater.errors import RateLimited
from headwater.events import AttemptFailed, AttemptStarted, Event, Warned
from tests.support.effort import tries
from tests.support.virtual import run_virtual


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    rate_limits._pauses.clear()
    yield
    rate_limits._pauses.clear()


class Limited(ScriptedModel):
    """A scripted model with a quota."""

    def __init__(self, script: Any, quota: Any = "ours") -> None:
        super().__init__(script, provider="somebody")
        self.quota = quota


# --- recording pauses


def test_without_a_pause_there_is_no_wait() -> None:
    assert rate_limits.wait("a", now=0, jitter=1) == 0


def test_a_pause_applies_to_its_quota_only() -> None:
    rate_limits.pause("a", 10, now=100)
    assert rate_limits.wait("a", now=104, jitter=0) == 6
    assert rate_limits.wait("a", now=104, jitter=1) == 6 + 10 * rate_limits.SPREAD
    assert rate_limits.wait("b", now=104, jitter=1) == 0
    assert rate_limits.wait("a", now=110, jitter=1) == 0


def test_the_pause_that_ends_last_counts() -> None:
    rate_limits.pause("a", 10, now=100)
    rate_limits.pause("a", 2, now=101)
    assert rate_limits.wait("a", now=101, jitter=0) == 9
    rate_limits.pause("a", 20, now=101)
    assert rate_limits.wait("a", now=101, jitter=0) == 20


def test_quotas_are_limited_and_the_earliest_end_is_dropped() -> None:
    for number in range(rate_limits.MAX_QUOTAS + 1):
        rate_limits.pause(number, 1000 - number if number < 5 else 1000 + number, now=0)
    assert len(rate_limits._pauses) == rate_limits.MAX_QUOTAS
    assert rate_limits.wait(4, now=0, jitter=0) == 0
    assert rate_limits.wait(3, now=0, jitter=0) == 997


@settings(max_examples=tries(25, 100), deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0.01, 60), st.floats(0, 10)), max_size=20))
def test_no_request_is_sent_before_the_latest_end(asked: list[tuple[str, float, float]]) -> None:
    rate_limits._pauses.clear()
    now, until = 0.0, {"a": 0.0, "b": 0.0}
    for quota, seconds, passed in asked:
        now += passed
        rate_limits.pause(quota, seconds, now=now)
        until[quota] = max(until[quota], now + seconds)
        for one in "ab":
            wait = rate_limits.wait(one, now=now, jitter=0)
            assert now + wait >= until[one] - rate_limits.TIMER_SECONDS


def test_a_quota_is_provider_base_url_and_key() -> None:
    def quota(**options: Any) -> Any:
        source = Model("openai/gpt-5.4", **{"api_key": "k", **options}).backend
        assert isinstance(source, HTTPBackend)
        return source.quota

    assert quota() == quota()
    assert hash(quota()) == hash(quota())
    others = [quota(), quota(api_key="l"), quota(base_url="http://localhost/v1")]
    assert len(set(others)) == 3
    assert "k'" not in repr(quota())


# --- waiting


def agents(model: Any, count: int) -> list[Agent[Any, Any]]:
    return [Agent(name=f"a{number}", model=model) for number in range(count)]


def times(events: list[tuple[float, Event]], kind: type[Event]) -> list[float]:
    return [at for at, event in events if isinstance(event, kind)]


async def timed(workflow: ConcurrentWorkflow) -> list[tuple[float, Event]]:
    loop = asyncio.get_running_loop()
    return [(loop.time(), event) async for event in workflow.run_stream("Go.").events()]


def test_one_refusal_delays_all_others() -> None:
    turns = itertools.chain([Fail(429, retry_after=10)], itertools.repeat("Yes."))

    async def main() -> None:
        model = Limited(lambda request: next(turns))
        with pytest.raises(RateLimited):
            await Agent(name="first", model=model, retries=0).arun("Go.")
        events = await timed(ConcurrentWorkflow(agents(model, 300)))
        asked = times(events, AttemptStarted)
        assert len(asked) == 300
        assert min(asked) >= 10
        assert max(asked) <= 15
        # No tenth of that time has two thirds of the requests: they do not all arrive at once.
        assert max(sum(from_ <= at < from_ + 0.5 for at in asked) for from_ in range(10, 15)) < 100
        told = [event for _, event in events if isinstance(event, Warned)]
        assert len(told) == 300
        assert {event.code for event in told} == {"provider_pause"}
        assert told[0].message.startswith("somebody asked for a pause; this request waits 1")
        assert not times(events, AttemptFailed)

    run_virtual(main())


def test_requests_refused_together_are_spread() -> None:
    refused: set[str] = set()

    def script(request: Any) -> Any:
        name = request.messages[0].text
        if name in refused:
            return "Yes."
        refused.add(name)
        return [Wait(0.001), Fail(429, retry_after=2)]

    async def main() -> None:
        model = Limited(script)
        members = [Agent(name=f"a{n}", model=model, instructions=f"a{n}") for n in range(100)]
        events = await timed(ConcurrentWorkflow(members))
        waits = {event.wait for _, event in events if isinstance(event, AttemptFailed)}
        assert len(waits) == 100
        assert 2 <= min(waits) < max(waits) <= 3
        again = times(events, AttemptStarted)[100:]
        assert len(again) == 100
        assert min(again) >= 2
        assert max(again) <= 3.1
        assert len(set(again)) > 50

    run_virtual(main())


def test_another_key_does_not_wait() -> None:
    async def main() -> float:
        with pytest.raises(RateLimited):
            await Agent(model=Limited([Fail(429, retry_after=10)]), retries=0).arun("Go.")
        await Agent(model=Limited(["Yes."], quota="another")).arun("Go.")
        await Agent(model=ScriptedModel(["Yes."])).arun("Go.")
        return 0

    assert run_virtual(main())[1] == 0


@pytest.mark.parametrize(
    "failure",
    [Fail(500, retry_after=5), Fail(429), Fail(401), Fail(429, retry_after=MAX_RETRY_AFTER_SECONDS + 1), Fail(503)],
    ids=["a server error", "no time named", "a wrong key", "too long", "overloaded for nobody knows how long"],
)
def test_other_errors_delay_nobody(failure: Fail) -> None:
    async def main() -> None:
        model = Limited([failure, "Yes."])
        with pytest.raises(Exception, match=r"somebody"):
            await Agent(model=model, retries=0).arun("Go.")
        await Agent(model=model).arun("Go.")

    assert run_virtual(main())[1] == 0


@pytest.mark.parametrize("failure", [Fail(429, retry_after=5), Fail(503, retry_after=5), Fail(529, retry_after=5)])
def test_both_kinds_of_refusal_with_a_time_delay_others(failure: Fail) -> None:
    async def main() -> None:
        model = Limited([failure, "Yes."])
        with pytest.raises(Exception, match=r"somebody"):
            await Agent(model=model, retries=0).arun("Go.")
        await Agent(model=model).arun("Go.")

    assert 5 <= run_virtual(main())[1] <= 7.5


def test_waiting_for_others_is_limited() -> None:
    """A provider that refuses a request every second still gets requests, after a while."""

    async def main() -> float:
        loop = asyncio.get_running_loop()

        async def refuse() -> None:
            while True:
                rate_limits.pause("ours", 3, now=loop.time())
                await asyncio.sleep(1)

        refusing = asyncio.create_task(refuse())
        await asyncio.sleep(0)
        stream = Agent(model=Limited(["Yes."])).run_stream("Go.")
        events = [event async for event in stream.events()]
        assert sum(isinstance(event, Warned) for event in events) == 1
        refusing.cancel()
        return loop.time()

    assert MAX_PAUSED_SECONDS <= run_virtual(main())[0] <= MAX_PAUSED_SECONDS + 5


def test_a_pause_can_be_cancelled() -> None:
    async def main() -> None:
        rate_limits.pause("ours", 30, now=0)
        model = Limited(["Yes."])
        stream = Agent(model=model).run_stream("Go.")
        asyncio.get_running_loop().call_later(2, stream.cancel)
        assert [chunk.finish_reason async for chunk in stream] == ["cancelled"]
        assert model.requests == ()

    assert run_virtual(main())[1] == 2


def test_timeouts_do_not_count_a_pause() -> None:
    async def main() -> None:
        rate_limits.pause("ours", 30, now=0)
        await Agent(model=Limited(["Yes."]), timeouts=Timeouts(first_token=1, step=2)).arun("Go.")

    assert run_virtual(main())[1] >= 30
