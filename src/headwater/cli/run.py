"""`headwater run`: one task, its answer streamed to standard output."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from headwater.cli.options import add_agent_options, make_agent

if TYPE_CHECKING:
    from headwater.agents.agent import Agent
    from headwater.cli.output import Outlet, Watching
    from headwater.events.response import Response
    from headwater.runtime.thread import Thread

__all__ = ("DESCRIPTION", "EXAMPLES", "SUMMARY", "USAGE", "add_arguments", "ask", "execute")

SUMMARY = "ask once, and see the answer as it comes"
USAGE = "run [OPTIONS] TASK..."
DESCRIPTION = """\
Ask an agent once. Its answer is written to standard output as it comes: with
a header, tools and notes on a terminal, as plain text on a pipe. Everything
else is told on standard error."""
EXAMPLES = """\
examples:
  headwater run "Explain tides"
  headwater run "Explain tides" --model openai/gpt-5.4 --max-tokens 300
  headwater run "When is high water in Brest?" --tool tides:high_water
  headwater run "Summarise:" - < notes.txt
  git diff | headwater run --instructions "Review this." > review.txt
  headwater run "Explain tides" --json | jq -r .type
  headwater run "Explain tides" --record tides.jsonl
  headwater run "Explain tides" --model replay:tides.jsonl"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    parser.add_argument("task", nargs="*", metavar="TASK", help="what to do; - stands for standard input")
    parser.add_argument("--json", action="store_true", help="write the run's events, one JSON object a line")
    parser.add_argument("--record", metavar="FILE", help="keep the provider's answers, for --model replay:FILE")
    parser.add_argument("--save", metavar="FILE", help="keep the run, for headwater runs")
    add_agent_options(parser)


def execute(asked: argparse.Namespace) -> int:
    """See `Command`."""
    from headwater.cli.output import JSONLines, Outlet, Printer

    task = _task(asked.task)
    agent = make_agent(asked)
    out = Outlet()
    watching = JSONLines(out) if asked.json else Printer(agent.name, out)
    if asked.record is None:
        ask(agent, task, out, watching, save=asked.save)
        return 0
    from headwater.backends.replay import Recorder

    with Recorder(asked.record) as recorder:
        agent.llm = agent.llm.recorded(recorder)
        ask(agent, task, out, watching, save=asked.save)
    return 0


def ask(
    agent: Agent[Any, str],
    task: str,
    out: Outlet,
    watching: Watching,
    *,
    thread: Thread | None = None,
    save: str | None = None,
) -> Response[str]:
    """Run the task with `watching` told of every event, to the end or until nobody reads `out` any more.

    Raises what ended the run, KeyboardInterrupt, and what writing met.
    """
    stream = agent.run_stream(task, thread=thread, on_event=watching, save=save)
    out.on_problem = stream.cancel
    try:
        response = stream.result_sync()
    finally:
        out.on_problem = None
        watching.close()
    out.check()
    if not out.isatty():
        tell_of_the_end(response)
    return response


def tell_of_the_end(response: Response[str]) -> None:
    """Say on standard error why an answer that went to a pipe or a file is not all there; a terminal shows it."""
    from headwater.cli.output import tell
    from headwater.terminal.notes import CUT_SHORT

    if note := CUT_SHORT.get(response.finish_reason or ""):
        tell(note[0].lower() + note[1:])


def _task(words: list[str]) -> str:
    """The words in a row, with standard input as a paragraph where a "-" stands. Raises UsageError without any."""
    from headwater.cli.output import is_terminal
    from headwater.errors import UsageError

    if not words:
        if is_terminal(sys.stdin):
            raise UsageError("There is no task.", hint='Write it: headwater run "Explain tides", or pipe it in.')
        words = ["-"]
    paragraphs: list[str] = []
    row: list[str] = []
    for word in words:
        if word == "-":
            paragraphs += [" ".join(row), _standard_input()]
            row = []
        else:
            row.append(word)
    task = "\n\n".join(part for part in (*paragraphs, " ".join(row)) if part.strip())
    if not task:
        raise UsageError("The task is empty.", hint='Write it: headwater run "Explain tides".')
    return task


def _standard_input() -> str:
    return sys.stdin.read().strip() if sys.stdin is not None else ""
