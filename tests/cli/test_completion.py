"""Completion: in the real shells, and whole in each of their scripts."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.cli import completion, main
from headwater.cli.parser import COMMANDS, make_parser
from tests.cli.commands import terminal

CASES = {
    "ru": ["run", "runs"],
    "run --im": ["--image"],
    "run --image sea": ["sea.png"],
    "run Explain --reasoning x": ["xhigh"],
    "chat -m anthr": ["anthropic/"],
    "chat --max-tokens ": [],
    "runs f": ["fork", "follow"],
    "runs fork --st": ["--step", "--stop"],
    "runs show sea": ["sea.png"],
    "completion f": ["fish"],
}
"""What may follow each of these."""


def shell(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sea.png").touch()
    for name in completion.SHELLS:
        (tmp_path / f"headwater.{name}").write_text(completion.script_for(name, make_parser()), encoding="utf-8")
    return tmp_path


def told(*line: str, cwd: Path) -> str:
    done = subprocess.run(line, cwd=cwd, capture_output=True, text=True, encoding="utf-8", check=False, timeout=60)
    return done.stdout


@shell("bash")
def test_bash_completes(folder: Path) -> None:
    program = "source headwater.bash\n" + "".join(
        f"COMP_WORDS=(headwater {line.rpartition(' ')[0]} '{line.rpartition(' ')[2]}');"
        f' COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _headwater 2>/dev/null; echo "${{COMPREPLY[*]}}"\n'
        for line in CASES
    )
    answers = told("bash", "--norc", "-c", program, cwd=folder).splitlines()
    assert answers == [" ".join(found) for found in CASES.values()]


@shell("fish")
def test_fish_completes(folder: Path) -> None:
    program = "source headwater.fish\n" + "".join(
        f'set found (complete -C "headwater {line}" | string split -f 1 \\t); echo "= $found"\n' for line in CASES
    )
    answers = told("fish", "--no-config", "-c", program, cwd=folder).splitlines()
    assert [sorted(answer[2:].split()) for answer in answers] == [sorted(found) for found in CASES.values()]


@shell("zsh")
def test_zsh_completes_when_tab_is_pressed(folder: Path) -> None:
    (folder / ".zshrc").write_text("autoload -U compinit; compinit -u -D\nsource headwater.zsh\nPS1='Z '\n")
    with terminal(program=["zsh", "-i"], cwd=folder, env={"ZDOTDIR": str(folder)}) as shown:
        shown.wait_for("Z")
        for line, found in CASES.items():
            if len(found) == 1:
                shown.type(f"\x15headwater {line}\t")
                shown.wait_for(f"Z headwater {line.rpartition(' ')[0]} {found[0]}".replace("  ", " "))


@shell("bash")
def test_bash_completes_when_tab_is_pressed(folder: Path) -> None:
    with terminal(program=["bash", "--norc", "-i"], cwd=folder, env={"PS1": "B "}) as shown:
        shown.type("source headwater.bash\r")
        shown.type("headwater runs for\t--st\t\t")
        assert "headwater runs fork --st" in shown.wait_for("--step")
        shown.type("\x15headwater chat -m anthr\tclaude")
        shown.wait_for("headwater chat -m anthropic/claude")


def spellings() -> Iterator[str]:
    yield from COMMANDS
    yield from ("--version", "--debug", "--schema", "--anyway", "--step")


@pytest.mark.parametrize("name", completion.SHELLS)
def test_a_script_has_all_there_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", name]) == 0
    script = capsys.readouterr().out
    missing = [one for one in spellings() if one.removeprefix("--") not in script]
    assert not missing
    assert script.endswith("\n")


def test_another_shell_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "invalid choice: 'tcsh'" in capsys.readouterr().err.lower()
