"""mypy and pyright over this folder, the examples and two pages: types are as asserted, both see mistakes.

An ignore that one of the two does not need is an error. They read every package that is imported, so only the long
counts run them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.paths import ROOT

pytestmark = pytest.mark.long(only=True)

HERE = Path(__file__).resolve().parent
FILES = sorted(str(path) for path in HERE.glob("*.py") if path.name != Path(__file__).name)
EXAMPLES = ROOT / "examples"


def check(*command: str) -> tuple[str, int]:
    checked = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    return checked.stdout + checked.stderr, checked.returncode


@pytest.fixture
def programs(tmp_path: Path) -> list[str]:
    """What is checked: files of this folder, the examples, and the programs of the pages on agents and their output."""
    written = []
    for page in ("agents", "structured-output"):
        text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
        for number, program in enumerate(re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)):
            path = tmp_path / f"{page.replace('-', '_')}_{number}.py"
            path.write_text(program, "utf-8")
            written.append(str(path))
    assert len(written) > 5
    # Examples with agents of other frameworks, which are not installed here, run where tests/adapters does.
    frameworks = ("agents", "langchain", "langgraph", "pydantic_ai")
    importing = re.compile(rf"^(from|import) ({'|'.join(frameworks)})\w*[ .]", re.MULTILINE)
    examples = [path for path in sorted(EXAMPLES.glob("*.py")) if not importing.search(path.read_text("utf-8"))]
    assert len(examples) > 20
    return [*FILES, *map(str, examples), *written]


@pytest.mark.timeout(300)  # without a cache it reads every package that is imported
def test_the_types_are_what_the_files_say(programs: list[str]) -> None:
    said, code = check("mypy", "--strict", "--no-error-summary", *programs)
    assert (said, code) == ("", 0), said


def test_pyright_sees_the_same(programs: list[str], tmp_path: Path) -> None:
    settings = {
        "include": programs,
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": True,
        "extraPaths": [str(ROOT / "src"), str(ROOT)],
        "pythonVersion": "3.11",
    }
    config = tmp_path / "pyrightconfig.json"
    config.write_text(json.dumps(settings), "utf-8")
    said, code = check("basedpyright", "--project", str(config), "--pythonpath", sys.executable)
    assert ("0 errors, 0 warnings" in said, code) == (True, 0), said
