"""Changes to a log that do not matter; any other change is refused, and never causes another error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.events import (
    CallDelta,
    Event,
    InputAsked,
    MessageReceived,
    ReasoningDelta,
    RunFinished,
    RunStarted,
    TextDelta,
    Unknown,
)
from headwater.events.checker import LogError, check_log
from headwater.events.codec import decode, encode
from headwater.events.fold import Fold, fold
from headwater.events.messages import Message
from headwater.events.response import Response
from headwater.testing.handmade_logs import handmade_logs
from tests.events.checker.edits import Log, numbered
from tests.support.effort import tries
from tests.support.logs import check_history, folds, full_log

NAMES = [*handmade_logs(), "of grammar 1"]


def log_of(name: str) -> Log:
    return full_log() if name == "of grammar 1" else list(handmade_logs()[name])


def is_parked(log: Sequence[Event]) -> bool:
    return not any(event.type in ("run.finished", "run.failed", "run.cancelled") for event in log if not event.path[1:])


def check(log: Sequence[Event], *, parked: bool, trimmed: bool = False) -> None:
    check_log(log, parked=parked, trimmed=trimmed)
    if parked:
        with pytest.raises(LogError, match="has no end"):
            check_log(log, trimmed=trimmed)


def meaning(log: Sequence[Event]) -> dict[str, Any]:
    """Each run's result, without its id and times."""
    return {run: facts(known) for run, known in folds(log).items()}


def facts(known: Fold) -> dict[str, Any]:
    response: Response[Any] = known.response()
    timed = ("run_id", "duration", "time_to_first_token", "tokens_per_second")
    told = {name: value for name, value in response.__dict__.items() if name not in timed}
    return {**told, "sent": list(known.sent), "to_run": known.calls_to_run(), "asked": list(known.asked.open.values())}


# --- changes without effect


def renamed(log: Log) -> Log:
    """Replaces the ids of runs everywhere, and those of messages and questions."""

    def other(value: Any) -> Any:
        if isinstance(value, str):
            return names.get(value, value)
        return tuple(map(other, value)) if isinstance(value, tuple) else value

    names = {event.run: f"other-{event.run}" for event in log}
    names |= {event.child: f"other-{event.child}" for event in log if event.type == "child.started"}  # type: ignore[attr-defined]
    ids = ("run", "parent", "child", "after", "answer", "ids", "idempotency_key")
    names |= {
        f"{run}/{event.call}": f"{new}/{event.call}"  # type: ignore[attr-defined]
        for event in log
        if event.type == "tool.started"
        for run, new in [*names.items()]
    }
    return [
        msgspec.structs.replace(
            event, **{name: other(getattr(event, name)) for name in ids if name in event.__struct_fields__}
        )
        for event in log
    ]


def shifted(log: Log) -> Log:
    return [msgspec.structs.replace(event, time=2 * event.time + 7) for event in log]


def at_once(log: Log) -> Log:
    return [msgspec.structs.replace(event, time=log[0].time) for event in log]


def with_newer_events(log: Log) -> Log:
    """Inserts an event of a newer version after each event that is not its run's end."""
    changed: Log = []
    for event in log:
        changed.append(event)
        if event.type not in ("run.finished", "run.failed", "run.cancelled"):
            changed.append(Unknown(name="dream.started", body={}, run=event.run, path=event.path))
    return numbered(changed)


def with_newer_fields(log: Log) -> Log:
    return [msgspec.structs.replace(event, extra={"mood": "glad"}) for event in log]


def in_letters(log: Log) -> Log:
    """Splits each delta into pieces of one character."""
    changed: Log = []
    for event in log:
        match event:
            case TextDelta() | ReasoningDelta():
                changed += [msgspec.structs.replace(event, text=letter) for letter in event.text]
            case CallDelta():
                changed += [msgspec.structs.replace(event, json=letter) for letter in event.json]
            case _:
                changed.append(event)
    return numbered(changed)


def as_json(log: Log) -> Log:
    return [decode(encode(event, stamps=True)) for event in log]


NEUTRAL: dict[str, Callable[[Log], Log]] = {
    "other ids": renamed,
    "other times": shifted,
    "all at once": at_once,
    "events of a newer version": with_newer_events,
    "fields of a newer version": with_newer_fields,
    "deltas in letters": in_letters,
    "as JSON": as_json,
}


@pytest.mark.parametrize("how", NEUTRAL)
@pytest.mark.parametrize("name", NAMES)
def test_changes_without_effect_keep_the_result(name: str, how: str) -> None:
    log = log_of(name)
    changed = NEUTRAL[how](log)
    assert changed != log or how == "as JSON"
    check(changed, parked=is_parked(log))
    assert list(_plain(meaning(changed)).values()) == list(_plain(meaning(log)).values())


def _plain(meant: dict[str, Any]) -> dict[str, Any]:
    """Removes the stamps of the open questions."""
    for told in meant.values():
        told["asked"] = [msgspec.structs.replace(asked, seq=0, time=0.0, run="", extra=None) for asked in told["asked"]]
    return meant


# --- trimmed


def trimmed(log: Sequence[Event]) -> Log:
    return [event for event in log if not isinstance(event, (TextDelta, ReasoningDelta, CallDelta))]


@pytest.mark.parametrize("name", NAMES)
def test_deltas_may_be_left_out(name: str) -> None:
    log = log_of(name)
    short = trimmed(log)
    check(short, parked=is_parked(log), trimmed=True)
    check(log, parked=is_parked(log), trimmed=True)
    if len(short) < len(log):
        with pytest.raises(LogError, match="'seq'"):
            check_log(short, parked=True)
    for run, known in folds(short).items():
        whole, told = folds(log)[run].response(), known.response()
        for fact in ("text", "transcript", "reasoning", "refusal", "tool_calls", "messages", "usage", "finish_reason"):
            assert getattr(told, fact) == getattr(whole, fact)


def test_a_trimmed_log_is_checked_for_the_other_rules() -> None:
    log = trimmed(log_of("approved"))
    check_log(log, trimmed=True)
    for at in range(1, len(log)):
        with pytest.raises(LogError):
            check_log([*log[:at], msgspec.structs.replace(log[at], seq=log[at - 1].seq), *log[at + 1 :]], trimmed=True)
    with pytest.raises(LogError, match="'seq'"):
        check_log(log[1:], trimmed=True)
    finished = next(at for at, event in enumerate(log) if event.type == "step.finished")
    message = log[finished].message  # type: ignore[attr-defined]
    other = msgspec.structs.replace(
        log[finished], message=msgspec.structs.replace(message, content=message.content[:1])
    )
    with pytest.raises(LogError, match="'message'"):
        check_log([*log[:finished], other, *log[finished + 1 :]], trimmed=True)


# --- prefixes and damage


@pytest.mark.parametrize("name", NAMES)
def test_every_prefix_of_a_log_has_a_result(name: str) -> None:
    log = log_of(name)
    for end in range(len(log) + 1):
        for known in folds(log[:end]).values():
            response = known.response(now=log[-1].time)
            check_history(_without_client_results(response.messages))
            given = [msgspec.json.encode(call.arguments).decode() for call in response.tool_calls]
            assert response.transcript.endswith(response.text) or response.text in given
            assert known.closing("It was stopped.", now=log[-1].time) is not None
        fold(log[:end])


def _without_client_results(messages: Sequence[Any]) -> list[Any]:
    """The client's answers are at the start of the next input, in a message of their own."""
    return [message for message in messages if not _is_of_the_client(message, messages)]


def _is_of_the_client(message: Any, messages: Sequence[Any]) -> bool:
    theirs = {call.id for one in messages for call in one.tool_calls if call.by == "client"}
    return message.role == "tool" and all(part.id in theirs for part in message.content)


@given(name=st.sampled_from(NAMES), data=st.data())
@settings(max_examples=tries(75, 300), deadline=None)
def test_a_damaged_log_is_valid_or_refused(name: str, data: st.DataObject) -> None:
    log = log_of(name)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(log) - 1))
        match data.draw(st.sampled_from(["drop", "double", "swap", "move", "cut", "another"])):
            case "drop":
                del log[at]
            case "double":
                log.insert(at, log[at])
            case "swap":
                log[at - 1], log[at] = log[at], log[at - 1]
            case "move":
                log.insert(data.draw(st.integers(0, len(log) - 1)), log.pop(at))
            case "cut":
                del log[at + 1 :]
            case "another":
                other = data.draw(st.sampled_from(_OTHERS))
                log.insert(at, msgspec.structs.replace(other, run=log[at].run, path=log[at].path))
        if not log:
            break
    for parked in (False, True):
        for short in (False, True):
            try:
                check_log(numbered(log), parked=parked, trimmed=short)
            except LogError:
                continue
            for known in folds(log).values():
                known.response()


_OTHERS: list[Event] = [
    *{event.type: event for name in handmade_logs() for event in handmade_logs()[name]}.values(),
    RunStarted(grammar=9),
    RunFinished(answer=("nobody",)),
    InputAsked(input="", call="", name=""),
    MessageReceived(key="", message=Message.user("x")),
]
