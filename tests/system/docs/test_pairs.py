"""Both programs of each task on the pages for people who come from other libraries print the same.

Where the other library is not installed, headwater's program runs alone.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.paths import ROOT
from tests.system.docs.pairs import PAGES, Pair, pairs, said, serving

TASKS: Final = 10
PACKAGES: Final = {
    "from-langchain.md": ("langchain", "langchain_openai"),
    "from-openai-agents.md": ("agents",),
    "from-pydantic-ai.md": ("pydantic_ai",),
}
"""What the other programs of a page in Python need."""


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_ten_tasks_and_nothing_else_to_run(page: str) -> None:
    found = pairs(page)
    assert len({pair.task for pair in found}) == len(found) == TASKS
    assert (ROOT / "docs" / page).read_text("utf-8").count(
        "\n```"
    ) == 4 * TASKS  # two programs for each, and their ends


@pytest.mark.parametrize("page", PAGES)
def test_the_tasks_are_the_same_on_every_page(page: str) -> None:
    assert [pair.task for pair in pairs(page)] == [pair.task for pair in pairs(PAGES[0])]


@pytest.mark.long  # there each program has an interpreter of its own
@pytest.mark.parametrize("pair", [pair for page in PAGES for pair in pairs(page)], ids=str)
def test_both_programs_print_the_same(
    pair: Pair, base_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")
    ours = said(pair.ours, base_url=base_url, folder=tmp_path)
    assert re.search("Moon|Brest|lock|sunny", ours), ours
    packages = PACKAGES.get(pair.page)
    if packages and all(map(importlib.util.find_spec, packages)):
        assert said(pair.theirs, base_url=base_url, folder=tmp_path, leaves_open=True) == ours
