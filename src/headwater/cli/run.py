"""`headwater run`: runs one task and streams its answer to standard output."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from headwater.cli.options import add_agent_options, add_continue_option, add_schema_option, look_of, make_agent
from headwater.cli.saving import add_save_options, place_to_save
from headwater.cli.task import add_task_arguments, task_of
from headwater.errors import HeadwaterError, Parked

if TYPE_CHECKING:
    from headwater.agents.runnable import Runnable
    from headwater.agents.task import Task
    from headwater.agents.terminal_asking import TerminalAsker
    from headwater.cli.output import Outlet, Watching
    from headwater.readers.stream import AgentStream
    from headwater.runtime.run import Run
    from headwater.runtime.thread import Thread

__all__ = ("DESCRIPTION", "EXAMPLES", "SUMMARY", "USAGE", "WAITS", "add_arguments", "ask", "conduct", "execute")

SUMMARY = "ask once and stream the answer"
USAGE = "run [OPTIONS] TASK..."
DESCRIPTION = """\
Ask an agent once and stream its answer to standard output: with a header,
tools and notes on a terminal, as plain text on a pipe. Everything else goes to
standard error. Piped input is appended to the task."""
EXAMPLES = """\
examples:
  headwater run "Explain tides"
  headwater run "Explain tides" --model openai/gpt-5.4 --max-tokens 300
  headwater run "When is high water in Brest?" --tool tides:high_water
  cat notes.txt | headwater run "Summarize:"
  headwater run "What is in these?" --image harbour.jpg --file chart.pdf
  headwater run "When is high water in Brest?" --agent harbour:pilot
  headwater run "Name a port." --schema port.json | jq .port
  headwater run --continue "In one sentence."
  git diff | headwater run --instructions "Review this." > review.txt
  headwater run "Explain tides" --json | jq -r .type
  headwater run "Explain tides" --record tides.jsonl
  headwater run "Explain tides" --model replay:tides.jsonl"""

WAITS: Final = 3
"""The exit code of a run that was parked because it waits for people."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    add_task_arguments(parser)
    add_continue_option(parser)
    add_schema_option(parser)
    parser.add_argument("--json", action="store_true", help="write the run's events, one JSON object per line")
    parser.add_argument("--record", metavar="FILE", help="record the provider's answers, for --model replay:FILE")
    add_save_options(parser)
    add_agent_options(parser)


def execute(asked: argparse.Namespace) -> int:
    """See `Command`."""
    from headwater.cli.last_conversation import begin, keep
    from headwater.cli.output import Outlet
    from headwater.cli.people import asker_for, tell_of_parked
    from headwater.cli.watching import watching_for

    task = task_of(asked)
    out = Outlet()
    thread = begin(asked, out.note)
    agent = make_agent(asked, out.note)
    watching = watching_for(agent, out, json=asked.json, value=asked.schema is not None, **look_of(asked))
    save = place_to_save(asked)
    how: dict[str, Any] = {"thread": thread, "save": save, "asker": asker_for(agent, parks=True)}
    try:
        if asked.record is None:
            ask(agent, task, out, watching, **how)
        else:
            _record(asked.record, agent, task, out, watching, **how)
    except Parked as parked:
        tell_of_parked(parked, asked, asked.save)
        return WAITS
    finally:
        keep(thread, asked)
    return 0


def _record(path: str, agent: Runnable, *how: Any, **options: Any) -> None:
    """Asks, and records the answers of the agent's model. Raises UsageError for a workflow."""
    from headwater.agents.agent import Agent
    from headwater.backends.replay import Recorder
    from headwater.errors import UsageError

    if not isinstance(agent, Agent):
        raise UsageError(
            f"--record is for one agent, and {agent.name} is a workflow.", hint="--save FILE keeps its run."
        )
    with Recorder(path) as recorder:
        agent.llm = agent.llm.recorded(recorder)
        ask(agent, *how, **options)


def ask(
    agent: Runnable,
    task: Task,
    out: Outlet,
    watching: Watching,
    *,
    thread: Thread,
    asker: TerminalAsker | None = None,
    **options: Any,
) -> Any:
    """Runs the task, and passes every event to `watching`, until the run ends or the reader of `out` closes it.

    The run continues `thread`, and adds its messages to it. `asker` asks people the run's questions; `options` are
    those of `run_stream`. Returns a Response, or Results.
    Raises the error that ended the run, Parked if it waits for absent people, KeyboardInterrupt, and output errors.
    """
    from headwater.agents.agent import Agent
    from headwater.agents.task import as_messages
    from headwater.events.messages import Message

    given = {name: value for name, value in options.items() if value is not None}
    said = as_messages(task)
    if isinstance(agent, Agent):
        given["thread"] = thread
    else:
        task = said = (*thread.messages, *said)  # a workflow has no thread: its task is the whole conversation
    if asker is not None:
        given["approver"] = asker
    response = conduct(agent.run_stream(task, **given), out, watching, asker)
    if not isinstance(agent, Agent):
        thread.messages = (*said, Message.assistant(response.text))
    return response


def conduct(
    stream: AgentStream[Any, Any],
    out: Outlet,
    watching: Watching,
    asker: TerminalAsker | None = None,
    *,
    run: Run | None = None,
    leave: Callable[[], None] | None = None,
) -> Any:
    """Reads a stream to its end, like `ask`, and returns its result.

    `run` is the stream's run, if it was already claimed. `leave` is called when the reader of `out` closes it, instead
    of cancelling the run.
    """
    from headwater.readers.kept_loop import kept_loop
    from headwater.readers.reading import drain_blocking

    run = run or stream.claim()
    show: Any = watching
    if asker is not None:
        asker.attend(run.people, stream.park if run.wants_log else None)
        show = asker.beside(watching, watching.pause, whole=watching.whole)
    run.watch(show)
    out.on_problem = leave or stream.cancel
    try:
        drain_blocking(run, kept_loop(), alone=True)
        response = run.response()
    except HeadwaterError as error:
        watching.close()
        watching.failed(error)
        raise
    finally:
        out.on_problem = None
        watching.close()
    watching.ended(response)
    out.check()
    if not out.isatty():
        tell_of_the_end(response)
    return response


def tell_of_the_end(response: Any) -> None:
    """Reports on standard error why an answer on a pipe or in a file is incomplete; a terminal shows it."""
    from headwater.cli.output import tell
    from headwater.terminal.notes import CUT_SHORT

    if note := CUT_SHORT.get(getattr(response, "finish_reason", None) or ""):
        tell(note[0].lower() + note[1:])
