"""A run as a file: written while it happens, read up to where it is truncated, replayed, and forked."""

from __future__ import annotations

import asyncio
import gzip
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from headwater import Agent, RunFile, tool
from headwater.backends.offline import Call, Cut, ScriptedModel, Wait
from headwater.errors import ApprovalNeeded, ConfigurationError, IncompleteStream, InvalidRecord, Parked
from headwater.events import ApprovalAsked, Event, decode, encode
from headwater.providers.request import Request
from headwater.readers.run_file import run_files
from headwater.workflows import ConcurrentWorkflow
from tests.support.streams import scripted
from tests.support.virtual import run_virtual


@pytest.fixture(params=["run.jsonl", "run.jsonl.gz"])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return tmp_path / str(request.param)


def saved(path: Path, **more: Any) -> list[Event]:
    log: list[Event] = []
    scripted("The moon ", **more).run("Why?", save=path, on_event=log.append)
    return log


def test_it_has_the_log(path: Path) -> None:
    log = saved(path)
    file = RunFile(path)
    assert file.events == tuple(log)
    assert not file.cut
    assert (file.run_id, file.started, str(file.response)) == (log[0].run, log[0], "The moon ")


def test_it_is_the_log_to_resume(path: Path) -> None:
    log = saved(path)
    assert list(RunFile(path)) == log
    assert scripted("The moon ").resume(RunFile(path), on_changed="warn").result_sync() == "The moon "


def test_a_process_that_resumes_a_file_and_dies_at_any_moment_loses_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that is resumed is replaced by one that has the whole log already."""
    log, held, replace = saved(path), list[list[Event]](), os.replace

    def looking(*names: Any) -> None:
        held.append([*RunFile(path).events])
        replace(*names)
        held.append([*RunFile(path).events])

    monkeypatch.setattr(os, "replace", looking)
    stream = scripted("The moon ").resume(RunFile(path), save=path, on_changed="warn")
    assert held == [log, log]
    assert stream.result_sync() == "The moon "
    assert RunFile(path).events == tuple(log)
    assert not RunFile(path).cut


@pytest.mark.parametrize("wrong", [None, 3, b"run.jsonl", [], "a\0b", "\ud800"])
def test_a_run_file_requires_a_path(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not a path"):
        RunFile(wrong)


def test_repr(path: Path) -> None:
    log = saved(path)
    assert repr(RunFile(path)) == f"RunFile({str(path)!r}, {len(log)} events of {log[0].path[-1]!r})"


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
def test_it_is_private_also_when_it_replaces_a_file(path: Path) -> None:
    saved(path)
    path.chmod(0o644)
    saved(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_contains_no_key(path: Path) -> None:
    agent: Agent = Agent(model="offline", api_key="sk-canary-1234567890")
    agent.run("Why?", save=path)
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    assert b"canary" not in data


@pytest.mark.parametrize("step", [1, 7])
def test_truncated_anywhere_it_is_a_prefix_or_refused(path: Path, step: int) -> None:
    log = saved(path)
    data, refused, found = path.read_bytes(), 0, set()
    for size in range(0, len(data), step):
        path.write_bytes(data[:size])
        try:
            file = RunFile(path)
        except InvalidRecord:
            refused += 1
            continue
        assert file.events == tuple(log[: len(file.events)])
        found.add(len(file.events))
    assert refused
    assert max(found) >= len(log) - 1


def test_the_log_of_a_killed_process_is_readable_up_to_its_last_step(path: Path) -> None:
    stream = scripted(["One.", Wait(5.0)]).run_stream("Why?", save=path)
    next(iter(stream))
    assert RunFile(path).events[0].type == "run.started"
    stream.close()
    assert RunFile(path).events[-1].type == "run.cancelled"


def test_a_folder_gets_a_file_per_run(tmp_path: Path) -> None:
    for _ in range(2):
        scripted("Hi.").run("Why?", save=tmp_path / "runs")
    paths = list(run_files(iter([tmp_path / "runs"])))
    assert len({RunFile(one).run_id for one in paths}) == 2


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("run.txt", "not a valid file name for a run"),
        ("run.jsonl/x/y.jsonl", "Cannot save the run"),
        ("a\0b.jsonl", "Cannot save the run"),
        ("a\0b", "Cannot save the run"),
        ("x" * 300 + ".jsonl", "Cannot save the run"),
    ],
)
def test_an_unwritable_path_is_reported_before_the_run(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "run.jsonl").write_text("a file")
    with pytest.raises(ConfigurationError, match=says):
        scripted("Hi.").run("Why?", save=tmp_path / name)


@pytest.mark.parametrize("path", [b"run.jsonl", 3, True])
def test_anything_but_a_path_is_reported_before_the_run(path: Any) -> None:
    with pytest.raises(ConfigurationError, match="Cannot save the run"):
        scripted("Hi.").run("Why?", save=path)


@pytest.mark.skipif(os.name == "nt", reason="links are POSIX's")
def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").symlink_to(tmp_path / "other")
    scripted("Hi.").run("Why?", save=tmp_path / "run.jsonl")
    assert str(RunFile(tmp_path / "run.jsonl").response) == "Hi."
    assert [one.name for one in tmp_path.iterdir()] == ["run.jsonl"]


@pytest.mark.parametrize(
    "data",
    [b"", b"no json\n", b'{"type": "recording"}\n', b'{"type": "headwater.run", "v": 2}\n', b"\x1f\x8bxx"],
)
def test_anything_but_a_saved_run_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "run.jsonl").write_bytes(data)
    with pytest.raises(InvalidRecord):
        RunFile(tmp_path / "run.jsonl")


# --- played


def test_it_is_replayed_at_its_times(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    saved(path)
    head, *lines = path.read_bytes().splitlines()
    begun = RunFile(path).events[0].time
    late = [structs.replace(decode(line), time=begun + 2 * at) for at, line in enumerate(lines)]
    path.write_bytes(b"\n".join([head, *(encode(event, stamps=True) for event in late)]) + b"\n")
    file = RunFile(path)

    async def main() -> None:
        await file.play(speed=2.0).result()

    assert run_virtual(main())[1] == pytest.approx((file.events[-1].time - begun) / 2)


def test_leaving_a_replay_adds_nothing(path: Path) -> None:
    log = saved(path)
    stream = RunFile(path).play(speed=0)
    for _ in stream:
        break
    assert stream.response.partial
    stream = RunFile(path).play(speed=0)
    seen = []
    for event in stream.events():
        seen.append(event)
        if len(seen) == 3:
            stream.cancel()
    assert seen == log[:3]


def test_a_replayed_failure_fails_again(path: Path) -> None:
    with pytest.raises(IncompleteStream):
        scripted(["Half", Cut()]).run("Why?", save=path)
    with pytest.raises(IncompleteStream):
        RunFile(path).play(speed=0).result_sync()


def test_a_log_without_an_end_is_replayed_to_its_last_event(path: Path) -> None:
    stream = scripted("One two.", keep_log=True).run_stream("Why?", save=path)
    for _ in stream:
        stream.park(now=True)
        break
    with pytest.raises(Parked):
        RunFile(path).play(speed=0).result_sync()


@pytest.mark.parametrize("speed", [-1, float("nan"), "fast", True, 10**400, float("inf")])
def test_an_invalid_speed(path: Path, speed: Any) -> None:
    saved(path)
    with pytest.raises(ConfigurationError, match="speed must be"):
        RunFile(path).play(speed)


# --- forked


def test_a_fork_continues_with_another_model_and_message(path: Path) -> None:
    scripted("The moon pulls.").run("Why?", save=path)
    other = Agent(model=ScriptedModel([lambda request: " ".join(one.text for one in request.messages)]))
    stream = RunFile(path).fork(other, step=1, message="Shorter.", save=path.with_name("fork.jsonl"))
    assert stream.result_sync() == "Why? The moon pulls. Shorter."
    fork = RunFile(path.with_name("fork.jsonl"))
    assert fork.started.forked_from is not None
    assert fork.started.forked_from.run == RunFile(path).run_id


def test_a_missing_step(path: Path) -> None:
    saved(path)
    with pytest.raises(ConfigurationError, match="has no finished step 3"):
        RunFile(path).fork(scripted("Hi."), step=3)


@pytest.mark.parametrize("run", ["headwater", ["headwater"], ("headwater",)])
def test_a_run_is_selected_by_its_name_or_its_path(path: Path, run: Any) -> None:
    scripted("The moon pulls.", name="headwater").run("Why?", save=path)
    stream = RunFile(path).fork(scripted("Hi.", name="headwater"), step=1, run=run)
    assert stream.result_sync() == "The moon pulls."


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ({"at": -1}, "There is no event -1"),
        ({"at": 10_000}, "There is no event 10000"),
        ({"at": "3"}, "There is no event '3'"),
        ({"at": True}, "There is no event True"),
        ({"at": 2, "step": 1}, "both say where to fork"),
        ({"run": ("team", "writer")}, "there is no step="),
        ({"run": 3, "step": 1}, "run= is 3"),
        ({"run": b"x", "step": 1}, "run= is b'x'"),
        ({"step": True}, "no finished step True"),
        ({"step": []}, r"no finished step \[\]"),
    ],
)
def test_a_place_that_does_not_exist(path: Path, place: dict[str, Any], says: str) -> None:
    saved(path)
    with pytest.raises(ConfigurationError, match=says):
        RunFile(path).fork(scripted("Hi."), **place)


@pytest.mark.parametrize("agent", [None, 3, "headwater", object()])
def test_only_an_agent_or_a_workflow_continues_a_fork(path: Path, agent: Any) -> None:
    saved(path)
    with pytest.raises(ConfigurationError, match="cannot continue a run"):
        RunFile(path).fork(agent)


def test_a_fork_of_a_finished_run_rejects_a_message(path: Path) -> None:
    saved(path)
    copy = path.with_name("fork.jsonl")
    with pytest.raises(ConfigurationError, match="no model would read the message"):
        RunFile(path).fork(scripted("Hi."), message="Shorter.", save=copy)
    assert not copy.exists()


def test_a_fork_asks_about_tools_that_had_started(path: Path) -> None:
    ran: list[str] = []

    async def slow() -> str:
        """Be slow."""
        ran.append("slow")
        await asyncio.sleep(5)
        return "at last"

    def turn(request: Request) -> Any:
        return "Done." if request.messages[-1].role == "tool" else Call("slow")

    def team() -> Any:
        one = Agent(name="one", model=ScriptedModel(turn), tools=[slow])
        return ConcurrentWorkflow([one, Agent(name="two", model=ScriptedModel([[Wait(1.0), "Two."]]))])

    async def main() -> None:
        await team().run_stream("go", save=path).result()
        file = RunFile(path)
        stream = file.fork(team(), step=1, run=("concurrent-workflow", "two"))
        asked = []
        async for event in stream.events():
            if isinstance(event, ApprovalAsked):
                asked.append(event)
                stream.deny(event.approval)
        assert [event.name for event in asked] == ["slow"]
        assert ran == ["slow"]

    run_virtual(main())


# --- what waits


@tool(approval=True)
async def send(to: str) -> str:
    """Send a mail."""
    return f"sent to {to}"


def clerk() -> Agent[Any, Any]:
    turns: Any = {"user": Call("send", {"to": "ann"}), "tool": "Sent."}
    return Agent(name="clerk", model=ScriptedModel(lambda request: turns[request.messages[-1].role]), tools=[send])


def waiting(path: Path) -> RunFile:
    with pytest.raises(ApprovalNeeded):
        clerk().run("Write to Ann.", save=path)
    return RunFile(path)


def test_a_waiting_run_in_a_file_is_answered_and_continues_in_it(path: Path) -> None:
    file = waiting(path)
    assert file.end is None
    (question,) = file.pending
    assert (question.kind, question.tool, question.arguments, question.agent) == (
        "approval",
        "send",
        {"to": "ann"},
        "clerk",
    )
    assert file.resume(clerk(), approvals={question.id: True}).result_sync() == "Sent."
    after = RunFile(path)
    assert (after.run_id, after.pending) == (file.run_id, ())
    assert after.end is not None
    assert after.end.type == "run.finished"


def test_a_run_continues_in_another_file_or_in_none(path: Path) -> None:
    file, before = waiting(path), path.read_bytes()
    answer = {file.pending[0].id: False}
    other = path.with_name("other.jsonl")
    assert file.resume(clerk(), approvals=answer, save=other).result_sync() == "Sent."
    assert file.resume(clerk(), approvals=answer, save=None).result_sync() == "Sent."
    assert path.read_bytes() == before
    assert RunFile(other).run_id == file.run_id


def test_questions_of_a_tree_are_in_the_order_in_which_they_were_asked(path: Path) -> None:
    with pytest.raises(ApprovalNeeded) as needed:
        ConcurrentWorkflow([clerk(), *(Agent(name=f"a{n}", model=clerk().llm, tools=[send]) for n in range(3))]).run(
            "Write.", save=path
        )
    assert RunFile(path).pending == needed.value.pending
    assert len(RunFile(path).pending) == 4


def test_a_run_that_waits_is_not_replaced(path: Path) -> None:
    file, before = waiting(path), path.read_bytes()
    with pytest.raises(ConfigurationError, match=f"can be resumed, so it is not replaced: {file.run_id}"):
        saved(path)
    with pytest.raises(ConfigurationError, match="can be resumed"):
        file.fork(clerk(), save=path)
    assert path.read_bytes() == before


def test_a_file_without_a_run_is_not_replaced_and_an_empty_one_is(path: Path) -> None:
    path.write_text('{"port": "Brest"}\n')
    with pytest.raises(ConfigurationError, match="exists and is not a saved run, so it is not replaced"):
        saved(path)
    assert path.read_text() == '{"port": "Brest"}\n'
    path.write_text("")
    assert tuple(saved(path)) == RunFile(path).events


def test_a_run_that_has_ended_is_replaced(path: Path) -> None:
    first, second = saved(path), saved(path)
    assert RunFile(path).run_id == second[0].run != first[0].run


@pytest.mark.parametrize("agent", [None, 3, "headwater", object()])
def test_only_an_agent_or_a_workflow_resumes(path: Path, agent: Any) -> None:
    saved(path)
    with pytest.raises(ConfigurationError, match=r"cannot continue a run.*file\.resume\(agent\)"):
        RunFile(path).resume(agent)


def test_a_log_without_a_file_is_read_the_same_way(path: Path) -> None:
    log = saved(path)
    file, of_log = RunFile(path), RunFile.of_log(log)
    assert (of_log.events, of_log.cut, of_log.end, of_log.pending) == (file.events, False, file.end, ())
    assert of_log.path == Path(f"{file.run_id}.jsonl.gz")
    assert of_log.response == file.response == of_log.play(speed=0).result_sync()
    for other in ([], log[1:]):
        with pytest.raises(InvalidRecord, match="does not begin with"):
            RunFile.of_log(other)


def test_a_file_whose_lines_were_removed_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    saved(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(one for one in lines if b'"step.started"' not in one))
    with pytest.raises(InvalidRecord, match=r"run\.jsonl is damaged"):
        _ = RunFile(path).response
    with pytest.raises(InvalidRecord, match="outside any step"):
        list(RunFile(path).play(speed=0))
