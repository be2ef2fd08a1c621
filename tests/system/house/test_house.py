"""The house keeps its shape: few doors at the street, small rooms, no circle of imports, a test for every module.

Each test says what to do where it fails. What is excused stands in a list with its reason; an excuse that is no longer
needed fails too, so the lists only ever hold what is true.
"""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

import headwater
from tests.support.imports import circles, import_graph
from tests.support.paths import ROOT

SOURCE: Final = ROOT / "src" / "headwater"
TESTS: Final = ROOT / "tests"

MAX_ENTRIES: Final = 19
"""Folders and files at the top: what a stranger can read at a glance."""

MAX_FILE_LINES: Final = 650
MAX_CLASS_LINES: Final = 400

WITHOUT_TEST: Final[Mapping[str, str]] = {
    "__main__.py": "starts the command and nothing else: tests/cli/test_run.py runs it",
    "backends/base.py": "protocols alone",
    "runtime/job.py": "a record and protocols: every test of runtime/agent_run makes one",
    "tools/work.py": "protocols alone",
    "version.py": "one constant",
}
"""Modules that need no test of their own name, and why."""

WITHOUT_MODULE: Final[Mapping[str, str]] = {
    "backends/replay/test_command.py": "the recorder as the commands use it",
    "events/checker/test_changes.py": "all rules at once: a log with one thing changed",
    "providers/test_endings.py": "every decoder: what opens an answer again",
    "providers/test_neutral.py": "every decoder: changes that must change nothing",
    "cli/test_main.py": "tests cli/__init__.py, whose function is main",
}
"""Test files in a room that are named for something else than a module in it, and why."""


def modules() -> Iterator[str]:
    """The modules that need a test: all but the packages' own files, which only name what is in them."""
    for path in sorted(SOURCE.rglob("*.py")):
        if path.name != "__init__.py":
            yield path.relative_to(SOURCE).as_posix()


def own_test(module: str) -> Path:
    path = Path(module)
    return TESTS / path.parent / f"test_{path.name}"


def rooms() -> set[str]:
    return {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}


def files_in_rooms() -> Iterator[str]:
    for path in sorted(TESTS.rglob("test_*.py")):
        name = path.relative_to(TESTS)
        if len(name.parts) == 1 or name.parts[0] in rooms():
            yield name.as_posix()


# --- its shape


def test_the_top_level_has_few_entries() -> None:
    given = {"__init__.py", "__main__.py", "py.typed", "__pycache__"}
    entries = sorted(path.name for path in SOURCE.iterdir() if path.name not in given)
    assert len(entries) <= MAX_ENTRIES, (
        f"There are {len(entries)} entries at the top of src/headwater, {MAX_ENTRIES} at most are wanted:"
        f" {', '.join(entries)}. Put the new one into the room that it belongs to (docs/design.md, The house)."
    )


def test_there_are_no_import_cycles() -> None:
    found = circles(import_graph(SOURCE))
    assert found == [], (
        f"These modules lead back to each other: {'; '.join(', '.join(group) for group in found)}. Imports under"
        " TYPE_CHECKING and inside functions count. Move what both need into a module below them."
    )


def lengths() -> Iterator[tuple[str, int, int]]:
    """Every file and class, its lines, and how many it may have."""
    for path in sorted(SOURCE.rglob("*.py")):
        name, text = path.relative_to(SOURCE).as_posix(), path.read_text("utf-8")
        yield name, len(text.splitlines()), MAX_FILE_LINES
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                yield f"{name}: {node.name}", (node.end_lineno or 0) - node.lineno + 1, MAX_CLASS_LINES


def test_files_and_classes_are_short() -> None:
    long = [f"{name} has {lines} lines, {limit} is the limit" for name, lines, limit in lengths() if lines >= limit]
    assert not long, f"{'; '.join(long)}. Split it by subject: a new file says in its docstring what it owns."


# --- its mirror


def test_every_module_has_a_test_of_its_name() -> None:
    missing = {module for module in modules() if not own_test(module).exists()}
    assert not (new := missing - WITHOUT_TEST.keys()), (
        f"{', '.join(f'{one} wants {own_test(one).relative_to(ROOT).as_posix()}' for one in sorted(new))}."
        " Move what tests it there, or write it. Where there is nothing to test, say why in WITHOUT_TEST."
    )
    assert not (needless := WITHOUT_TEST.keys() - missing), (
        f"{', '.join(sorted(needless))}: has a test now, or is gone. Take it out of WITHOUT_TEST."
    )


def test_every_test_file_has_a_module_in_the_same_folder() -> None:
    tested = {own_test(module).relative_to(TESTS).as_posix() for module in modules()}
    lost = {test for test in files_in_rooms() if test not in tested}
    assert not (new := lost - WITHOUT_MODULE.keys()), (
        f"{', '.join(f'tests/{test}' for test in sorted(new))}: there is no such module. Name the file for the module"
        " that it tests; what crosses modules belongs into tests/system/."
    )
    assert not (needless := WITHOUT_MODULE.keys() - lost), (
        f"{', '.join(sorted(needless))}: is gone, or has its module now. Take it out of WITHOUT_MODULE."
    )


# --- its doors

FROZEN: Final = Path(__file__).with_name("public_names.txt")
PUBLIC: Final = (
    "headwater",
    "headwater.adapters",
    "headwater.errors",
    "headwater.events",
    "headwater.journal",
    "headwater.telemetry",
    "headwater.testing",
    "headwater.web",
)


def test_public_names_are_frozen() -> None:
    frozen = FROZEN.read_text("utf-8").splitlines()
    assert frozen == sorted(set(frozen)), f"{FROZEN.name}: one name a line, sorted, each once."
    now = {f"{module}.{name}" for module in PUBLIC for name in importlib.import_module(module).__all__}
    assert not (gone := set(frozen) - now), (
        f"{', '.join(sorted(gone))}: removing a public name breaks its users. Keep it, as another name of what"
        " replaces it, until a version that may break them."
    )
    assert not (new := now - set(frozen)), (
        f"{', '.join(sorted(new))}: a new public name is a promise. Add it to {FROZEN.relative_to(ROOT)} on purpose,"
        " or leave it out of __all__."
    )


def doors() -> tuple[dict[str, str], dict[str, str], set[str]]:
    """Of headwater/__init__.py: the stub part and the lazy table, each as names with their homes; the modules."""
    stubs: dict[str, str] = {}
    homes: dict[str, str] = {}
    lazy: set[str] = set()
    for node in ast.parse((SOURCE / "__init__.py").read_text("utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for line in node.body:
                assert isinstance(line, ast.ImportFrom)
                stubs |= {alias.asname or alias.name: str(line.module) for alias in line.names}
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOMES":
            homes = ast.literal_eval(node.value)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_MODULES":
            lazy = set(ast.literal_eval(node.value))
    return stubs, homes, lazy


def test_the_three_lists_of_public_names_are_one() -> None:
    stubs, homes, lazy = doors()
    public = set(headwater.__all__) - {"__version__"}
    for what, names in (("the TYPE_CHECKING part", set(stubs)), ("_HOMES with _MODULES", homes.keys() | lazy)):
        assert names == public, (
            f"In headwater/__init__.py, __all__ and {what} differ in {', '.join(sorted(names ^ public))}."
            " Each public name stands in all three."
        )
    assert list(headwater.__all__) == sorted(headwater.__all__), "Sort __all__ of headwater."


@pytest.mark.parametrize("name", sorted(set(headwater.__all__) - {"__version__"}))
def test_lazy_imports_match_the_stub(name: str) -> None:
    stubs, _, lazy = doors()
    value = getattr(headwater, name)
    if name in lazy:
        assert value is importlib.import_module(f"headwater.{name}")
    else:
        assert value is getattr(importlib.import_module(stubs[name]), name), (
            f"headwater.{name} is not {stubs[name]}.{name}: set its line in _HOMES or in the TYPE_CHECKING part right."
        )


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = "import sys, headwater; print(*sorted({'aiohttp', 'pydantic', 'rich', 'starlette'} & set(sys.modules)))"
    heavy = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip()
    assert heavy == "", (
        f"import headwater imports {heavy}. Import it in the function that first needs it, and names of"
        " headwater/__init__.py through _HOMES."
    )


# --- its pure rooms


def imports_of(path: Path) -> set[str]:
    """The top-level packages that a file imports from anywhere."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {name.split(".")[0] for name in plain | {str(n.module) for n in nodes if isinstance(n, ast.ImportFrom)}}


def pure_modules(forbidden: frozenset[str]) -> set[str]:
    """Those that import nothing forbidden, nor anything that does."""
    graph = import_graph(SOURCE)
    files = {module: f"headwater.{module.removesuffix('.py').replace('/', '.')}" for module in modules()}
    impure = {name for module, name in files.items() if imports_of(SOURCE / module) & forbidden}
    while more := {name for name, imported in graph.items() if name not in impure and imported & impure}:
        impure |= more
    return {*files.values()} - impure - {"headwater.__main__"}


def test_every_pure_module_is_named_pure() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contract = next(one for one in settings["tool"]["importlinter"]["contracts"] if one["id"] == "pure")
    named = {*contract["source_modules"]}
    unnamed = {
        name
        for name in pure_modules(frozenset(contract["forbidden_modules"]))
        if not any(name == one or name.startswith(f"{one}.") for one in named)
    }
    assert not unnamed, (
        f"{', '.join(sorted(unnamed))}: pure, and not named so. Add it to source_modules of the contract 'pure' in"
        " pyproject.toml, so that it stays pure; scripts/draw_house.py tints what is named there."
    )
