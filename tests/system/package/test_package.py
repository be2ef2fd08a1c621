"""The wheel and the source distribution: what they say of themselves, what they hold, and that one makes the other."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Final

import pytest
from packaging.metadata import Metadata

from headwater.version import __version__
from tests.support.paths import ROOT

PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: Final = {"cli", "cost", "mcp", "otel", "postgres", "temporal", "uvloop", "web"}
_FENCED: Final = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_TARGET: Final = re.compile(r"\]\(([^)]+)\)")


def build(source: Path, target: str, folder: Path) -> Path:
    """Builds the wheel or the source distribution of a folder as a package index would get it."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Metadata:
    with zipfile.ZipFile(wheel) as archive:
        return Metadata.from_email(archive.read(f"headwater-{__version__}.dist-info/METADATA"), validate=False)


def test_the_metadata_says_what_the_project_is(metadata: Metadata) -> None:
    assert (metadata.name, str(metadata.version)) == ("headwater", __version__)
    assert metadata.author == "the headwater authors"
    assert metadata.summary == PROJECT["description"]
    assert str(metadata.requires_python) == ">=3.11"
    assert metadata.keywords == sorted(PROJECT["keywords"])
    assert metadata.classifiers == sorted(PROJECT["classifiers"])
    assert {"Typing :: Typed", "Framework :: AsyncIO", "Operating System :: OS Independent"} <= {*metadata.classifiers}
    assert metadata.license_expression == "Apache-2.0 AND MIT"
    assert set(metadata.provides_extra or ()) == EXTRAS | {"all", "dev"}
    assert {"Homepage", "Documentation", "Changelog", "Source", "Issues"} == set(metadata.project_urls or ())


def test_all_is_every_other_extra(metadata: Metadata) -> None:
    needs = {
        extra: {
            str(requirement).partition(";")[0]
            for requirement in metadata.requires_dist or ()
            if requirement.marker and f'extra == "{extra}"' in str(requirement.marker)
        }
        for extra in EXTRAS | {"all"}
    }
    assert needs["all"] == set().union(*(needs[extra] for extra in EXTRAS))


def test_every_link_of_the_description_says_the_whole_address(metadata: Metadata) -> None:
    description, readme = metadata.description or "", (ROOT / "README.md").read_text(encoding="utf-8")
    assert metadata.description_content_type == "text/markdown"
    assert _FENCED.findall(description) == _FENCED.findall(readme)  # no code is taken for a link
    home = (metadata.project_urls or {})["Homepage"]
    for link, written in zip(_TARGET.findall(description), _TARGET.findall(readme), strict=True):
        if "://" in written or written.startswith("#"):
            assert link == written
        else:
            assert link in {f"{home}/{view}/v{__version__}/{written}" for view in ("blob", "raw")}
            assert (ROOT / written.partition("#")[0]).exists()
    assert f"]({home}/raw/v{__version__}/docs/assets/demo.svg)" in description  # a picture is no page about it


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    source = ROOT / "src"
    files = {path.relative_to(source).as_posix() for path in (source / "headwater").rglob("*") if path.is_file()}
    package = {name for name in files if "__pycache__" not in name}
    assert {name for name in names if ".dist-info/" not in name} == package
    assert "headwater/py.typed" in names
    said = {name.partition(".dist-info/licenses/")[2] for name in names if "/licenses/" in name}
    vendor = "src/headwater/web/page/vendor"
    assert said == {"LICENSE", "NOTICE", *(f"{vendor}/{name}.LICENSE" for name in ("htm", "marked", "preact"))}


def test_the_source_distribution_makes_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert {"CHANGELOG.md", "LICENSE", "NOTICE", "README.md", "docs", "examples", "src", "tests"} <= {
        path.name for path in source.iterdir()
    }
    again = build(source, "wheel", tmp_path / "wheel")
    assert (again.name, again.read_bytes()) == (wheel.name, wheel.read_bytes())
