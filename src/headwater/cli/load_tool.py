"""`--tool module:function`: the function that a name on the command line stands for.

Importing runs the module's code, which is the caller's own; what goes wrong in it is told as theirs, in one line.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from typing import Any

from headwater.errors import InvalidTool

__all__ = ("load_tool",)


def load_tool(place: str) -> Any:
    """What `module:name` names; the working folder's modules are found too. Raises InvalidTool."""
    module_name, _, name = place.rpartition(":")
    if module_name.endswith(".py"):
        module = os.path.relpath(module_name).removesuffix(".py").replace(os.sep, ".")
        raise InvalidTool(f"--tool {place!r} names a file.", hint=f"Write its module: {module}:{name}.")
    if not all(part.isidentifier() for part in (*module_name.split("."), *name.split("."))):
        raise InvalidTool(f"--tool {place!r} names no function.", hint="Write module:function, as in tides:high_water.")
    found: Any = _module(module_name)
    for part in name.split("."):
        if not hasattr(found, part):
            raise InvalidTool(f"--tool {place}: {module_name} has no {name!r}.", hint=_nearest(found, part))
        found = getattr(found, part)
    if not (callable(found) or callable(getattr(found, "as_tool", None))):
        raise InvalidTool(f"--tool {place} is no function but {_kind(found)}.")
    return found


def _module(name: str) -> Any:
    if "" not in sys.path and sys.path[:1] != [here := os.getcwd()]:
        sys.path.insert(0, here)  # as `python -m` does
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise InvalidTool(
                f"--tool: there is no module {error.name!r}.",
                hint="It is looked for in this folder and among the installed packages.",
            ) from error
        raise _failed(name, error) from error
    except (Exception, SystemExit) as error:
        raise _failed(name, error) from error


def _failed(name: str, error: BaseException) -> InvalidTool:
    return InvalidTool(
        f"--tool: importing {name} failed with {type(error).__name__}: {error}.", hint="--debug shows where."
    )


def _kind(thing: Any) -> str:
    kind = type(thing).__name__
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _nearest(holder: Any, name: str) -> str:
    named = [one for one in dir(holder) if not one.startswith("_") and callable(getattr(holder, one, None))]
    near = difflib.get_close_matches(name, named, 1) or named
    return f"Did you mean {near[0]!r}?" if len(near) == 1 else f"There are {', '.join(near[:6])}." if near else ""
