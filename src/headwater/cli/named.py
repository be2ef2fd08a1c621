"""Loads the function, agent or workflow of a `module:name` on the command line.

Importing runs the user's code; an error in it is reported as theirs, in one line.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from headwater.errors import ConfigurationError, InvalidTool

if TYPE_CHECKING:
    from headwater.agents.runnable import Runnable

__all__ = ("load_agent", "load_tool")


class _Wanted(NamedTuple):
    """The kind of object that an option expects."""

    option: str
    noun: str
    example: str
    fits: Callable[[Any], bool]
    error: type[ConfigurationError]


def load_tool(place: str) -> Any:
    """Returns the function or agent `module:name`, also from modules in the working folder.

    Raises InvalidTool.
    """
    found = _load(place, _TOOL)
    if not _is_tool(found):
        raise InvalidTool(f"--tool {place} is not a function, but {_kind(found)}.")
    return found


def load_agent(place: str, option: str = "--agent") -> Runnable:
    """Returns the agent or workflow `module:name`, or the one that a function of that name returns.

    Modules in the working folder are found too. `option` is used in messages. Raises ConfigurationError.
    """
    wanted = _AGENT._replace(option=option)
    found = _load(place, wanted)
    if inspect.isfunction(found):
        found = _made(place, found, option)
    if not _is_agent(found):
        module, _, _ = place.rpartition(":")
        raise ConfigurationError(
            f"{option} {place} is not an agent or a workflow, but {_kind(found)}.",
            hint=_nearest(_module(module, wanted), "", wanted),
        )
    runnable: Runnable = found
    return runnable


def _made(place: str, function: Callable[[], Any], option: str) -> Any:
    """Calls a function without arguments, which should return an agent."""
    if inspect.iscoroutinefunction(function):
        raise ConfigurationError(
            f"{option} {place} is an async function.", hint="Name a plain function, or the agent itself."
        )
    parameters = inspect.signature(function).parameters.values()
    if any(one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in parameters):
        raise ConfigurationError(
            f"{option} {place} is a function that takes arguments.",
            hint="Name a function without arguments, or the agent itself.",
        )
    try:
        return function()
    except (Exception, SystemExit) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(
            f"{option}: {place}() failed with {type(error).__name__}: {_ended(error)}", hint="--debug shows where."
        ) from error


def _load(place: str, wanted: _Wanted) -> Any:
    option = wanted.option
    module_name, _, name = place.rpartition(":")
    if place.endswith(".py") or module_name.endswith(".py"):
        file = place if place.endswith(".py") else module_name
        module = os.path.relpath(file).removesuffix(".py").replace(os.sep, ".")
        named = name if file == module_name else wanted.example.rpartition(":")[2]
        raise wanted.error(f"{option} {place!r} names a file.", hint=f"Write its module: {module}:{named}.")
    if not all(part.isidentifier() for part in (*module_name.split("."), *name.split("."))):
        raise wanted.error(
            f"{option} {place!r} names no {wanted.noun}.",
            hint=f"Write module:{wanted.noun.split()[0]}, as in {wanted.example}.",
        )
    found: Any = _module(module_name, wanted)
    for part in name.split("."):
        if not hasattr(found, part):
            raise wanted.error(f"{option} {place}: {module_name} has no {name!r}.", hint=_nearest(found, part, wanted))
        found = getattr(found, part)
    return found


def _module(name: str, wanted: _Wanted) -> Any:
    if "" not in sys.path and sys.path[:1] != [here := os.getcwd()]:
        sys.path.insert(0, here)  # like `python -m`
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise wanted.error(
                f"{wanted.option}: there is no module {error.name!r}.",
                hint="Modules are searched in this folder and in the installed packages.",
            ) from error
        raise _failed(name, error, wanted) from error
    except (Exception, SystemExit) as error:
        raise _failed(name, error, wanted) from error


def _failed(name: str, error: BaseException, wanted: _Wanted) -> ConfigurationError:
    return wanted.error(
        f"{wanted.option}: importing {name} failed with {type(error).__name__}: {_ended(error)}",
        hint="--debug shows where.",
    )


def _ended(error: BaseException) -> str:
    """Returns the error's text, with one period at its end."""
    return f"{str(error).rstrip('.')}."


def _is_tool(thing: Any) -> bool:
    return callable(thing) or callable(getattr(thing, "as_tool", None))


def _is_agent(thing: Any) -> bool:
    return not inspect.isclass(thing) and callable(getattr(thing, "run_stream", None)) and hasattr(thing, "name")


def _is_function(thing: Any) -> bool:
    return inspect.isroutine(thing) or (not inspect.isclass(thing) and callable(getattr(thing, "as_tool", None)))


_TOOL = _Wanted("--tool", "function", "tides:high_water", _is_function, InvalidTool)
_AGENT = _Wanted("--agent", "agent or workflow", "harbour:pilot", _is_agent, ConfigurationError)


def _kind(thing: Any) -> str:
    if inspect.isclass(thing):
        return f"the class {thing.__name__}"
    kind = type(thing).__name__
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _nearest(holder: Any, name: str, wanted: _Wanted) -> str:
    """Returns a hint: the name that was probably meant, the available names, or an example."""
    found = {one: getattr(holder, one, None) for one in dir(holder) if not one.startswith("_")}
    named = [one for one, thing in found.items() if wanted.fits(thing)]
    own = [one for one in named if getattr(found[one], "__module__", None) == getattr(holder, "__name__", None)]
    named = own or named  # imported names come second
    near = difflib.get_close_matches(name, named, 1) or named
    if not near:
        return f"No {wanted.noun} is in it; write one as in {wanted.example}."
    return f"Did you mean {near[0]!r}?" if len(near) == 1 else f"There are {', '.join(near[:6])}."
