"""The workflows of the repository: they name what is there, and try every Python that the package says it runs on."""

from __future__ import annotations

import re
import tomllib

from tests.support.paths import ROOT

WORKFLOWS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / ".github" / "workflows").glob("*.yml")}


def test_what_a_workflow_runs_is_there() -> None:
    named = [
        name
        for text in WORKFLOWS.values()
        for name in re.findall(r"(?<=[ '\"])((?:scripts|tests|docs)/[\w./-]*|\.ci/\w+)", text)
    ]
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_python_of_the_package_is_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    said = [line.rpartition(" ")[2] for line in project["classifiers"] if re.search(r":: 3\.\d+$", line)]
    tried = re.findall(r"python-version: (\[.*\])", WORKFLOWS["ci.yml"])
    assert len(tried) == 3
    assert set(tried) == {"[" + ", ".join(f'"{version}"' for version in said) + "]"}


def test_no_job_may_write() -> None:
    for text in WORKFLOWS.values():
        assert "\npermissions:\n  contents: read\n" in text
        assert text.count("actions/checkout@") == text.count("persist-credentials: false")
