"""The options that select an agent, shared by several commands, and the agent made from them.

Without a named model and any key, the offline model answers, after a notice. It must never replace a model that was
named, nor hide that a key is missing.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from headwater.cli.output import tell
from headwater.errors import ConfigurationError

if TYPE_CHECKING:
    from headwater.agents.agent import Agent
    from headwater.agents.model import ModelLike
    from headwater.agents.runnable import Runnable

__all__ = (
    "AGENT_OPTIONS",
    "OFFLINE_RATE",
    "REASONING",
    "add_agent_options",
    "add_continue_option",
    "add_schema_option",
    "look_of",
    "make_agent",
    "model_named",
)

OFFLINE_RATE: Final = 50.0
"""Tokens per second of the offline model: like a hosted model, and slow enough to see it stream."""

NO_KEY: Final = "no model named, no key set: using offline, a built-in fake model."

_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh")
_SWITCHES: Final = {"on": True, "off": False}
REASONING: Final = (*_EFFORTS, *_SWITCHES)
"""The values of --reasoning."""

_SETTINGS: Final = ("max_tokens", "temperature", "top_p", "seed", "stop", "reasoning")


def add_agent_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that `make_agent` reads."""
    who = parser.add_argument_group("model and agent")
    who.add_argument("-m", "--model", metavar="NAME", help="provider/model; else HEADWATER_MODEL")
    who.add_argument("-a", "--agent", metavar="MODULE:NAME", help="your own agent or workflow")
    who.add_argument("--base-url", metavar="URL", help="the URL of another server; the name is sent unchanged")
    who.add_argument("-i", "--instructions", metavar="TEXT", help="instructions for the agent")
    who.add_argument(
        "-t",
        "--tool",
        action="append",
        default=[],
        metavar="MODULE:NAME",
        help="a function that the model can call; may be repeated",
    )
    who.add_argument(
        "--mcp",
        action="append",
        default=[],
        metavar="FILE",
        help="an mcp.json: the model can call the tools of these servers; may be repeated",
    )
    who.add_argument("--name", metavar="NAME", help="the agent's name (default: agent)")
    how = parser.add_argument_group("settings")
    how.add_argument("--max-tokens", type=_count, metavar="N", help="maximum tokens per answer")
    how.add_argument(
        "--temperature", type=_number, metavar="T", help="sampling temperature; 0 is the most deterministic"
    )
    how.add_argument("--top-p", type=_number, metavar="P", help="nucleus sampling: probability mass to sample from")
    how.add_argument("--seed", type=_whole, metavar="N", help="seed for reproducible sampling")
    how.add_argument("--stop", action="append", metavar="TEXT", help="end the answer at this text; may be repeated")
    how.add_argument(
        "--reasoning",
        type=_reasoning,
        metavar="EFFORT",
        help="none, minimal, low, medium, high, xhigh, on, off, or tokens",
    )
    how.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="maximum duration of a run")
    shown = parser.add_argument_group("terminal output")
    shown.add_argument("--raw", action="store_true", help="show plain text, without rendering Markdown")
    shown.add_argument("--show-reasoning", action="store_true", help="show the model's reasoning")


def add_continue_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--continue`, which `last_conversation` implements."""
    parser.add_argument("-c", "--continue", action="store_true", dest="go_on", help="continue the last conversation")


def add_schema_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--schema`, which `make_agent` reads."""
    parser.add_argument("--schema", metavar="FILE|JSON", help="answer in JSON that matches this JSON Schema")


def look_of(asked: argparse.Namespace) -> dict[str, bool]:
    """Returns the options of the terminal's `Look`; a command may have none of them."""
    return {"markdown": not getattr(asked, "raw", False), "reasoning": getattr(asked, "show_reasoning", False)}


def make_agent(asked: argparse.Namespace, note: Callable[[str], object] = tell) -> Runnable:
    """Returns the agent of the options, or the agent or workflow of --agent with the options applied to it.

    A model is looked up now rather than with the first message. `note` is called if the offline model is used.
    Raises ModelNotNamed, UnknownModel, MissingKey, ConfigurationError, InvalidTool.
    """
    from headwater.agents.agent import Agent
    from headwater.backends.timeouts import Timeouts
    from headwater.cli.named import load_agent, load_tool
    from headwater.cli.schema import schema_of

    schema = schema_of(asked.schema) if getattr(asked, "schema", None) is not None else None
    found = load_agent(asked.agent) if asked.agent is not None else None
    if found is not None and not isinstance(found, Agent):
        _refuse(asked, (*_OF_AGENTS, *_OF_A_NEW_ONE), f"{found.name} is a workflow.")
        return found
    settings: dict[str, Any] = {name: value for name in _SETTINGS if (value := getattr(asked, name)) is not None}
    tools = [*(load_tool(place) for place in asked.tool), *_servers(asked.mcp)]
    agent: Agent[Any, Any]
    if found is None:
        agent = Agent(
            name=asked.name or "agent",
            model=_model(asked.model, asked.base_url, os.environ, note),
            base_url=asked.base_url,
            instructions=asked.instructions,
            tools=tools,
            timeouts=Timeouts(run=asked.timeout),
            settings=settings,
        )
    else:
        _refuse(asked, _OF_A_NEW_ONE, f"{found.name} has its own.")
        agent = _laid_over(found, asked, tools, settings, note)
    if schema is not None:
        agent.output_type = schema
    _ = agent.llm.backends
    return agent


AGENT_OPTIONS: Final = (
    *("agent", "model", "base_url", "instructions", "tool", "mcp", "name", "schema"),
    *("timeout", *_SETTINGS),
)
"""The options that select and configure the agent, by their names in the arguments."""

_OF_AGENTS: Final = ("model", "instructions", "tool", "mcp", "schema", "timeout", *_SETTINGS)
_OF_A_NEW_ONE: Final = ("name", "base_url")


def _refuse(asked: argparse.Namespace, options: Iterable[str], why: str) -> None:
    """Raises ConfigurationError if one of these options is set."""
    for name in options:
        if getattr(asked, name, None) not in (None, []):
            option = f"--{name.replace('_', '-')}"
            raise ConfigurationError(
                f"{option} cannot be combined with --agent {asked.agent}: {why}", hint="Leave it out."
            )


def _servers(files: list[str]) -> list[Any]:
    """The MCP servers of these files. Raises ConfigurationError."""
    if not files:
        return []
    from headwater.tools.mcp.declaration import MCP

    return [server for file in files for server in MCP.from_file(file)]


def _laid_over(
    found: Agent[Any, Any],
    asked: argparse.Namespace,
    tools: list[Any],
    settings: dict[str, Any],
    note: Callable[[str], object],
) -> Agent[Any, Any]:
    """Returns a copy of the agent with the options applied; tools are added to its own."""
    from msgspec.structs import replace

    from headwater.agents.model import merged

    agent = copy.copy(found)
    if asked.model is not None or agent.model is None:
        agent.model = _model(asked.model, None, os.environ, note)
    if asked.instructions is not None:
        agent.instructions = asked.instructions
    if tools:
        agent.tools = (*agent.tools, *tools)
    if asked.timeout is not None:
        agent.timeouts = replace(agent.timeouts or agent.llm.timeouts, run=asked.timeout)
    agent.settings = merged(agent.settings, settings)
    return agent


def _model(
    named: str | None, base_url: str | None, env: Mapping[str, str], note: Callable[[str], object]
) -> ModelLike | None:
    from headwater.providers.registry import MODEL_VARIABLE, known_keys

    name = (named or env.get(MODEL_VARIABLE) or "").strip()
    if base_url:
        return name or None
    if not name:
        if any(key.found for key in known_keys(env)):
            return None  # the error lists the keys that were found
        note(NO_KEY)
        name = "offline"
    return model_named(name)


def model_named(name: str) -> ModelLike:
    """Returns the model of that name; the offline one at a readable speed. Raises UnknownModel."""
    from headwater.backends.offline import from_name
    from headwater.providers.registry import is_offline

    return from_name(name, rate=OFFLINE_RATE) if is_offline(name) else name


# --- parsers of values for argparse: the message completes "argument --x: "


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer") from None


def _count(text: str) -> int:
    number = _whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is less than 1")
    return number


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return number


def _seconds(text: str) -> float:
    seconds = _number(text)
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return seconds


def _reasoning(text: str) -> str | int | bool:
    word = text.strip().lower()
    if word in _EFFORTS:
        return word
    if word in _SWITCHES:
        return _SWITCHES[word]
    if word.isascii() and word.isdigit():
        return int(word)
    raise argparse.ArgumentTypeError(f"{text!r} is not {', '.join(_EFFORTS)}, on, off, or a number of tokens")
