"""What is prepared for the builder of the site: every page has a place, every public name a page of the reference."""

from __future__ import annotations

import runpy
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import pytest
from exports import exported

from tests.support.paths import ROOT
from tests.system.house.test_house import FROZEN

SCRIPT: Final[dict[str, Any]] = runpy.run_path(str(ROOT / "scripts" / "build_site.py"))
SETTINGS: Final[dict[str, Any]] = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]
GATHERED: Final = ("contributing.md", "changelog.md", "decisions/index.md", "examples.md")
"""The pages that are made from what stands beside docs/."""


def pages() -> set[str]:
    own = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    return own | {*GATHERED} | {f"api/{name}.md" for name in SCRIPT["reference"]()}


def in_order(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            yield from in_order(value) if isinstance(value, list) else [value]


def test_each_page_stands_once_in_the_navigation() -> None:
    listed = [*in_order(SETTINGS["nav"])]
    assert sorted(listed) == sorted(pages()), "zensical.toml: nav has each page of docs/ once"


def test_each_page_is_told_to_language_models() -> None:
    sections = SETTINGS["plugins"]["llmstxt"]["sections"]
    patterns = [next(iter(one)) if isinstance(one, dict) else one for part in sections.values() for one in part]
    missing = [page for page in sorted(pages()) if not any(fnmatch(page, pattern) for pattern in patterns)]
    assert missing == ["decisions/index.md", "index.md"], "zensical.toml: llmstxt.sections"


def test_the_first_pages_are_in_the_order_that_a_reader_needs() -> None:
    learn = next(entry["Learn"] for entry in SETTINGS["nav"] if "Learn" in entry)
    order = "quickstart tools structured-output conversation workflows web durable deploy"
    assert [*in_order(learn)] == [f"{page}.md" for page in order.split()]


def test_every_public_name_has_a_place_in_the_reference() -> None:
    shown = [name for names in SCRIPT["described"]().values() for name in names]
    assert len(shown) == len({*shown})
    frozen = {*FROZEN.read_text("utf-8").split()}
    modules = {f"headwater.{name}" for name in SCRIPT["MODULES"]}
    errors = {f"headwater.{name}" for name in exported(ROOT, "errors")}  # two of them are at the top, too
    assert frozen - {*shown} - modules - errors == {"headwater.__version__"}


@pytest.mark.parametrize(
    ("written", "on_the_site"),
    [
        ("[a](../CONTRIBUTING.md#an-adapter)", "[a](contributing.md#an-adapter)"),
        ("[a](../examples/many.py)", "[a](examples.md#many)"),
        ("[a](../examples/README.md)", "[a](examples.md)"),
        ("[a](../examples/)", "[a](examples.md)"),
        ("[a](decisions/)", "[a](decisions/index.md)"),
        ("see [the `peers`](../benchmarks/peers/) here", "see the `peers` here"),
        ("[a](README.md)", "[a](index.md)"),
        ("[a](tools.md#types), [b](https://a.example/b/)", "[a](tools.md#types), [b](https://a.example/b/)"),
    ],
)
def test_links_lead_to_where_it_is_on_the_site(written: str, on_the_site: str) -> None:
    assert SCRIPT["on_the_site"](written) == on_the_site


def test_a_page_of_a_folder_leads_to_its_neighbors_above() -> None:
    assert SCRIPT["on_the_site"]("[a](../events.md), [b](../../benchmarks/)", 1) == "[a](../events.md), b"


def test_links_of_the_root_are_those_of_a_page() -> None:
    assert (
        SCRIPT["inside_docs"]("[a](docs/tools.md) [b](README.md#x) [c](#y)")
        == "[a](tools.md) [b](../README.md#x) [c](#y)"
    )


def test_lists_are_indented_by_four() -> None:
    code = "\n```text\n- x\n  y\n```\n"
    written = "- a\n  more\n  - b\n    more\n\n1. c\n\n   ```text\n     kept\n   ```\n\n    code\n"
    wanted = "- a\n    more\n    - b\n        more\n\n1. c\n\n    ```text\n      kept\n    ```\n\n     code\n"
    assert SCRIPT["for_the_builder"](written + code) == wanted + code


def test_a_bar_in_a_table_stays_in_its_cell() -> None:
    assert (
        SCRIPT["for_the_builder"]("| a |\n|---|\n| `b \\| c` |\n\nd \\| e\n")
        == "| a |\n|---|\n| `b | c` |\n\nd \\| e\n"
    )


def built(folder: Path, **pages: str) -> list[str]:
    """The faults of a site with these pages beside a home that leads to them, without a reference."""
    home = "".join(f'<a href="{name}/">{name}</a>' for name in pages if name != "hidden")
    for name, text in {"": home, **pages}.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "index.html").write_text(text, "utf-8")
    for name in ("llms.txt", "llms-full.txt"):
        (folder / name).write_text("", "utf-8")
    faults = SCRIPT["faults"]
    faults.__globals__.update(SITE=folder, described=dict, undocumented=tuple)
    return [*faults()]


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ({"a": '<a href="../b/">b</a>'}, "a/index.html: ../b/ leads nowhere"),
        ({"a": '<a href="#no">b</a>'}, "a/index.html: #no leads to no heading of that page"),
        (
            {"a": '<script src="https://cdn.example/a.js"></script>'},
            "a/index.html: https://cdn.example/a.js comes from another server",
        ),
        ({"hidden": ""}, "hidden/index.html: no page leads to it; zensical.toml has no line for it"),
    ],
)
def test_what_is_wrong_with_a_site_is_said(page: dict[str, str], fault: str, tmp_path: Path) -> None:
    assert fault in built(tmp_path, **page)


def test_a_site_without_a_fault_has_none(tmp_path: Path) -> None:
    page = '<h2 id="b">b</h2><a href="#b">b</a><a href="..">home</a><a href="https://a.example">a</a>'
    assert built(tmp_path, a=page) == []
