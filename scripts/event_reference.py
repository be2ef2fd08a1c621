"""Writes docs/events.md: every event of the log with its fields, the values in them, and the rules of the log.

    python scripts/event_reference.py      # writes docs/events.md

Everything is read from `headwater.events`: names and types from the classes, meanings from their docstrings, the
diagram from the checker's. A test compares the page with them.
"""

import ast
import inspect
import json
import re
import types
import typing
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from headwater import events as package
from headwater.events import (
    ErrorInfo,
    Event,
    ForkedFrom,
    Unknown,
    WorkflowShape,
    checker,
    messages,
    run_events,
    step_events,
    tool_events,
)
from headwater.events import types as events
from headwater.events.checker import NEW_IN_GRAMMAR_2, RULES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "events.md"

HEAD = """\
# The events of a run

<!-- Written by scripts/event_reference.py from src/headwater/events: change those, and run it again. -->

A run writes one ordered log of events. A tree of runs (an agent and the agents it calls, a workflow and its members)
also writes one log. Everything you see of a run is computed from these events. `agent.run_stream(…).events()` yields
them, and `headwater run --json` writes them, one JSON object per line:

```json
{"v":1,"type":"text.delta","seq":7,"time":1764403200.25,"run":"run_8f3a","path":["writer"],"step":1,"part":0,"text":"Hi"}
```

`v` is the version of the format, `type` the event's name. Fields with their default value may be left out, but on a
wire, in a file and in `--json` the four common fields are always present. Times are Unix seconds, bytes are base64,
amounts of money are strings. Unknown fields and events come from a newer version: forward or ignore them.

In Python, `headwater.events` has a class for each event. `encode` writes an event as a line, `decode` reads it, and
`tree_response` computes the Response of a whole log, in any process:

```python
from pathlib import Path

from headwater import Agent, ConcurrentWorkflow
from headwater.events import decode, encode, tree_response

team = ConcurrentWorkflow([Agent(name="ann", model="offline"), Agent(name="bob", model="offline")])
with Path("run.jsonl").open("wb") as file:
    live = team.run("Explain tides", on_event=lambda event: file.write(encode(event, stamps=True) + b"\\n"))

log = [decode(line) for line in Path("run.jsonl").read_bytes().splitlines()]
assert tree_response(log) == live
Path("run.jsonl").unlink()
```

Some fields are in many events. `step` counts a run's model requests from 1. `attempt` counts the requests to a provider
within a step from 1. `part` is the number of a section of text or reasoning in its step. `call` is the key of a tool
call, unique in its run.
"""

VALUES = (
    messages.Message,
    messages.Text,
    messages.Reasoning,
    messages.Image,
    messages.File,
    messages.ToolCall,
    messages.ToolResult,
    messages.Source,
    messages.ProviderItem,
    messages.Usage,
    ErrorInfo,
    WorkflowShape,
    ForkedFrom,
)
"""The values in events besides plain JSON."""

PLAIN: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    bytes: "string, base64",
    Decimal: "string, a decimal",
    type(None): "null",
    Any: "any JSON",
}

FILES = (run_events, step_events, tool_events, events)

COMMON = ("seq", "time", "run", "path")


def page() -> str:
    """The whole page."""
    blocks = [HEAD, "## Common fields\n", *_common(), *_events(), *_values(), *_grammar()]
    return "\n".join(blocks).rstrip() + "\n"


# --- events and values


def _common() -> Iterator[str]:
    said = _docstrings(Event)[0]
    yield f"{_after_first_line(said)}\n"
    yield from _table(Event, only=COMMON)


def _events() -> Iterator[str]:
    for line in "".join(map(inspect.getsource, FILES)).splitlines():
        if line.startswith("# --- "):
            yield f"## {line[6].upper()}{line[7:]}\n"
        found = re.match(r"class (\w+)\(Event,", line)
        kind = getattr(events, found[1]) if found else None
        if kind is not None and kind is not Unknown:
            yield f"### {kind.__struct_config__.tag}\n"
            yield f"{_one_paragraph(_docstrings(kind)[0])}\n"
            yield from _table(kind, without=(*COMMON, "extra"))


def _values() -> Iterator[str]:
    yield "## Values in events\n"
    for kind in VALUES:
        tag = kind.__struct_config__.tag
        named = f'### {kind.__name__}, `"type": "{tag}"`\n' if tag is not None else f"### {kind.__name__}\n"
        yield named
        yield f"{_one_paragraph(_docstrings(kind)[0])}\n"
        yield from _table(kind)


def _table(kind: type[msgspec.Struct], *, only: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> Iterator[str]:
    meanings = _docstrings(kind)[1]
    hints = typing.get_type_hints(kind)
    rows = [
        f"| `{field.encode_name}` | {_type(hints[field.name])} | {_default(field)} | {meanings.get(field.name, '')} |"
        for field in msgspec.structs.fields(kind)
        if field.name not in without and (not only or field.name in only)
    ]
    if rows:
        yield "| field | type | default | |"
        yield "|---|---|---|---|"
        yield from rows
        yield ""


def _type(hint: Any) -> str:
    if hint in PLAIN:
        return PLAIN[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return ", ".join(f"`{word}`" for word in arguments)
    if origin in (Union, types.UnionType):
        if set(arguments) == set(get_args(messages.AnyPart)):
            return "part"
        return " or ".join(_type(one) for one in arguments)
    if origin is tuple and arguments[-1] is Ellipsis:
        return f"list of {_type(arguments[0])}"
    if origin is tuple:
        return f"{len(arguments)} of {_type(arguments[0])}"
    if origin is dict:
        return "object"
    return str(hint.__name__)


def _default(field: Any) -> str:
    """The value if the field is missing; empty for a required field."""
    if field.required:
        return ""
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if isinstance(value, msgspec.Struct):
        return "empty"
    if value is msgspec.UNSET:
        return "absent"
    return f"`{json.dumps(value)}`"


# --- the rules


def _grammar() -> Iterator[str]:
    picture = inspect.getdoc(checker) or ""
    yield "## The order of events\n"
    for paragraph in picture.split("\n\n")[1:]:
        if paragraph.startswith("    "):
            yield "```text"
            yield from (line[4:] for line in paragraph.splitlines())
            yield "```\n"
        elif not paragraph.startswith("`rules` has"):
            yield f"{_one_paragraph(paragraph.removeprefix('Theory of operation. '))}\n"
    yield "## The rules\n"
    yield (
        "`headwater.testing.check_log(events)` raises a LogError for the first rule that a log breaks. `run.started` "
        "names the grammar of a run; the default is 1.\n"
    )
    yield "| rule | grammar | |"
    yield "|---|---|---|"
    for name, said in RULES.items():
        yield f"| {name} | {'2' if name in NEW_IN_GRAMMAR_2 else '1, 2'} | {said} |"


# --- docstrings


def _docstrings(kind: type) -> tuple[str, dict[str, str]]:
    """The docstrings of a class and of its fields, including inherited ones."""
    meanings: dict[str, str] = {}
    said = ""
    for one in reversed(kind.__mro__):
        if not one.__module__.startswith(package.__name__):
            continue
        (body,) = ast.parse(inspect.getsource(one)).body
        assert isinstance(body, ast.ClassDef)
        said = inspect.cleandoc(ast.get_docstring(body) or "")
        for field, text in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                meanings[field.target.id] = " ".join(inspect.cleandoc(str(text.value.value)).split())
    return said, meanings


def _one_paragraph(said: str) -> str:
    return " ".join(said.split())


def _after_first_line(said: str) -> str:
    return _one_paragraph(said.partition("\n\n")[2])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
