"""The check of a release, and the project's address, in repositories made for it."""

from __future__ import annotations

import runpy
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from exports import exported

import headwater
from tests.support.paths import ROOT

RELEASE: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "release.py"))
PLACEHOLDER = RELEASE["NOWHERE"]
HOME = "https://github.com/somebody/headwater"

FILES = {
    "src/headwater/version.py": '__version__ = "1.2.0"\n',
    "src/headwater/__init__.py": '__all__ = ("Agent", "__version__")\n',
    "src/headwater/errors/__init__.py": '__all__ = ("RunFailed",)\n',
    "src/headwater/web/app.py": "",
    "src/headwater/terminal/rows.py": "",
    "CHANGELOG.md": "# Changes\n\n## 1.2.0 (2026-01-02)\n\n- New.\n\n## 1.1.0 (2025-01-02)\n",
    "README.md": f"# headwater\n\nAn `Agent`. [Source]({HOME})\n",
    "pyproject.toml": f'[project.urls]\nHomepage = "{HOME}"\n',
    "zensical.toml": '[project]\nsite_url = "https://headwater.example.org/"\n',
    "docs/errors.md": "`RunFailed`\n",
    "docs/licenses.md": "MIT\n",
    "docs/performance.md": "Measured on 2026-01-02.\n\n<!-- web-page -->\n|---|\n<!-- /web-page -->\n"
    "<!-- terminal -->\n|---|\nMeasured on 2026-01-04.\n<!-- /terminal -->\n"
    "<!-- machine -->\nTwo cores.\n<!-- /machine -->\n",
    "scripts/licenses.py": "from pathlib import Path\n\nPage = Path(__file__).parents[1] / 'docs' / 'licenses.md'\n"
    "Page.write_text('MIT\\n')\n",
}

Wrong = Callable[[str], list[str]]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str, day: str = "2026-01-02") -> None:
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.invalid", "-c", "commit.gpgsign=false")
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "GIT_COMMITTER_DATE": f"{day}T12:00:00Z", "HOME": str(folder)}
    subprocess.run(["git", *who, *arguments], cwd=folder, env=env, check=True)


def commit(folder: Path, *, day: str = "2026-01-02", **files: str) -> None:
    """Commits the folder on a day, with other texts of some files."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Change it", day=day)


@pytest.fixture
def wrong(repository: Path) -> Wrong:
    """What a check finds wrong."""

    def ask(check: str) -> list[str]:
        found: Iterator[str] = RELEASE[check](repository)
        return list(found)

    return ask


def test_everything_is_right(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert RELEASE["check"](repository)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(RELEASE["CHECKS"])
    assert {line[:4] for line in lines} == {"ok  "}


def test_each_check_is_printed_with_what_is_wrong(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "new.txt").touch()
    assert not RELEASE["check"](repository)
    out = capsys.readouterr().out
    assert out.startswith("FAIL  Everything is committed\n      ?? new.txt\nok    CHANGELOG.md begins")


@pytest.mark.parametrize("heading", ["1.2.0 (not released)", "1.2.0", "1.1.0 (2025-01-02)", "11.2.0 (2026-01-02)"])
def test_the_version_and_the_newest_heading(repository: Path, wrong: Wrong, heading: str) -> None:
    (repository / "CHANGELOG.md").write_text(f"# Changes\n\n## {heading}\n", encoding="utf-8")
    assert wrong("version_is_the_changelogs") == [f"the newest heading is “{heading}”, wanted is “1.2.0 (YYYY-MM-DD)”"]


def test_what_is_exported_is_read_without_an_import(repository: Path) -> None:
    assert exported(ROOT) == headwater.__all__
    assert exported(repository, "errors") == ("RunFailed",)
    (repository / "src" / "headwater" / "web" / "__init__.py").write_text("pages = ()\n", encoding="utf-8")
    with pytest.raises(LookupError):
        exported(repository, "web")


def test_a_name_that_no_page_has(repository: Path, wrong: Wrong) -> None:
    (repository / "docs" / "errors.md").write_text("`RunFailedTwice`\n", encoding="utf-8")
    assert wrong("exports_are_documented") == ["no page names headwater.errors.RunFailed"]


def test_a_page_that_its_script_writes_differently(repository: Path, wrong: Wrong) -> None:
    commit(repository, **{"docs/licenses.md": "BSD\n"})
    assert wrong("written_pages_are_current") == ["docs/licenses.md is not what scripts/licenses.py writes"]
    assert (repository / "docs" / "licenses.md").read_text(encoding="utf-8") == "BSD\n"  # a check changes nothing
    commit(repository, **{"scripts/licenses.py": "raise SystemExit('no license')"})
    assert wrong("written_pages_are_current") == ["scripts/licenses.py fails: no license"]


def test_figures_that_are_older_than_their_code(repository: Path, wrong: Wrong) -> None:
    commit(repository, day="2026-01-03", **{"src/headwater/terminal/rows.py": "rows = 1\n"})
    assert wrong("figures_are_of_this_code") == []  # its table is of the day after
    commit(repository, day="2026-01-03", **{"src/headwater/web/app.py": "app = 1\n"})
    assert wrong("figures_are_of_this_code") == [
        "docs/performance.md: web-page was measured on 2026-01-02, and its code changed on 2026-01-03"
    ]


def test_figures_of_no_day(repository: Path, wrong: Wrong) -> None:
    page = "<!-- web-page -->\n|---|\n<!-- /web-page -->\n"
    (repository / "docs" / "performance.md").write_text(page, encoding="utf-8")
    assert wrong("figures_are_of_this_code") == ["docs/performance.md: web-page does not say when it was measured"]


def test_a_table_that_nobody_has_measured(repository: Path, wrong: Wrong) -> None:
    (repository / "README.md").write_text("<!-- peers -->\n\n<!-- /peers -->\n", encoding="utf-8")
    assert wrong("figures_are_of_this_code") == ["README.md: peers is empty"]


def test_the_address_is_written_once_and_shows_the_badges(repository: Path, wrong: Wrong) -> None:
    hidden = f"<!-- badges\n[![CI]({PLACEHOLDER}/badge.svg)]({PLACEHOLDER})\n/badges -->\n"
    (repository / "README.md").write_text(hidden, encoding="utf-8")
    assert wrong("home_is_filled_in") == [f"README.md has {PLACEHOLDER}: run python scripts/release.py home URL"]
    RELEASE["fill_home"](repository, f"{HOME}/")
    assert wrong("home_is_filled_in") == []
    assert (repository / "README.md").read_text(encoding="utf-8") == f"[![CI]({HOME}/badge.svg)]({HOME})\n"
    for address in ("github.com/somebody/headwater", "https://github.com", "https://a.b/c d"):
        with pytest.raises(ValueError, match="is not an address"):
            RELEASE["fill_home"](repository, address)


def test_the_address_of_the_documentation(repository: Path, wrong: Wrong) -> None:
    shutil.copy(ROOT / "zensical.toml", repository)
    assert wrong("home_is_filled_in") == [
        "zensical.toml has https://headwater.example/: run python scripts/release.py site URL"
    ]
    with pytest.raises(ValueError, match="is not an address"):
        RELEASE["fill_site"](repository, "docs.somebody.dev")
    RELEASE["fill_site"](repository, "https://docs.somebody.dev")
    assert wrong("home_is_filled_in") == []
    assert 'site_url = "https://docs.somebody.dev/"' in (repository / "zensical.toml").read_text(encoding="utf-8")


def test_the_tables_of_the_page_are_of_known_folders() -> None:
    folders = {folder for listed in RELEASE["MEASURED"].values() for folder in listed} | {*RELEASE["TOKENS"]}
    assert [folder for folder in folders if not (ROOT / "src" / "headwater" / folder).is_dir()] == []
    assert all((ROOT / "scripts" / f"{name}.py").exists() for name in RELEASE["WRITTEN"])
