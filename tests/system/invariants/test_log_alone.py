"""The law of the log, tried on made-up runs and in another process; and what it has brought to light."""

from __future__ import annotations

from typing import Any

from headwater import Agent
from headwater.backends.offline import Say, ScriptedModel
from headwater.events import Event
from headwater.events.answers import tree_response
from headwater.events.checker import check_log
from headwater.workflows import ConcurrentWorkflow, SequentialWorkflow
from tests.support.virtual import run_virtual
from tests.system.invariants.late_reader import known

# --- what the law has brought to light


def _speaker(name: str, *turn: Any, **options: Any) -> Agent[Any, Any]:
    return Agent(name=name, model=ScriptedModel(lambda request: [Say(["Hi ", "there."]), *turn]), **options)


def _nested(inner: Any) -> ConcurrentWorkflow:
    return ConcurrentWorkflow([SequentialWorkflow([inner, _speaker("b")], name="left"), _speaker("c")], name="top")


def test_a_run_that_is_stopped_before_its_first_event_took_no_time() -> None:
    async def main() -> None:
        for stop in range(30):
            log: list[Event] = []
            stream = _nested(_speaker("a")).run_stream("Go.", on_event=log.append)
            async for event in stream.events():
                if event.seq == stop:
                    stream.cancel()
            check_log(log)
            assert known(stream.response) == known(tree_response(log))

    run_virtual(main())
