"""Writes docs/errors.md: every error class with its attributes, what to do, and its messages.

    python scripts/error_reference.py      # runs every case and writes docs/errors.md; takes a few seconds

The classes, their docstrings and attributes are read from `headwater.errors`. Messages with advice come from the cases
in tests/system/error_messages; the others are read from the source, wherever an error is raised. A test compares the
page with all of them.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import io
import itertools
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.system.error_messages.cases import all_cases, provoke  # noqa: E402

from headwater import errors  # noqa: E402
from headwater.errors import HeadwaterError  # noqa: E402
from headwater.providers.catalog import PROVIDERS  # noqa: E402

PAGE = ROOT / "docs" / "errors.md"
SOURCE = ROOT / "src" / "headwater"

HEAD = """\
# Errors

<!-- Written by scripts/error_reference.py from src/headwater and tests/system/error_messages: change those. -->

This is a reference of all errors. To find a message, search the page for its first words. Names, numbers and addresses
in your message will differ; in the lists `…` stands for them. [When things go wrong](failures.md) explains how to
handle errors.

Every exception of the library is a `HeadwaterError`. Its subclasses are grouped by who can fix the problem, and
`retryable` says whether trying again can help. Keys never appear in an error, a log line or an event.

```python
from headwater import Agent, HeadwaterError

try:
    Agent(model="nonesuch/model-1").run("Explain tides")
except HeadwaterError as error:
    print(f"{type(error).__name__}: {error.message}")
    print(error.hint)
```
"""

OTHERS = "Other messages:\n"
PYTHONS = """\
## Python's own

Some mistakes raise one of Python's own exceptions. They are not a `HeadwaterError`, and no run has started.
"""

HOLE = "…"
"""Stands for the parts of a message that vary."""

LEAST_LETTERS = 12
"""How many fixed letters a message needs to be searchable."""

MOST_READINGS = 8
"""How many variants of one message are listed: more would be noise."""


class Said(NamedTuple):
    """A message in the source, with placeholders."""

    kind: str
    text: str


def page(messages: Mapping[str, str]) -> str:
    """The whole page. `messages` maps each case's heading to the end of its traceback."""
    known = {kind.__name__ for kind in _classes()}
    elsewhere = [said for said in source_messages() if not _is_tried(said, messages)]
    blocks = [HEAD, *_index(messages, elsewhere)]
    for kind in _classes():
        blocks += _section(kind)
        blocks += _messages(kind.__name__, messages, elsewhere)
    blocks.append(PYTHONS)
    for name in sorted({*map(_kind, messages.values()), *(said.kind for said in elsewhere)} - known):
        blocks += [f"## {name}\n", *_messages(name, messages, elsewhere)]
    return "\n".join(blocks).rstrip() + "\n"


# --- the classes


def _classes() -> list[type[HeadwaterError]]:
    """Every error class, each after its base class, in the order of the tree in the package's docstring."""
    rows = re.findall(r"[├└]── ([A-Z]\w+(?:, [A-Z]\w+)*)", errors.__doc__ or "")
    return [HeadwaterError, *(getattr(errors, name) for row in rows for name in row.split(", "))]


def _index(messages: Mapping[str, str], elsewhere: list[Said]) -> Iterator[str]:
    yield "## All errors\n"
    yield "| class | what happened | retry | messages |"
    yield "|---|---|---|---|"
    for kind in _classes():
        name = kind.__name__
        depth = len(kind.__mro__) - len(HeadwaterError.__mro__)
        count = sum(_kind(message) == name for message in messages.values())
        count += sum(said.kind == name for said in elsewhere)
        yield (
            f"| {'· ' * depth}[`{name}`](#{name.lower()}) | {_told(kind)[0]} "
            f"| {'may help' if kind.retryable else ''} | {count or ''} |"
        )
    yield ""


def _section(kind: type[HeadwaterError]) -> Iterator[str]:
    told, *advice = _told(kind)
    yield f"## {kind.__name__}\n"
    above = [one.__name__ for one in reversed(kind.__mro__) if issubclass(one, HeadwaterError)]
    if len(above) > 1:
        yield " → ".join(f"[`{name}`](#{name.lower()})" for name in above[:-1]) + f" → `{above[-1]}`\n"
    yield " ".join([told, *advice, "Trying again may help." if kind.retryable else ""]).strip() + "\n"
    if kind is errors.ProviderError:
        names = ", ".join(f"`{name} answered`" for name in PROVIDERS)
        yield f"A message begins with the provider's name: {names}.\n"
    if fields := _fields(kind):
        yield "| attribute | type | |"
        yield "|---|---|---|"
        for name, (hint, meaning) in fields.items():
            yield f"| `{name}` | `{hint}` | {meaning} |"
        yield ""


def _told(kind: type) -> list[str]:
    """The paragraphs of a class's docstring, each in a line."""
    return [" ".join(paragraph.split()) for paragraph in inspect.cleandoc(kind.__doc__ or "").split("\n\n")]


@functools.cache
def _sources() -> dict[str, ast.ClassDef]:
    """Every error class as it is written, by name."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (SOURCE / "errors").glob("*.py"))
    return {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}


def _fields(kind: type) -> dict[str, tuple[str, str]]:
    """The attributes that a class declares: the type and the meaning of each."""
    body = _sources()[kind.__name__]
    found: dict[str, tuple[str, str]] = {}
    for field, text in itertools.pairwise(body.body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            hint = ast.unparse(field.annotation).replace(" | ", " or ")
            hint = "Response or None" if hint == "Any" else hint
            found[field.target.id] = hint, " ".join(str(text.value.value).split())
    return found


# --- the messages


def _messages(kind: str, messages: Mapping[str, str], elsewhere: list[Said]) -> Iterator[str]:
    for title, message in messages.items():
        if _kind(message) == kind:
            advice = " ".join(all_cases()[title].advice.split())
            yield f"### {title}\n\n```text\n{message}\n```\n\n{advice}\n"
    if texts := sorted({said.text for said in elsewhere if said.kind == kind}):
        yield OTHERS
        yield "\n".join(["```text", *texts, "```\n"])


def _kind(message: str) -> str:
    """The name of the error's class, with which a traceback's last line begins."""
    return message.partition(":")[0].rpartition(".")[2]


def _is_tried(said: Said, messages: Mapping[str, str]) -> bool:
    """Whether a case raises it, so that the page has it word for word."""
    pattern = re.compile(".*".join(map(re.escape, said.text.split(HOLE))), re.DOTALL)
    return any(
        said.kind == _kind(message) and pattern.fullmatch(message.partition(": ")[2]) for message in messages.values()
    )


def source_messages() -> list[Said]:
    """Every error message in the source, with placeholders."""
    found: list[Said] = []
    for path in sorted(SOURCE.rglob("*.py")):
        if path.relative_to(SOURCE).parts[0] != "testing":
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and node.args:
                    found += _said(node)
    return [said for said in found if sum(map(str.isalpha, said.text)) >= LEAST_LETTERS]


def _said(call: ast.Call) -> list[Said]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    hints = [keyword.value for keyword in call.keywords if keyword.arg == "hint"]
    first = call.args[0]
    if name in errors.__all__:
        return [Said(name, text) for text in _readings(first, *filter(_texts, hints))]
    if name == "wrong" and len(call.args) == 3:  # agents.validation's error for a wrong value
        return [Said("ConfigurationError", text) for text in _readings(first, " is …. ", call.args[2], between="")]
    if name == "BadSignature" and len(call.args) == 2:  # InvalidTool's second half
        message, hint = call.args
        return [
            Said("InvalidTool", text) for text in _readings("… cannot be a tool.", message, *filter(_texts, [hint]))
        ]
    if isinstance(kind := getattr(builtins, name, None), type) and issubclass(kind, Exception):
        # A message that ends with a full stop is for users; others follow Python's style and are internal.
        texts = [text.rstrip(HOLE) for text in _readings(first)]
        return [Said(name, text) for text in texts if text.endswith(".")]
    return []


def _readings(*parts: ast.expr | str, between: str = " ") -> list[str]:
    """The variants of a message that consists of parts; empty if a part is unknown."""
    options = [_texts(part) for part in parts]
    if not all(options):
        return []
    joined = (between.join(filter(None, chosen)) for chosen in itertools.product(*options))
    texts = dict.fromkeys(re.sub(f"{HOLE}({HOLE})+", HOLE, text).strip() for text in joined)
    return list(texts)[:MOST_READINGS]


def _texts(part: ast.expr | str) -> list[str]:
    match part:
        case str():
            return [part]
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=values):
            return ["".join(_texts(value)[0] if isinstance(value, ast.Constant) else HOLE for value in values)]
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return ["".join(both) for both in itertools.product(_texts(left) or [HOLE], _texts(right) or [HOLE])]
        case ast.IfExp(body=body, orelse=orelse):
            return [*_texts(body), *_texts(orelse)]
        case ast.BoolOp(values=values):
            return [text for value in values for text in _texts(value)]
        case _:
            return []


def main() -> None:
    """Runs every case and writes the page."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # discard what the cases print
        messages = {title: provoke(case)[0] for title, case in all_cases().items()}
    PAGE.write_text(page(messages), encoding="utf-8")


if __name__ == "__main__":
    main()
