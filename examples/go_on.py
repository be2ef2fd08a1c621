"""A run that is parked and then resumed from its file, as another process would do."""

import tempfile
from pathlib import Path

from headwater import Agent, RunFile, tool
from headwater.errors import ApprovalNeeded
from headwater.testing import Call, ScriptedModel, Turn


@tool(approval=True)
def publish(page: str) -> str:
    """Publish a page."""
    return f"{page} is public"


TURNS: dict[str, Turn] = {"user": ["I would publish it. ", Call("publish", {"page": "tides"})], "tool": "It is out."}


def agent() -> Agent:
    return Agent(name="editor", model=ScriptedModel(lambda asked: TURNS[asked.messages[-1].role]), tools=[publish])


with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "run.jsonl.gz")
    question = ""
    try:
        agent().run("Publish the page on tides", save=path)
    except ApprovalNeeded as needed:
        print(f"waiting: {needed.pending[0].tool} {needed.pending[0].arguments}")
        question = needed.pending[0].id

    log = RunFile(path).events
    print(agent().resume(log, approvals={question: True}).result_sync())
