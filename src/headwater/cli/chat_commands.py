"""The slash commands of a chat.

Each command is a function of the chat and the text after its name. Its output goes to standard error, apart from the
answers. An error in a command must never end the chat.
"""

from __future__ import annotations

import difflib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from headwater.cli.output import tell
from headwater.errors import HeadwaterError, UsageError

if TYPE_CHECKING:
    from headwater.cli.conversation import Conversation
    from headwater.events.messages import Message, Usage

__all__ = ("COMMANDS", "carry_out")


class Command(NamedTuple):
    """A command: its arguments, a short description, and its function."""

    takes: str
    told: str
    execute: Callable[[Conversation, str], None]


def carry_out(line: str, chat: Conversation) -> bool:
    """Runs a line that starts with /. Returns False if it ends the chat."""
    from headwater.cli.wording import for_the_command_line

    name, _, rest = line[1:].partition(" ")
    name = _OTHER_NAMES.get(name.lower(), name.lower())
    if name == "exit":
        return False
    command = COMMANDS.get(name)
    if command is None:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean /{near[0]}?" if near else "/help lists them."
        tell(f"there is no command /{name}; {hint} A space before it makes it a message.")
        return True
    try:
        command.execute(chat, rest.strip())
    except HeadwaterError as error:
        tell(for_the_command_line(str(error)))
    return True


def _help(chat: Conversation, rest: str) -> None:
    shown = [(f"/{name} {command.takes}".rstrip(), command.told) for name, command in COMMANDS.items()]
    _write(
        *(f"  {what:<16}{told}" for what, told in shown),
        "  Enter sends; Alt-Enter, or \\ at the end of a line, starts another line.",
        "  Ctrl-C stops an answer, Ctrl-D quits.",
        "  A line that starts with a space is always a message.",
    )


def _model(chat: Conversation, rest: str) -> None:
    from headwater.agents.agent import Agent
    from headwater.cli.options import model_named

    agent = chat.agent
    if not isinstance(agent, Agent):
        raise UsageError(f"{agent.name} is a workflow: each member has its own model.")
    if not rest:
        tell(f"{agent.llm.name} is the model. /model NAME switches to another one.")
        return
    before = agent.model
    try:
        agent.model = model_named(rest)
        _ = agent.llm.backends  # fails now rather than with the next message
    except HeadwaterError:
        agent.model = before
        raise
    tell(f"{agent.llm.name} is the model from now on.")


def _save(chat: Conversation, rest: str) -> None:
    from headwater.backends.private_file import write_private

    if not rest:
        raise UsageError("Where to?", hint="Write /save tides.md, or tides.json to load it in a program.")
    if not chat.thread.messages:
        raise UsageError("The conversation is empty.")
    path = os.path.expanduser(rest)
    if os.path.lexists(path) and os.path.abspath(path) not in chat.saved:
        raise UsageError(f"{rest} exists already.", hint="Name another file.")
    try:
        if path.endswith(".json"):
            chat.thread.save(path)
        else:
            write_private(path, "\n".join(_markdown(chat)).encode("utf-8", "replace"))
    except OSError as error:
        raise UsageError(f"{rest} cannot be written: {error.strerror}.") from None
    chat.saved.add(os.path.abspath(path))
    tell(f"{len(chat.thread.messages)} messages were written to {rest}.")


def _markdown(chat: Conversation) -> Iterator[str]:
    """Returns the conversation as Markdown."""
    yield f"# {chat.agent.name}, {time.strftime('%Y-%m-%d %H:%M')}\n"
    for message in chat.thread.messages:
        if message.role in ("user", "assistant"):
            yield f"**{'You' if message.role == 'user' else chat.agent.name}**\n"
            yield from _parts(message)


def _parts(message: Message) -> Iterator[str]:
    from headwater.events.messages import File, Image, Text, ToolCall
    from headwater.terminal.notes import call_phrase

    for part in message.content:
        if isinstance(part, Text):
            yield f"{part.text}\n"
        elif isinstance(part, ToolCall):
            yield f"`{call_phrase(part.name, part.arguments)}`\n"
        elif isinstance(part, Image | File):
            yield f"[{part.url or getattr(part, 'name', '') or part.media_type}]\n"


def _retry(chat: Conversation, rest: str) -> None:
    if chat.before_last is None:
        raise UsageError("There is no message to ask again.")
    message, messages, agent = chat.before_last
    chat.thread.messages, chat.thread.agent = messages, agent
    chat.answer(message)


def _clear(chat: Conversation, rest: str) -> None:
    from headwater.runtime.thread import Thread

    chat.thread, chat.before_last = Thread(), None
    tell("the conversation was forgotten.")


def _tools(chat: Conversation, rest: str) -> None:
    tools = getattr(chat.agent, "tools", None)
    if tools is None:
        names = ", ".join(one.name for one in getattr(chat.agent, "agents", ()))
        tell(f"{chat.agent.name} is no single agent." + (f" Its members are {names}." if names else ""))
    elif not tools:
        tell("no tools. Start with --tool module:function to add one.")
    else:
        _write(*(f"  {name}{told}" for name, told in map(_tool, tools)))


def _tool(tool: Any) -> tuple[str, str]:
    """Returns a tool's name and the first line of its description."""
    if (spec := getattr(tool, "spec", None)) is None:
        return str(tool.name), ": an MCP server"
    if isinstance(spec, dict):  # a tool that the provider runs
        return str(spec.get("type") or next(iter(spec))), ": run by the provider"
    first = spec.description.strip().partition("\n")[0]
    return spec.name, f": {first}" if first else ""


def _usage(chat: Conversation, rest: str) -> None:
    last = chat.last_answer
    if last is None:
        tell("there are no answers yet.")
        return
    tell(f"the last answer: {_tokens(last.usage)} in {last.duration:.1f} s.")
    tell(f"all answers: {_tokens(chat.usage)}.")


def _tokens(usage: Usage) -> str:
    said = [
        f"{'an unknown number of' if count is None else f'{count:,}'} tokens {way}"
        for count, way in ((usage.input_tokens, "in"), (usage.output_tokens, "out"))
    ]
    return ", ".join(said) + (f", ${usage.cost:.4f}" if usage.cost is not None else "")


def _exit(chat: Conversation, rest: str) -> None:
    raise AssertionError("the caller ends the chat")


COMMANDS: Final[dict[str, Command]] = {
    "help": Command("", "this list", _help),
    "model": Command("[NAME]", "show the model, or switch to another", _model),
    "retry": Command("", "ask the last message again", _retry),
    "clear": Command("", "forget the conversation, and start again", _clear),
    "save": Command("FILE", "write the conversation: Markdown, or JSON as FILE.json", _save),
    "tools": Command("", "list the model's tools", _tools),
    "usage": Command("", "show the tokens that were used", _usage),
    "exit": Command("", "quit; so do exit, quit and Ctrl-D", _exit),
}

_OTHER_NAMES: Final = {"new": "clear", "quit": "exit"}


def _write(*lines: str) -> None:
    from headwater.events.controls import harmless

    sys.stderr.write("".join(f"{harmless(line)}\n" for line in lines))
    sys.stderr.flush()
