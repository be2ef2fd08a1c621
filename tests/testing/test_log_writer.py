"""A log that is written by hand is numbered, and keeps its own book."""

from __future__ import annotations

import msgspec

from headwater.events import ErrorInfo, RunFinished, StepFinished, TextDelta
from headwater.events.messages import Message, Usage
from headwater.testing import check_log
from headwater.testing.log_writer import LogWriter


def test_a_run_says_what_happens_and_the_rest_follows() -> None:
    writer = LogWriter()
    top = writer.begin("writer", "How is Paris?")
    top.answer("It is sunny.")
    top.finish()
    check_log(writer.log)
    assert writer.runs == {"run_1": top}
    finished = next(event for event in writer.log if isinstance(event, StepFinished))
    assert finished.message == msgspec.structs.replace(
        Message.assistant("It is sunny."), api="offline", model="scripted"
    )
    assert [event.text for event in writer.log if isinstance(event, TextDelta)] == ["It", " is", " sunny."]
    end = writer.log[-1]
    assert isinstance(end, RunFinished)
    assert end.usage == Usage(input_tokens=10, output_tokens=5)


def test_steps_are_parted_by_leads_and_children_ended_where_they_stand() -> None:
    writer = LogWriter()
    top = writer.begin("writer")
    top.answer("One.", final=False)
    top.answer("Two.")
    helper = top.child("title", role="helper")
    helper.fail(ErrorInfo(type="Overloaded", message="busy"))
    top.finish()
    check_log(writer.log)
    assert top.fold.transcript == "One.\n\nTwo."
    assert [event.seq for event in writer.log] == list(range(len(writer.log)))
