"""The list of examples and the map of workflow classes name what they should."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT


def test_every_example_is_in_the_list() -> None:
    listed = re.findall(
        r"^\| \[(\w+\.py)\]\(\1\) \|", (ROOT / "examples" / "README.md").read_text("utf-8"), re.MULTILINE
    )
    assert sorted(listed) == sorted(path.name for path in (ROOT / "examples").glob("*.py"))


def test_every_link_of_the_list_has_a_target() -> None:
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / "examples" / "README.md").read_text("utf-8"))
    assert [link for link in links if not (ROOT / "examples" / link).exists()] == []


@pytest.mark.parametrize("page", ["workflows.md", "workflow-map.md"])
def test_every_linked_section_exists(page: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    sections = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.M)
    }
    assert [link for link in re.findall(r"\]\(#([^)]+)\)", text) if link not in sections] == []


def test_the_examples_of_workflows_are_short() -> None:
    lengths = {
        path.name: sum(bool(line.strip()) for line in path.read_text("utf-8").splitlines())
        for path in (ROOT / "examples").glob("workflow_*.py")
    }
    assert len(lengths) == 10
    assert max(lengths.values()) <= 35, lengths
