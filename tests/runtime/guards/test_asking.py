"""A guarded answer: what is logged, when, and what is left of it, whatever the guard and the provider do."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

import pytest

from headwater import Agent, AgentStream, Block, GuardContext, Replace, Retry, guard
from headwater.backends.offline import Call, Cut, Fail, Say, ScriptedModel, Think, Wait
from headwater.errors import BudgetExceeded, GuardBlocked, IncompleteStream, ServerError
from headwater.events import (
    AttemptFailed,
    AttemptStarted,
    Event,
    GuardTripped,
    Retracted,
    RunFailed,
    StepFinished,
    TextDelta,
    codec,
)
from headwater.runtime.budget import Budget
from headwater.runtime.guards.guard import Guard
from headwater.testing import check_log
from tests.support.effort import tries
from tests.support.streams import scripted, types_of
from tests.support.virtual import run_virtual

SECRET = "k3y-41c0b2a7"


def find(text: str) -> Block | None:
    return Block("A key.") if SECRET in text else None


no_keys = guard(hold=30, every=8, overlap=40)(find)


@guard(hold=30, every=8, overlap=40)
async def slow_no_keys(text: str) -> Block | None:
    await asyncio.sleep(0.05)
    return find(text)


def pieces(*words: str) -> Say:
    return Say([*words])


def slowly(*words: str) -> list[Any]:
    return [item for word in words for item in (Say([word]), Wait(0.1))]


def leaks(log: list[Event], secret: str = SECRET) -> list[str]:
    """The events in which it stands, whole or joined over deltas."""
    joined = "".join(event.text for event in log if isinstance(event, TextDelta))
    found = [event.type for event in log if secret in codec.encode(event).decode()]
    return found + ["joined"] * (secret in joined)


async def read(stream: AgentStream[Any], log: list[Event]) -> None:
    """Reads all events; what came before an error is in `log` too."""
    async for event in stream.events():
        log += [event]


async def ended(agent: Agent[Any, Any], task: str = "Go.") -> tuple[list[Event], BaseException | None]:
    """All events of a run, and the error that ended it."""
    stream, log = agent.run_stream(task), list[Event]()
    try:
        await read(stream, log)
    except GuardBlocked as error:
        check_log(log)
        return log, error
    check_log(log)
    return log, None


# --- block


@pytest.mark.parametrize("guarded", [no_keys, slow_no_keys])
def test_a_block_ends_the_run_with_what_had_passed(guarded: Guard) -> None:
    words = ["fine "] * 30 + [SECRET[:5], SECRET[5:], *["more "] * 30]
    model = ScriptedModel([slowly(*words), "Again."])
    log, error = run_virtual(ended(Agent(model=model, guards=[guarded], retries=2, fallback=[model])))[0]
    assert isinstance(error, GuardBlocked)
    assert (error.guard, error.on, error.note) == (guarded.name, "output", "A key.")
    assert leaks(log) == []
    assert error.response is not None
    assert "".join(words).startswith(error.response.text)
    assert len(error.response.text) > 50
    tripped = next(event for event in log if isinstance(event, GuardTripped))
    assert (tripped.action, tripped.step, tripped.chars > 0) == ("block", 1, True)
    assert types_of(log, "attempt") == ["attempt.started", "attempt.failed"]
    finished = next(event for event in log if isinstance(event, StepFinished))
    assert finished.finish_reason == "content_filter"
    assert isinstance(log[-1], RunFailed)
    assert log[-1].error.type == "GuardBlocked"
    assert len(model.requests) == 1


def test_text_passes_while_a_guard_thinks() -> None:
    """The provider is read on, and what has passed is shown without waiting for more of the answer."""

    async def main() -> None:
        @guard(hold=0, every=1)
        async def thinks(text: str) -> None:
            await asyncio.sleep(2)

        turn = [pieces("first "), Wait(1), pieces("second "), Wait(10), pieces("third")]
        loop = asyncio.get_running_loop()
        begun = loop.time()
        stream = Agent(model=ScriptedModel([turn]), guards=[thinks]).run_stream("Go.")
        times = [(round(loop.time() - begun), chunk.content) async for chunk in stream if chunk.content]
        assert times == [(2, "first "), (4, "second "), (13, "third")]

    run_virtual(main())


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (ValueError(SECRET), "raised ValueError"),
        ("no verdict", "returned str"),
    ],
)
@pytest.mark.parametrize("waits", [False, True])
def test_a_guard_that_fails_blocks(verdict: Any, said: str, waits: bool) -> None:
    def fails(text: str) -> Any:
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    async def fails_later(text: str) -> Any:
        return fails(text)

    agent = scripted("An answer.", guards=[guard(fails_later if waits else fails)])
    log, error = run_virtual(ended(agent))[0]
    assert said in str(error)
    assert SECRET not in str(error)
    assert leaks(log) == []
    assert types_of(log, "text") == []


def test_a_guard_that_takes_too_long_blocks() -> None:
    @guard(timeout=5)
    async def hangs(text: str) -> None:
        await asyncio.Event().wait()

    (log, error), seconds = run_virtual(ended(scripted("An answer.", guards=[hangs])))
    assert "within 5 s" in str(error)
    assert types_of(log, "text") == []
    assert seconds == pytest.approx(5)


# --- retry


def test_a_retry_asks_again_with_the_note() -> None:
    @guard(hold="step")
    def polite(text: str) -> Retry | None:
        return None if "please" in text else Retry("Say please.")

    model = ScriptedModel(["No.", "Now!", "Yes, please."])
    log, error = run_virtual(ended(Agent(model=model, guards=[polite])))[0]
    assert error is None
    assert "".join(event.text for event in log if isinstance(event, TextDelta)) == "Yes, please."
    causes = [event.cause for event in log if isinstance(event, AttemptStarted)]
    assert causes == ["first", "guard", "guard"]
    assert types_of(log, "retracted") == []
    told = [request.messages[-1].text for request in model.requests]
    assert [text.count("Say please.") for text in told] == [0, 1, 2]
    assert not any(event.may_retract for event in log if isinstance(event, AttemptStarted))


def test_a_retry_retracts_what_was_shown_if_it_is_announced() -> None:
    def check(text: str) -> Retry | None:
        return Retry("No keys.") if SECRET in text else None

    words = ["fine "] * 30 + [SECRET]
    guarded = guard(hold=30, every=8, may_retry=True)(check)
    log, error = run_virtual(ended(scripted(slowly(*words), "Fine.", guards=[guarded])))[0]
    assert error is None
    retracted = next(event for event in log if isinstance(event, Retracted))
    assert retracted.chars > 0
    assert leaks(log) == []
    assert all(event.may_retract for event in log if isinstance(event, AttemptStarted))
    silent = guard(hold=30, every=8)(check)
    log, error = run_virtual(ended(scripted(slowly(*words), "Fine.", guards=[silent])))[0]
    assert "may_retry=True" in str(error)
    assert types_of(log, "retracted") == []


def test_retries_are_limited() -> None:
    @guard(hold="step")
    def never(text: str) -> Retry:
        return Retry("Again.")

    model = ScriptedModel(lambda request: "An answer.")
    _, error = run_virtual(ended(Agent(model=model, guards=[never])))[0]
    assert "asked again 2 times" in str(error)
    assert len(model.requests) == 3


@pytest.mark.parametrize("cut_after", ["guard.tripped", "attempt.failed", "attempt.started"])
def test_a_note_is_sent_again_on_resume(cut_after: str) -> None:
    @guard(hold="step")
    def polite(text: str) -> Retry | None:
        return None if "please" in text else Retry("Say please.")

    async def main() -> None:
        agent = scripted("No.", "Yes, please.", guards=[polite])
        log, _ = await ended(agent)
        at = next(n for n, event in enumerate(log) if event.type == "guard.tripped")
        until = next(n for n, event in enumerate(log) if n >= at and event.type == cut_after) + 1
        again = scripted("Here, please.", guards=[polite])
        stream = again.resume(log[:until])
        rest = [event async for event in stream.events()]
        check_log([*log[:until], *rest])
        model: Any = again.model
        assert "Say please." in model.requests[-1].messages[-1].text

    run_virtual(main())


# --- replace, and several guards


def test_guards_see_what_those_before_them_let_pass() -> None:
    seen: list[str] = []

    @guard(hold="step")
    def first(text: str) -> Replace | None:
        return Replace(text.replace(SECRET, "[key]")) if SECRET in text else None

    @guard(hold=10)
    def second(text: str, ctx: GuardContext) -> None:
        seen.append(text)
        assert (ctx.on, ctx.agent, ctx.step, ctx.context) == ("output", "agent", 1, None)

    agent = scripted([pieces("It is ", SECRET, ".")], guards=[first, second])
    assert agent.run_sync("Go.").text == "It is [key]."
    assert seen == ["It is [key]."]


def test_a_tool_call_waits_for_its_arguments() -> None:
    ran: list[str] = []

    def send(to: str) -> str:
        """Send it."""
        ran.append(to)
        return "sent"

    agent = scripted([Call("send", {"to": SECRET})], "Done.", tools=[send], guards=[guard(on="arguments")(find)])
    log, error = run_virtual(ended(agent))[0]
    assert isinstance(error, GuardBlocked)
    assert error.on == "arguments"
    assert ran == []
    assert leaks(log) == []


def test_a_call_that_another_guard_holds_is_not_named() -> None:
    """The log does not have the call, so the verdict cannot refer to it."""
    first = guard(on="arguments", name="first")(lambda text: Block("no"))
    second = guard(hold="step", name="second")(lambda text: None)
    agent = scripted(["Hello. ", Call("look", {})], guards=[first, second])
    log, error = run_virtual(ended(agent))[0]
    assert isinstance(error, GuardBlocked)
    assert [event.call for event in log if isinstance(event, GuardTripped)] == [None]


def test_reasoning_is_guarded_where_asked() -> None:
    turn = [Think(f"The key is {SECRET}."), "Hello."]
    assert scripted(turn, guards=[no_keys]).run_sync("Go.").text == "Hello."
    agent = scripted(turn, guards=[guard(on=("output", "reasoning"))(find)])
    log, error = run_virtual(ended(agent))[0]
    assert isinstance(error, GuardBlocked)
    assert leaks(log) == []


# --- what else can happen


@pytest.mark.parametrize("verdict", ["block", "replace"])
def test_escapes_in_a_typed_answer_hide_nothing(verdict: str) -> None:
    escaped = "".join(f"\\u{ord(char):04x}" for char in SECRET)

    def judge(text: str) -> Any:
        if SECRET not in text:
            return None
        return Block("A key.") if verdict == "block" else Replace(text.replace(SECRET, "[key]"))

    async def main() -> None:
        turn = Say([*f'{{"name": "Ann {escaped} Lee", "tags": ["a\\/b"]}}'])
        agent = Agent(model=ScriptedModel([turn]), output_type=dict[str, Any], guards=[guard(hold=15)(judge)])
        stream, seen = agent.run_stream("Go."), list[Any]()
        try:
            async for part in stream.partials():
                seen.append(part)
            assert verdict == "replace"
        except GuardBlocked:
            assert verdict == "block"
        assert SECRET[:3] not in repr(seen)
        assert verdict == "block" or stream.response.output == {"name": "Ann [key] Lee", "tags": ["a/b"]}

    run_virtual(main())


def test_restart_and_retry_with_held_text() -> None:
    broken = [pieces(*["fine "] * 3), Cut()]
    agent = scripted(broken, [pieces("Whole.")], guards=[no_keys])
    log, error = run_virtual(ended(agent))[0]
    assert error is None
    assert types_of(log, "retracted") == []  # nothing was shown
    longer = [*slowly(*["fine "] * 30), Cut()]
    agent = scripted(longer, [pieces("Whole.")], guards=[no_keys], on_interrupted="restart")
    log, error = run_virtual(ended(agent))[0]
    assert [event.chars > 0 for event in log if isinstance(event, Retracted)] == [True]
    step = scripted(longer, [pieces("Whole.")], guards=[guard(hold="step")(find)], on_interrupted="restart")
    log, error = run_virtual(ended(step))[0]
    assert types_of(log, "retracted") == []


def test_what_was_held_when_an_answer_breaks_off_is_gone() -> None:
    async def main() -> None:
        words = ["fine "] * 30
        stream = scripted([*slowly(*words), Cut()], guards=[no_keys]).run_stream("Go.")
        with pytest.raises(IncompleteStream) as caught:
            await stream.result()
        assert 0 < len(caught.value.response.text) <= 150 - 30

    run_virtual(main())


def test_a_servers_error_that_quotes_the_answer_is_withheld() -> None:
    async def main() -> None:
        error = ServerError(f"provider: cannot go on after {SECRET}")
        turn = [pieces("Hello"), Fail(error)]
        stream = scripted(turn, guards=[no_keys], retries=0).run_stream("Go.")
        log: list[Event] = []
        with pytest.raises(ServerError) as caught:
            await read(stream, log)
        assert SECRET not in str(caught.value)
        assert "Withheld" in str(caught.value)
        assert leaks(log) == []
        check_log(log)

    run_virtual(main())


def test_a_budget_counts_what_is_held() -> None:
    async def main() -> None:
        log: list[Event] = []
        stream = scripted(
            [pieces(*["word "] * 200)], guards=[guard(hold="step")(find)], budget=Budget(output_tokens=20)
        ).run_stream("Go.")
        with pytest.raises(BudgetExceeded):
            await read(stream, log)
        check_log(log)
        assert types_of(log, "text") == []
        failed = next(event for event in log if isinstance(event, AttemptFailed))
        assert (failed.usage.output_tokens or 0) > 20

    run_virtual(main())


def _turn(chance: random.Random) -> list[Any]:
    """An answer of several parts, cut anywhere, with a secret in it or not."""
    words = [
        chance.choice(["a", "bc ", "d. ", "\n", "efgh "]) * chance.randint(1, 5) for _ in range(chance.randint(0, 12))
    ]
    if chance.random() < 0.6:
        words.insert(chance.randint(0, len(words)), SECRET)
    text = "".join(words)
    at = sorted(chance.sample(range(len(text) + 1), min(len(text), chance.randint(0, 8))))
    cuts = [text[start:end] for start, end in zip([0, *at], [*at, len(text)], strict=True)]
    turn: list[Any] = []
    for piece in filter(None, cuts):
        turn.append(Say([piece]))
        if chance.random() < 0.2:
            turn.append(Wait(chance.random()))
        if chance.random() < 0.1:
            turn.append(Think("Hm."))
    if chance.random() < 0.2:
        turn.append(chance.choice([Cut(), Fail(500)]))
    return turn or ["Hi."]


def _guard(chance: random.Random) -> Guard:
    verdict = chance.choice(["block", "replace", "retry"])
    slow = chance.random() < 0.5

    def judge(text: str) -> Any:
        if SECRET not in text:
            return None
        if verdict == "replace":
            return Replace(text.replace(SECRET, "[key]"))
        return Block("A key.") if verdict == "block" else Retry("No keys.")

    async def later(text: str) -> Any:
        await asyncio.sleep(chance.random())
        return judge(text)

    hold: Any = chance.choice([len(SECRET), 20, 60, "step"])
    every = chance.choice([1, 5, 30])
    return Guard(later if slow else judge, hold=hold, every=every, may_retry=chance.random() < 0.7)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(tries(60, 3000)))
def test_random_answers_and_verdicts(seed: int) -> None:
    """Whatever is split, answered late, broken off, restarted, fallen back from, cancelled: no event has the secret."""

    async def main() -> None:
        chance = random.Random(seed)
        turns = [_turn(chance) for _ in range(6)]
        agent = Agent(
            model=ScriptedModel(turns[:3]),
            fallback=[ScriptedModel(turns[3:])],
            guards=[_guard(chance) for _ in range(chance.randint(1, 2))],
            on_interrupted=chance.choice(["raise", "restart"]),
        )
        stream, log = agent.run_stream("Go."), list[Event]()
        if chance.random() < 0.3:
            asyncio.get_running_loop().call_later(chance.random() * 3, stream.cancel)
        error: BaseException | None = None
        try:
            await read(stream, log)
        except Exception as raised:
            error = raised
        check_log(log)
        assert leaks(log) == [], (seed, error)
        assert SECRET not in str(stream.response)
        assert SECRET not in str(error)
        assert len(asyncio.all_tasks()) == 1 or await _settled()

    run_virtual(main())


async def _settled() -> bool:
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return len(asyncio.all_tasks()) == 1


def test_leaving_stops_the_guard_and_the_reading() -> None:
    async def main() -> None:
        stopped: list[str] = []

        @guard(hold=0, every=1)
        async def thinks(text: str) -> None:
            try:
                await asyncio.sleep(100 if "second" in text else 0)
            except asyncio.CancelledError:
                stopped.append(text)
                raise

        turn = [pieces("first "), Wait(1), pieces("second "), Wait(1000), pieces("third")]
        stream = Agent(model=ScriptedModel([turn]), guards=[thinks]).run_stream("Go.")
        async for chunk in stream:
            if chunk.content:
                await asyncio.sleep(5)
                asyncio.get_running_loop().call_later(5, stream.cancel)
        assert await _settled()
        assert stopped == ["first second "]
        assert stream.response.text == "first "

    _, seconds = run_virtual(main())
    assert seconds < 20


@pytest.mark.long
@pytest.mark.parametrize("seed", range(tries(10, 600)))
def test_a_guarded_run_is_resumed_from_any_event(seed: int) -> None:
    """What was held is not in the log, so nothing of it comes back: the answer is asked for again."""

    async def main() -> None:
        chance = random.Random(seed)
        guards = [_guard(chance)]
        turns = [[*_turn(chance)] for _ in range(12)]
        before: list[Event] = []
        stream = Agent(model=ScriptedModel(turns[:6]), guards=guards, on_interrupted="restart").run_stream("Go.")
        with contextlib.suppress(Exception):
            await read(stream, before)
        at = chance.randint(1, len(before) - 1)
        agent = Agent(model=ScriptedModel(turns[6:]), guards=guards, on_interrupted="restart")
        rest: list[Event] = []
        with contextlib.suppress(GuardBlocked, ServerError, IncompleteStream):
            await read(agent.resume(before[:at]), rest)
        check_log([*before[:at], *rest])
        assert leaks([*before[:at], *rest]) == []

    run_virtual(main())


@pytest.mark.parametrize("failure", [Fail(503), Cut()])
def test_a_failed_attempt_is_in_the_log_lines(failure: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Whether the provider refused or the answer broke off: with guards as without."""
    model = ScriptedModel([[failure], "An answer."])
    log, error = run_virtual(ended(Agent(model=model, guards=[no_keys], retries=2)))[0]
    assert error is None
    (line,) = (record.getMessage() for record in caplog.records if record.name == "headwater.models")
    assert "retrying in" in line
    assert len([event for event in log if isinstance(event, AttemptFailed)]) == 1
