"""Every Python block of README.md and docs/ is a whole program, and runs; every link of theirs leads somewhere."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headwater
from headwater import errors
from headwater.providers.catalog import PROVIDERS
from headwater.web import router
from tests.support.paths import ROOT
from tests.support.served_apart import served_apart
from tests.system.docs.fake_openai import ANSWER, fake_openai
from tests.system.docs.programs import run_program

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FRAMEWORKS = ("agents", "langchain", "langgraph", "pydantic_ai")
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)|src=\"([^\"]+)\"")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def _frameworks(source: str) -> set[str]:
    """The frameworks that a program uses; they keep their HTTP clients open."""
    return {name for name in FRAMEWORKS if re.search(rf"^(from|import) {name}\b", source, re.MULTILINE)}


def _runs_here(source: str) -> bool:
    """Whether the frameworks that a program uses are installed: they have an environment of their own."""
    return all(map(importlib.util.find_spec, _frameworks(source)))


def _blocks(*documents: Path) -> list[tuple[str, str]]:
    blocks = []
    for document in documents or DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 2
            if _runs_here(match[1]):
                blocks.append((f"{document.relative_to(ROOT)}:{line}", match[1]))
    return blocks


EXAMPLES = [path for path in sorted((ROOT / "examples").glob("*.py")) if _runs_here(path.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with fake_openai() as url:
        yield url


@pytest.fixture(scope="module")
def agents_url() -> Iterator[str]:
    """A server of the agents that docs/remote.md declares, where its other programs expect it."""
    declared: dict[str, Any] = {}
    exec(dict(_blocks(ROOT / "docs" / "remote.md"))["docs/remote.md:8"], declared)
    with served_apart(lambda: router(declared["writer"], declared["pilot"])) as server:
        yield server.url


@pytest.mark.interpreters
@pytest.mark.parametrize("source", [pytest.param(source, id=place) for place, source in _blocks()])
def test_every_example_runs(source: str, base_url: str, agents_url: str, tmp_path: Path) -> None:
    source = source.replace("http://localhost:8000", agents_url)
    run_program(source, base_url=base_url, folder=tmp_path, leaves_open=bool(_frameworks(source)))


@pytest.mark.interpreters
@pytest.mark.parametrize("guide", ["from-swarms.md", "from-cogent.md"])
def test_the_examples_of_other_libraries_run_with_their_own_model_too(
    guide: str, base_url: str, tmp_path: Path
) -> None:
    sources = [source for place, source in _blocks() if place.startswith(f"docs/{guide}:")]
    theirs = [source.replace('"offline"', '"gpt-4o-mini"') for source in sources if '="offline"' in source]
    assert len(theirs) > 10
    program = f'for source in {theirs!r}:\n    exec(compile(source, "program", "exec"), {{"__name__": "__main__"}})\n'
    output = run_program(program, base_url=base_url, folder=tmp_path)
    assert output.count(ANSWER) >= len(theirs) / 2
    assert "offline model" not in output


@pytest.mark.interpreters
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_program_in_examples_runs_and_prints_something(path: Path, base_url: str, tmp_path: Path) -> None:
    source, opens = path.read_text(encoding="utf-8"), bool(_frameworks(path.read_text(encoding="utf-8")))
    assert run_program(source, base_url=base_url, folder=tmp_path, name=path.name, leaves_open=opens).strip()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_has_a_target(document: Path) -> None:
    missing = []
    for link, anchor, picture in _LINK.findall(_FENCED.sub("", document.read_text(encoding="utf-8"))):
        if "://" not in link:
            target = document.parent / (link or picture) if link or picture else document
            if not target.exists() or (anchor and anchor not in _anchors(target)):
                missing.append(f"{link or picture}#{anchor}")
    assert not missing


def _anchors(page: Path) -> set[str]:
    """What a page's headings can be linked by, as GitHub makes it of their words."""
    headings = _HEADING.findall(_FENCED.sub("", page.read_text(encoding="utf-8")))
    words = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in words}


def test_the_list_of_the_pages_has_every_one() -> None:
    listed = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [path.name for path in (ROOT / "docs").glob("*.md") if path.name not in ("README.md", "index.md")]
    assert [name for name in sorted(pages) if f"]({name})" not in listed] == []


def test_the_page_of_errors_names_every_one() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert [name for name in errors.__all__ if f"`{name}`" not in page] == []


def test_the_page_of_providers_names_every_one() -> None:
    page = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
    assert [name for name in PROVIDERS if not re.search(rf"\b{name}\b", page)] == []


def test_the_design_names_every_module() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    modules = {path.name.removesuffix(".py") for path in (ROOT / "src" / "headwater").glob("[a-z]*")} - {"py.typed"}
    assert [name for name in sorted(modules) if f"`{name}`" not in page and f"`{name}/`" not in page] == []


def test_the_version_is_the_same_everywhere() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", changes, re.MULTILINE)
    assert newest is not None
    assert {headwater.__version__, newest[1]} == {headwater.__version__}
