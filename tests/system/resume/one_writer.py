"""A process that continues the run of a file, for `test_one_writer`: what it runs, and how it comes to its end.

    python -m tests.system.resume.one_writer pays FILE
    python -m tests.system.resume.one_writer "dies before it replaces" FILE
    python -m tests.system.resume.one_writer "dies once it has replaced" FILE

The first says `paying` while its tool runs, which takes until its input ends.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from headwater import Agent, RunFile, ToolContext, tool
from headwater.testing import Call
from tests.system.resume.scenarios import by_step

paid: list[str] = []
"""The idempotency keys of what was paid in this process."""


@tool(approval=True)
async def pay(cents: int, ctx: ToolContext[Any]) -> str:
    """Pay."""
    paid.append(ctx.idempotency_key)
    if __name__ == "__main__":
        print("paying", flush=True)
        sys.stdin.read()
    return f"paid {cents}"


def payer() -> Agent[Any, Any]:
    """The agent, declared anew."""
    return Agent(name="payer", tools=[pay], model=by_step([Call("pay", {"cents": 5})], ["It is done."]))


def allowed(file: RunFile) -> dict[str, bool]:
    """All open questions of the file, allowed."""
    return {question.id: True for question in file.pending}


def main(how: str, path: str) -> None:
    """What the process does."""
    replace = os.replace

    def die(*names: str) -> None:
        if how == "dies once it has replaced":
            replace(*names)
        os.kill(os.getpid(), signal.SIGKILL)

    if how != "pays":
        os.replace = die  # type: ignore[assignment]
    file = RunFile(path)
    print(file.resume(payer(), approvals=allowed(file)).result_sync())


if __name__ == "__main__":
    main(*sys.argv[1:])
