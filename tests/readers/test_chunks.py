from __future__ import annotations

from headwater.events import (
    CallDelta,
    ChildStarted,
    ErrorInfo,
    Event,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    StepFinished,
    TextDelta,
    TextEnded,
    TextStarted,
    WorkflowShape,
)
from headwater.events.fold import Fold
from headwater.readers.chunks import Chunks, StreamChunk


def _of(run: str, event: Event) -> Event:
    """The event as it stands in a log."""
    import msgspec

    return msgspec.structs.replace(event, run=run, path=(f"agent {run}",))


def _begun(*members: str) -> Chunks:
    """Chunks of agent a's log as it begins; of a workflow w with these members, where there are some."""
    chunks = Chunks("w" if members else "a", None, Fold())
    if members:
        chunks.of(_of("w", RunStarted(grammar=2, workflow=WorkflowShape(kind="concurrent"))))
    for member in members:
        chunks.of(_of("w", ChildStarted(child=member, name=f"agent {member}")))
        chunks.of(_of(member, RunStarted(grammar=2)))
    if not members:
        chunks.of(_of("a", RunStarted(grammar=2)))
        chunks.of(_of("a", ChildStarted(child="b", name="agent b", call="c", role="tool")))
        chunks.of(_of("b", RunStarted(grammar=2)))
    return chunks


def _chunks(events: list[Event], *members: str) -> list[StreamChunk]:
    chunks = _begun(*members)
    return [chunk for event in events if (chunk := chunks.of(event)) is not None]


def test_a_lead_comes_once_before_its_text() -> None:
    said = _chunks(
        [
            _of("a", TextStarted(step=2, part=0, lead="\n\n")),
            _of("a", TextDelta(step=2, part=0, text="x")),
            _of("a", TextDelta(step=2, part=0, text="y")),
            _of("a", TextStarted(step=2, part=1)),
            _of("a", TextDelta(step=2, part=1, text="z")),
        ]
    )
    assert [chunk.content for chunk in said] == ["\n\nx", "y", "z"]


def test_concurrent_speakers_keep_their_own_leads() -> None:
    said = _chunks(
        [
            _of("a", TextStarted(step=2, part=0, lead="\n\n")),
            _of("b", TextStarted(step=1, part=0)),
            _of("b", TextDelta(step=1, part=0, text="x")),
            _of("a", TextDelta(step=2, part=0, text="y")),
        ],
        "a",
        "b",
    )
    assert [(chunk.agent, chunk.content) for chunk in said] == [("agent b", "x"), ("agent a", "\n\ny")]


def test_a_refusal_along_with_text_is_left_out() -> None:
    said = _chunks(
        [
            _of("a", TextStarted(step=1, part=0, kind="refusal")),
            _of("a", TextStarted(step=1, part=1)),
            _of("a", TextDelta(step=1, part=0, text="no")),
            _of("a", TextDelta(step=1, part=1, text="yes")),
        ]
    )
    assert [chunk.content for chunk in said] == ["yes"]


def test_other_runs_are_left_out() -> None:
    events = [
        _of("b", TextStarted(step=1, part=0)),
        _of("b", TextDelta(step=1, part=0, text="x")),
        _of("b", StepFinished(step=1, finish_reason="tool_calls")),
        _of("b", RunFinished(finish_reason="stop")),
    ]
    assert _chunks(events) == []
    assert [_begun().details(event) for event in events] == [None] * 4


def test_other_events() -> None:
    said = _chunks(
        [
            _of("a", StepFinished(step=1, finish_reason="tool_calls")),
            _of("a", Retracted(step=2, attempt=1, chars=2)),
            _of("a", StepFinished(step=2, finish_reason="stop")),
            _of("a", TextEnded(step=2, part=0)),
            _of("a", CallDelta(step=2, call="x", json="{")),
            _of("a", RunFinished(finish_reason="stop")),
        ]
    )
    assert [(chunk.finish_reason, chunk.is_final, chunk.content) for chunk in said] == [
        ("tool_calls", False, ""),
        ("retracted", False, ""),
        ("stop", True, ""),
    ]


def test_a_cancelled_run_has_a_last_chunk_and_a_failed_one_has_none() -> None:
    (chunk,) = _chunks([_of("a", RunCancelled())])
    assert (chunk.is_final, chunk.finish_reason) == (True, "cancelled")
    assert _chunks([_of("a", RunFailed(error=ErrorInfo(type="X", message="x")))]) == []


def test_plain_says_whether_a_delta_is_its_chunk_unchanged() -> None:
    chunks = _begun()
    said = [chunks.plain]
    for event in (
        TextStarted(step=1, part=0, lead="\n"),
        TextDelta(step=1, part=0, text="x"),
        TextStarted(step=1, part=1, kind="refusal"),
    ):
        chunks.of(_of("a", event))
        said.append(chunks.plain)
    assert said == [True, False, True, False]
