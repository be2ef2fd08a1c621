"""Saved runs of released versions, forever: every later version reads them, plays them, goes on with them, asks them.

The files are written by `freeze`, once a release, and never edited; see README.md.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from headwater import AgentStream, Model, RunFile
from headwater.errors import HeadwaterError, InvalidRecord
from headwater.events import End, Event, RunStarted, decode, encode, tree_response
from headwater.testing import check_log, run_virtual
from tests.backends.replay.test_saved_run import every_agent
from tests.frozen.declared import RUNS, Reading
from tests.frozen.freeze import facts

HERE = Path(__file__).parent
FILES = {f"{path.parent.name}/{path.stem}": path for path in sorted(HERE.glob("runs_*/*.jsonl"))}
OURS = {name: path for name, path in FILES.items() if path.stem in RUNS}
"""Those that can be gone on with: they were written by grammar 2."""

DIGESTS: Final = {
    "runs_0_2": "8f23442cd258f1f0aa3a0c6ac882d8036aaa3b5ce9b0fe0af26e76fad6bdf188",
}
"""Of all the files of a version, names and bytes: so that none is edited, lost or made anew by accident."""


@cache
def file(name: str) -> RunFile:
    return RunFile(FILES[name])


def said(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(FILES[name].with_suffix(".json").read_bytes())
    return told


def holds(told: Any, known: Any) -> None:
    """What was known then is known now; a later version may know more."""
    if isinstance(known, dict):
        for key, value in known.items():
            holds(told[key], value)
    else:
        assert told == known


def test_no_file_was_touched_and_no_kind_is_missing() -> None:
    for version, digest in DIGESTS.items():
        whole = hashlib.sha256()
        paths = sorted((HERE / version).iterdir())
        for path in paths:
            whole.update(path.name.encode() + b"\0" + path.read_bytes())
        assert whole.hexdigest() == digest, version
        assert {path.stem for path in paths} >= {*RUNS, "from_0_1"}


@pytest.mark.parametrize("name", FILES)
def test_what_is_read_is_written_back_unchanged(name: str) -> None:
    for line in FILES[name].read_bytes().splitlines()[1:]:
        event, then = decode(line), json.loads(line)
        again = json.loads(encode(event, stamps=True))
        assert event.extra is None
        assert again.keys() <= then.keys()
        defaults = {field.encode_name: field.default for field in msgspec.structs.fields(event)}
        for key, value in then.items():  # a default may be written or not
            assert again.get(key, defaults.get(key)) == value


@pytest.mark.parametrize("name", FILES)
def test_it_keeps_the_laws_and_comes_to_what_it_did(name: str) -> None:
    events = file(name).events
    whole = isinstance(events[-1], End)
    check_log(events, parked=not whole)
    if name in OURS:
        assert (events[-1].type if whole else "") == RUNS[OURS[name].stem].end
    holds(facts(file(name).response), said(name))


async def read_on(stream: AgentStream[Any, Any], then: Reading = lambda stream, event: None) -> tuple[list[Event], str]:
    """What a run says from here on, with what is done at its events; and the name of the error that it raises."""
    new: list[Event] = []
    try:
        async for event in stream.events():
            new.append(event)
            then(stream, event)
    except HeadwaterError as error:
        return new, type(error).__name__
    return new, ""


@pytest.mark.parametrize("name", FILES)
def test_it_is_played(name: str) -> None:
    async def main() -> None:
        events, stream = file(name).events, file(name).play(speed=0)
        played, error = await read_on(stream)
        assert played == [*events]
        end: Any = events[-1]
        assert error == (end.error.type if end.type == "run.failed" else "" if isinstance(end, End) else "Parked")
        holds(facts(stream.response), said(name))

    run_virtual(main())


def allow(stream: AgentStream[Any, Any], event: Event) -> None:
    """Allow what is asked, and answer with 3."""
    for question in stream.pending:
        if question.kind == "approval":
            stream.approve(question.id)
        else:
            stream.answer(question.id, 3)


OTHERWISE: Final = ("denied", "changed", "steered", "retracted")
"""What these come to depends on what people did, or on how often a model was asked."""


@pytest.mark.parametrize("name", OURS)
def test_it_is_gone_on_with_from_wherever_it_stops(name: str) -> None:
    declared, events = RUNS[OURS[name].stem], file(name).events

    async def main() -> None:
        for size in {*range(1, len(events), 7), len(events)}:
            before = events[:size]
            new, _ = await read_on(declared.make().resume(before, on_changed="warn"), allow)
            check_log([*before, *new])
            if size == len(events) and declared.end:
                assert not new
            elif declared.end == "run.finished" and OURS[name].stem not in OTHERWISE:
                assert facts(tree_response([*before, *new])).get("text") == said(name).get("text")
            else:
                assert isinstance(new[-1], End)

    run_virtual(main())


@pytest.mark.parametrize("name", OURS)
def test_its_models_answer_again(name: str) -> None:
    declared = RUNS[OURS[name].stem]
    runnable, model = declared.make(), Model(f"replay:{FILES[name]}?speed=0")
    for agent in every_agent(runnable):
        agent.model = model

    async def main() -> None:
        log, error = await read_on(runnable.run_stream(declared.task, keep_log=True), declared.read)
        assert bool(error) == (declared.end in ("", "run.failed"))
        check_log(log, parked=not declared.end)
        told, then = facts(tree_response(log)), said(name)
        assert {key: told.get(key) for key in ("text", "agent", "unheard", "partial")} == {
            key: then.get(key) for key in ("text", "agent", "unheard", "partial")
        }

    run_virtual(main())


@pytest.mark.parametrize("name", [name for name in FILES if name not in OURS])
def test_an_older_one_is_read_and_not_gone_on_with(name: str) -> None:
    started = file(name).started
    assert isinstance(started, RunStarted)
    assert started.grammar == 1
    with pytest.raises(InvalidRecord, match=r"headwater 0\.1"):
        RUNS["agent"].make().resume(file(name).events)
