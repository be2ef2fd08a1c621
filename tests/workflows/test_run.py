"""A workflow's run: its plan as a task, its members as runs that stand in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import (
    ConcurrentWorkflow,
    GraphWorkflow,
    Message,
    Response,
    SequentialWorkflow,
    Timeouts,
)
from headwater.backends.offline import Fail
from headwater.errors import (
    ConfigurationError,
    LoopMisuse,
    RunTimeout,
    ServerError,
)
from headwater.events import (
    ChildStarted,
    RunFailed,
    RunFinished,
    RunStarted,
    WorkflowShape,
)
from headwater.testing import check_log
from headwater.workflows.run import WorkflowRun, gather_or_cancel, note, passed_on
from tests.runtime.runs import log_of_run
from tests.support.members import paced, speaker
from tests.support.streams import types_of
from tests.support.virtual import run_virtual

KINDS: list[Any] = [SequentialWorkflow, ConcurrentWorkflow, GraphWorkflow]


each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


class Broken:
    name = "broken"

    def __init__(self, stream: Callable[..., Any]) -> None:
        self.run_stream = stream


async def _coroutine(message: Any, context: Any = None) -> Any: ...


async def _generator(message: Any, context: Any = None) -> Any:
    yield "text"


@each_kind
@pytest.mark.parametrize("stream", [_coroutine, _generator, lambda message, context=None: "text"])
def test_a_member_without_a_stream_is_an_error_with_advice(kind: Any, stream: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"run_stream of 'broken' returned .*, not an AgentStream"):
        kind([Broken(stream)]).run("Go.")


def test_a_member_whose_stream_cannot_be_created_fails_like_any_member() -> None:
    def refuse(message: Any, context: Any = None) -> Any:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        SequentialWorkflow([Broken(refuse)]).run("Go.")


def test_a_stream_that_was_read_already_is_refused() -> None:
    stream = speaker("a").run_stream("Go.")
    stream.result_sync()
    with pytest.raises(LoopMisuse, match="read already"):
        SequentialWorkflow([Broken(lambda message, context=None: stream)]).run("Go.")


# --- a plan of one's own

Steps = Callable[[WorkflowRun], Coroutine[Any, Any, None]]
TASK = (Message.user("Go."),)


def planned(plan: Steps, **options: Any) -> WorkflowRun:
    shape = options.pop("shape", WorkflowShape(kind="sequential", members=("ann", "bob")))
    return WorkflowRun("team", plan, shape, input=TASK, **options)


def test_a_plan_runs_members_in_one_log() -> None:
    async def plan(run: WorkflowRun) -> None:
        first = await run.ask(speaker("ann"), run.input, final=False)
        assert first == "ann says hi there."
        await run.ask(speaker("bob"), passed_on(run.input, {"ann": first}), final=True, after=[first])

    async def main() -> None:
        run = planned(plan, context={"user": 7})
        log = await log_of_run(run)
        check_log(log)
        assert isinstance(log[0], RunStarted)
        assert (log[0].workflow, log[0].context) == (run.node.shape, {"user": 7})
        children = [event for event in log if isinstance(event, ChildStarted)]
        assert [(event.name, event.final, event.after) for event in children] == [
            ("ann", False, ()),
            ("bob", True, (children[0].child,)),
        ]
        assert isinstance(log[-1], RunFinished)
        assert log[-1].answer == (children[1].child,)
        assert run.response() == "bob says hi there."

    run_virtual(main())


def test_no_more_members_are_asked_at_once_than_allowed() -> None:
    async def plan(run: WorkflowRun) -> None:
        await gather_or_cancel(run.ask(paced(name, 1, 5.0), run.input, final=None) for name in "abcd")

    async def main() -> None:
        check_log(await log_of_run(planned(plan, max_concurrency=2)))

    _, seconds = run_virtual(main())
    assert seconds == 10


def test_what_a_member_raises_ends_the_run_unless_it_is_collected() -> None:
    async def plan(run: WorkflowRun) -> None:
        await run.ask(speaker("ann", Fail(500), retries=0), run.input, final=None)
        await run.ask(speaker("bob"), run.input, final=None)

    async def main() -> None:
        raising = planned(plan)
        log = await log_of_run(raising)
        check_log(log)
        assert isinstance(log[-1], RunFailed)
        with pytest.raises(ServerError) as caught:
            raising.raise_error()
        assert caught.value.__notes__ == ["'ann' was running in 'team'."]
        assert [*caught.value.response.members] == ["ann"]
        shape = WorkflowShape(kind="sequential", members=("ann", "bob"), collect=True)
        collecting = planned(plan, shape=shape)
        check_log(await log_of_run(collecting))
        collecting.raise_error()
        assert isinstance(collecting.of("ann").error, ServerError)
        assert collecting.response() == "bob says hi there."

    run_virtual(main())


def test_an_exception_of_a_plan_ends_the_run() -> None:
    async def plan(run: WorkflowRun) -> None:
        raise ConfigurationError("No way.")

    async def main() -> None:
        run = planned(plan)
        log = await log_of_run(run)
        assert types_of(log) == ["run.started", "run.failed"]
        with pytest.raises(ConfigurationError, match="No way"):
            run.raise_error()

    run_virtual(main())


def test_where_the_runs_clock_runs_out_its_plan_is_stopped() -> None:
    stopped: list[bool] = []

    async def plan(run: WorkflowRun) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            stopped.append(True)

    async def main() -> None:
        run = planned(plan, timeouts=Timeouts(run=5))
        check_log(await log_of_run(run))
        assert isinstance(run.error, RunTimeout)
        await run.settle()
        assert stopped == [True]

    _, seconds = run_virtual(main())
    assert seconds == 5


# --- helpers of plans


def test_other_answers_follow_the_task_under_their_names() -> None:
    assert passed_on(TASK, {}) == TASK
    task, said = passed_on(TASK, {"ann": "One.", "bob": Response("Two.")})
    assert task == TASK[0]
    assert said == Message.user("ann has answered:\n\nOne.\n\nbob has answered:\n\nTwo.")


def test_a_note_is_written_once() -> None:
    error = ServerError("It broke.")
    for _ in range(2):
        note(error, "'ann' was running in 'team'.")
    note(error, "'team' was running in 'top'.")
    assert error.__notes__ == ["'ann' was running in 'team'.", "'team' was running in 'top'."]


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=5))
def test_where_one_fails_the_others_are_cancelled_and_waited_for(work: list[tuple[int, bool]]) -> None:
    async def main() -> None:
        async def one(number: int, seconds: int, fails: bool) -> int:
            await asyncio.sleep(seconds)
            if fails:
                raise LookupError(number)
            return number

        tasks = [one(number, *how) for number, how in enumerate(work)]
        if not any(fails for _, fails in work):
            assert await gather_or_cancel(tasks) == [*range(len(work))]
        else:
            with pytest.raises(LookupError):
                await gather_or_cancel(tasks)
            assert asyncio.get_running_loop().time() == min(seconds for seconds, fails in work if fails)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())
