"""Runs that wait for a person, and logs that another agent wrote."""

from __future__ import annotations

import contextlib
import tempfile

from headwater import Agent, GraphWorkflow, RunFile, tool
from headwater.errors import ApprovalNeeded
from headwater.events import Event
from headwater.testing import Call, ScriptedModel
from tests.system.error_messages.cases import Here, case


@tool(approval=True)
def publish(page: str) -> str:
    """Publish a page."""
    return f"{page} is public"


def editor(name: str = "editor", instructions: str = "") -> Agent:
    model = ScriptedModel([Call("publish", {"page": "tides"}, id="call_1"), "It is out."])
    return Agent(name=name, model=model, instructions=instructions, tools=[publish])


def parked_log() -> tuple[Event, ...]:
    try:
        editor().run("Publish the page.")
    except ApprovalNeeded as needed:
        return needed.log
    raise AssertionError("it was not parked")


@case("An approval and nobody to answer")
def nobody(here: Here) -> None:
    """The run is parked, and nothing is lost: the error has its `log` and what is `pending`. Save it with `save=`."""
    editor().run("Publish the page.")


@case("An agent that has changed since the run was parked")
def changed(here: Here) -> None:
    """Resume with the code that wrote the log. If the change is harmless, `on_changed="warn"` continues anyway."""
    editor(instructions="Publish nothing.").resume(parked_log())


@case("A run that another agent began")
def other(here: Here) -> None:
    """Look at `log[0].agent_name`, and resume with the agent of that name."""
    editor("publisher").resume(parked_log())


@case("A file whose run another process continues")
def resumed(here: Here) -> None:
    """One process at a time continues the run of a file. Wait until it has, and read the file again."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        with contextlib.suppress(ApprovalNeeded):
            editor().run("Publish the page.", save="page.jsonl")
        with RunFile("page.jsonl").resume(editor()):
            RunFile("page.jsonl").resume(editor())


@case("An edge to a member that is not there")
def edge(here: Here) -> None:
    """An edge names its members by their `name`, as they are written in the list of agents."""
    GraphWorkflow([editor("writer"), editor("reviewer")], edges=[("writer", "reveiwer")])


@case("Two members of a graph with one name")
def twice(here: Here) -> None:
    """Edges name members, so each needs a name of its own: pass `name=` to the agents."""
    GraphWorkflow([editor(), editor()], edges=[("editor", "editor")])
