"""The recipe of docs/durable.md, as its reader follows it: a process is killed, and the same program continues."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.cli.commands import environment
from tests.support.paths import ROOT


def test_a_killed_program_is_continued_by_itself(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "durable.md").read_text("utf-8").partition("## Try it")[2]
    program = re.search(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert program is not None
    (tmp_path / "night.py").write_text(program[1])
    line = [sys.executable, "night.py"]
    first: list[str] = []
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment()) as process:
        assert process.stdout is not None
        for said in process.stdout:
            first.append(said.rstrip())
            if said.endswith("Calais\n"):
                process.kill()
    begun = next(said for said in first if said.startswith("begun: "))
    assert [said for said in first if said != begun] == ["counting the ships in Brest", "counting the ships in Calais"]
    continued = begun.replace("begun", "continued")
    for rest in (["counting the ships in Calais", "14 ships in all."], ["14 ships in all."]):
        done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, env=environment(), check=True)
        assert sorted(done.stdout.splitlines()) == sorted([continued, *rest])
