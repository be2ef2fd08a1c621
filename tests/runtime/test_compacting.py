"""A run's conversation, shortened before its steps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from headwater import Agent, Budget, Compaction, Message, Response, Thread, tool
from headwater.backends.offline import Call, Fail, ScriptedModel, Wait
from headwater.errors import BudgetExceeded, ContextTooLong, Parked
from headwater.events import (
    AttemptStarted,
    ChildStarted,
    Event,
    MessageAdded,
    RunCancelled,
    RunStarted,
    StepFinished,
    StepStarted,
    UsageReported,
    Warned,
)
from headwater.providers.request import Request
from headwater.runtime.compaction import HEADING, PROMPT
from headwater.runtime.view import ViewInfo
from headwater.testing import check_log
from tests.support.effort import one_in
from tests.support.virtual import run_virtual

TASK = "Read ten pages."
TOO_LONG = Fail(400, "context_length_exceeded: the maximum context length is 900 tokens")


@tool
async def read(page: int) -> str:
    """Read a page."""
    return f"Page {page}: " + "the tide rises and falls. " * 12


class Model:
    """Reads so many pages, then answers; writes a summary if asked for one. `limit` is what it reads, in messages."""

    def __init__(self, *, pages: int = 10, limit: int = 10**6, summary: Any = "The pages are about tides.") -> None:
        self.requests: list[Request] = []
        self.summary = summary
        self._pages = pages
        self._limit = limit
        self._read = 0

    def __call__(self, request: Request) -> Any:
        messages = request.messages
        if len(messages) > self._limit:
            return TOO_LONG
        self.requests.append(request)
        if PROMPT in messages[-1].text:
            return self.summary(request) if callable(self.summary) else self.summary
        self._read = max(self._read, *(number_of(message) for message in messages))
        return Call("read", {"page": self._read + 1}) if self._read < self._pages else "All about tides."

    @property
    def summaries(self) -> list[Request]:
        """The requests for a summary."""
        return [one for one in self.requests if PROMPT in one.messages[-1].text]

    @property
    def steps(self) -> list[Request]:
        """The other requests."""
        return [one for one in self.requests if PROMPT not in one.messages[-1].text]


def number_of(message: Message) -> int:
    return max((int(one.arguments["page"]) for one in message.tool_calls if isinstance(one.arguments, dict)), default=0)


def agent(model: Any, compact: Any = 600, **options: Any) -> Agent[Any, Any]:
    return Agent(name="reader", model=ScriptedModel(model), tools=[read], compact=compact, **options)


def done(
    model: Any, compact: Any = 600, *, instructions: str = "", **options: Any
) -> tuple[Response[Any], list[Event]]:
    events: list[Event] = []
    response, _ = run_virtual(
        agent(model, compact, instructions=instructions).arun(TASK, on_event=events.append, **options)
    )
    check_log(events)
    return response, events


def added(events: Sequence[Event]) -> list[Message]:
    return [event.message for event in events if isinstance(event, MessageAdded) and event.cause == "compact"]


def warnings(events: Sequence[Event]) -> list[Warned]:
    return [event for event in events if isinstance(event, Warned)]


# --- by the model


def test_the_model_is_sent_a_summary_of_the_first_messages() -> None:
    model = Model()
    response, events = done(model)
    assert response.text == "All about tides."
    assert len(added(events)) == len(model.summaries) >= 2
    for request in model.steps:
        first = request.messages[0].text
        assert first == TASK or (HEADING in first and first.endswith(TASK)), "the task stays word for word"
    assert max(len(request.messages) for request in model.steps) < 16
    assert response.messages[0].text == TASK, "the log keeps all"
    assert sum(message.role == "tool" for message in response.messages) == 10


def test_the_summary_is_asked_for_with_the_beginning_of_the_last_request() -> None:
    model = Model()
    done(model, instructions="Be brief.")
    for at, request in enumerate(model.requests):
        if request in model.summaries:
            before = model.requests[at - 1]
            shared = len(request.messages) - 1
            assert request.messages[:shared] == before.messages[:shared]
            assert request.messages[0].role == "system"
            assert (request.tools, request.output) == (before.tools, None)


def test_its_cost_counts() -> None:
    model = Model()
    response, events = done(model)
    whole = sum(event.usage.input_tokens or 0 for event in events if isinstance(event, UsageReported))
    helpers = [event for event in events if isinstance(event, ChildStarted)]
    assert [event.role for event in helpers] == ["helper"] * len(model.summaries)
    assert response.usage.input_tokens == whole


def test_a_limit_of_the_answer_is_not_one_of_the_summary() -> None:
    model = Model()
    done(model, settings={"max_tokens": 50, "stop": ("x",), "tool_choice": "auto"})
    for request in model.summaries:
        assert (request.settings.max_tokens, request.settings.stop, request.settings.tool_choice) == (None, None, None)


def test_a_model_that_calls_a_tool_instead_is_asked_again_without_tools() -> None:
    def summary(request: Request) -> Any:
        return "Tides." if request.settings.tool_choice == "none" else Call("read", {"page": 99})

    model = Model(summary=summary)
    response, events = done(model)
    assert response.text == "All about tides."
    assert "Tides." in added(events)[0].text
    choices = [request.settings.tool_choice for request in model.summaries]
    assert choices == [None, "none"] * (len(choices) // 2)


def test_a_summary_that_fails_is_told_and_not_asked_for_again() -> None:
    model = Model(summary=[Fail(400, "not today")])
    response, events = done(model)
    assert response.text == "All about tides."
    assert [warning.code for warning in warnings(events)] == ["compaction_failed"]
    assert "not today" in warnings(events)[0].message
    assert added(events) == []
    assert len(model.summaries) == 1


def test_an_empty_summary_fails() -> None:
    _, events = done(Model(summary=" "))
    assert "The summary is empty." in warnings(events)[0].message


def test_budgets_hold_for_it() -> None:
    model = Model()
    _, events = done(model)
    requests = sum(isinstance(event, AttemptStarted) for event in events)
    first = next(at for at, request in enumerate(model.requests) if request in model.summaries)
    with pytest.raises(BudgetExceeded):
        agent(Model()).run(TASK, budget=Budget(requests=first))
    agent(Model()).run(TASK, budget=Budget(requests=requests))


# --- by a function


def test_a_function_gets_what_is_replaced() -> None:
    asked: list[tuple[tuple[Message, ...], ViewInfo]] = []

    async def by(messages: tuple[Message, ...], info: ViewInfo) -> str:
        asked.append((messages, info))
        await asyncio.sleep(1)
        return f"Summary {len(asked)}."

    model = Model()
    _, events = done(model, Compaction(400, by=by), context={"who": "ann"})
    assert model.summaries == []
    assert len(added(events)) == len(asked) >= 2
    assert asked[0][0][0].text == TASK
    assert "Summary 1." in asked[1][0][0].text
    assert (asked[0][1].agent, asked[0][1].context) == ("reader", {"who": "ann"})


def test_a_plain_function_will_do() -> None:
    _, events = done(Model(), Compaction(600, by=lambda messages, info: f"{len(messages)} messages."))
    assert "messages." in added(events)[0].text


@pytest.mark.parametrize("returned", [3, None, ""])
def test_a_function_that_returns_no_summary_fails(returned: Any) -> None:
    response, events = done(Model(), Compaction(600, by=lambda messages, info: returned))
    assert response.text == "All about tides."
    assert [warning.code for warning in warnings(events)] == ["compaction_failed"]


def test_runs_of_a_function_end_with_the_run() -> None:
    inner: list[Event] = []

    async def by(messages: tuple[Message, ...], info: ViewInfo) -> str:
        slow = Agent(model=ScriptedModel([[Wait(9), "Late."]]))
        return (await slow.run("Go.", on_event=inner.append)).text

    async def main() -> list[Event]:
        seen: list[Event] = []
        stream = agent(Model(), Compaction(600, by=by)).run_stream(TASK)
        async for event in stream.events():
            seen.append(event)
            if isinstance(event, RunStarted) and event.path[-1] == "compaction":
                asyncio.get_running_loop().call_later(1, stream.cancel)
        return seen

    seen, _ = run_virtual(main())
    check_log(seen)
    assert isinstance(seen[-1], RunCancelled)
    assert isinstance(inner[-1], RunCancelled)


# --- when


def test_nothing_happens_below_the_threshold() -> None:
    model = Model()
    _, events = done(model, 100_000)
    assert added(events) == []
    assert not any(isinstance(event, ChildStarted) for event in events)


def test_the_history_counts_before_the_first_step() -> None:
    model = Model(pages=0)
    history = [Message.user("Hi. " * 400), Message.assistant("Hello. " * 400)]
    response, events = done(model, history=history)
    assert len(added(events)) == len(model.summaries) == 2, "it is more than one summary may be of"
    assert len(model.steps) == 1
    assert [message.text[: len(TASK)] for message in model.steps[0].messages[1:]] == [TASK]
    thread = Thread(response.messages)
    agent(model).run("And now?", thread=thread)
    assert HEADING in model.steps[-1].messages[0].text, "it travels in the history"
    assert len(model.summaries) == 2


def test_a_long_history_is_read_in_pieces() -> None:
    model = Model(pages=0)
    history = [Message.user(f"Part {number}. " + "Tide. " * 60) for number in range(20)]
    _, events = done(model, history=history)
    assert len(added(events)) >= 3
    for request in model.summaries:
        assert sum(len(message.text) for message in request.messages) / 4 < 700
    assert [message.replaces for message in added(events)] == sorted({message.replaces for message in added(events)})


def test_too_little_to_replace_is_told_once() -> None:
    model = Model()
    _, events = done(model, 600, instructions="Be brief. " * 400)
    assert [warning.code for warning in warnings(events)] == ["compaction_useless"]
    assert len(model.summaries) <= 5, "not at each step"


# --- a refusal


def test_a_refused_conversation_is_shortened() -> None:
    model = Model(limit=9)
    response, events = done(model, 100_000)
    assert response.text == "All about tides."
    assert len(added(events)) >= 1
    assert warnings(events) == []


def test_what_cannot_be_shortened_is_refused() -> None:
    events: list[Event] = []
    with pytest.raises(ContextTooLong):
        agent(Model(limit=0)).run(TASK, on_event=events.append)
    check_log(events)
    assert [event.type for event in events if isinstance(event, AttemptStarted)] == ["attempt.started"]


def test_a_refused_summary_reads_less() -> None:
    model = Model(limit=9)

    def turn(request: Request) -> Any:
        if PROMPT in request.messages[-1].text and len(request.messages) > 4:
            return TOO_LONG
        return model(request)

    response, events = done(turn, 100_000)
    assert response.text == "All about tides."
    assert len(added(events)) >= 2


def test_without_it_the_refusal_is_raised() -> None:
    with pytest.raises(ContextTooLong):
        agent(Model(limit=9), None).run(TASK)


# --- going on from a log


def same(messages: Sequence[Message]) -> list[tuple[str, str, int]]:
    return [(message.role, message.text, message.replaces) for message in messages]


@pytest.mark.parametrize("kind", ["model", "function", "refused"])
def test_it_goes_on_from_every_event(kind: str) -> None:
    """The same messages wherever its log stops, and what the log has is not asked for again."""
    asked: list[int] = []

    def by(messages: tuple[Message, ...], info: ViewInfo) -> str:
        asked.append(len(messages))
        return "By a function."

    compact = Compaction(400, by=by) if kind == "function" else 100_000 if kind == "refused" else 400

    def fresh() -> tuple[Model, Agent[Any, Any]]:
        asked.clear()
        model = Model(pages=5, limit=8 if kind == "refused" else 10**6)
        return model, agent(model, compact)

    whole: list[Event] = []
    response, _ = run_virtual(fresh()[1].arun(TASK, on_event=whole.append))
    assert added(whole)
    for stop in range(1, len(whole), one_in(3, 1)):
        model, one = fresh()
        rest: list[Event] = []
        ended, _ = run_virtual(one.resume(whole[:stop], on_event=rest.append).result())
        check_log([*whole[:stop], *rest])
        assert ended.text == response.text
        assert same(ended.messages) == same(response.messages), stop
        left = len(added(rest))
        assert len(model.summaries) + len(asked) in (left, left - 1), stop


def test_a_parked_run_is_shortened_once() -> None:
    """The function that runs while the run is parked is waited for, and its summary is used later."""

    def by(messages: tuple[Message, ...], info: ViewInfo) -> str:
        stream.park()
        return "Parked meanwhile."

    async def main() -> None:
        stream.events()
        await stream.result()

    stream = agent(Model(), Compaction(600, by=by), keep_log=True).run_stream(TASK)
    with pytest.raises(Parked) as caught:
        run_virtual(main())
    log = list(caught.value.log)
    check_log(log, parked=True)
    rest: list[Event] = []
    later = agent(Model(), Compaction(600, by=lambda messages, info: "Later."))
    response, _ = run_virtual(later.resume(log, on_event=rest.append).result())
    check_log([*log, *rest])
    assert response.text == "All about tides."
    assert "Parked meanwhile." in added([*log, *rest])[0].text


def test_a_message_to_the_run_meanwhile_is_heard_next() -> None:
    def by(messages: tuple[Message, ...], info: ViewInfo) -> str:
        stream.steer(f"Be quick ({len(messages)}).", now=True)
        return "So far."

    async def main() -> list[Event]:
        return [event async for event in stream.events()]

    stream = agent(Model(), Compaction(600, by=by)).run_stream(TASK)
    events, _ = run_virtual(main())
    check_log(events)
    causes = [
        event.cause if isinstance(event, MessageAdded) else "step"
        for event in events
        if isinstance(event, (MessageAdded, StepStarted))
    ]
    assert "compact steer step" in " ".join(causes)
    assert not [event for event in events if isinstance(event, StepFinished) and event.finish_reason == "cancelled"]
