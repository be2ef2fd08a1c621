"""The last conversation: what is kept of it, for whom, and what it means for the next command."""

from __future__ import annotations

import argparse
import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from headwater import Message, Thread
from headwater.cli import last_conversation as module
from headwater.cli.last_conversation import begin, keep
from headwater.cli.options import add_agent_options, add_continue_option
from headwater.errors import InvalidRecord, UsageError
from headwater.events.messages import Image

SAID = (Message.user("Explain tides\nto a child, who has never seen the sea"), Message.assistant("The moon pulls."))


@pytest.fixture
def folder(tmp_path: Path, bare: pytest.MonkeyPatch) -> Path:
    bare.setenv("HEADWATER_HISTORY", "")
    bare.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "headwater"


def asked(*line: str) -> Any:
    parser = argparse.ArgumentParser()
    add_agent_options(parser)
    add_continue_option(parser)
    return parser.parse_args(line)


def test_it_is_private_and_can_be_continued(folder: Path) -> None:
    assert begin(asked()).messages == ()
    keep(Thread(SAID, agent="pilot"), asked("--model", "m"))
    assert stat.S_IMODE((folder / "last.json").stat().st_mode) == 0o600
    again = begin(asked("--continue"))
    assert (again.messages, again.agent) == (SAID, "pilot")


def test_who_answered_answers_again_where_the_line_does_not_say(folder: Path, bare: pytest.MonkeyPatch) -> None:
    keep(Thread(SAID), asked("--model", "m", "--base-url", "http://x/v1", "-i", "Be brief.", "--tool", "a:b"))
    line = asked("-c")
    begin(line)
    assert (line.model, line.base_url, line.instructions, line.tool) == ("m", "http://x/v1", "Be brief.", ["a:b"])
    line = asked("-c", "--model", "n")
    begin(line)
    assert (line.model, line.base_url) == ("n", "http://x/v1")
    line = asked("-c", "--agent", "harbour:pilot")
    begin(line)
    assert (line.agent, line.model, line.base_url, line.tool) == ("harbour:pilot", None, None, [])
    bare.setenv("HEADWATER_MODEL", "named/once")
    keep(Thread(SAID), asked())
    bare.delenv("HEADWATER_MODEL")
    begin(line := asked("-c"))
    assert line.model == "named/once"


@pytest.mark.parametrize("url", ["https://user:secret@x/v1", "https://x/v1?key=secret"])
def test_an_address_that_may_contain_a_password_is_not_kept(url: str, folder: Path) -> None:
    keep(Thread(SAID), asked("--model", "m", "--base-url", url))
    assert "secret" not in (folder / "last.json").read_text("utf-8")


def test_nothing_is_kept_if_disabled_or_empty(folder: Path, bare: pytest.MonkeyPatch) -> None:
    keep(Thread(), asked())
    bare.setenv("HEADWATER_HISTORY", "off")
    keep(Thread(SAID), asked())
    assert not folder.exists()
    with pytest.raises(UsageError, match=r"There is no conversation to continue\. HEADWATER_HISTORY is off"):
        begin(asked("-c"))


def test_a_failure_to_save_is_reported_and_ends_nothing(
    folder: Path, bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.write_text("no folder")
    keep(Thread(SAID), asked())
    told = capsys.readouterr().err
    assert told.startswith("headwater: the conversation is not saved for --continue: ")
    assert told.endswith(" HEADWATER_HISTORY=off turns saving off.\n")
    folder.unlink()
    bare.setattr(module, "MAX_BYTES", 100)
    keep(Thread((Message.user("Look", Image(data=b"\x89PNG" * 50)),)), asked())
    assert "too large to save" in capsys.readouterr().err
    assert not (folder / "last.json").exists()


@pytest.mark.parametrize("data", ["", "{}", '{"v": 9, "type": "conversation"}', '{"v":1,"type":"thread"}'])
def test_an_invalid_file_is_reported(data: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "last.json").write_text(data)
    with pytest.raises(InvalidRecord, match=r"last\.json: "):
        begin(asked("-c"))


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "just now"), (61, "1 minute ago"), (7300, "2 hours ago"), (90_000, "1 day ago")]
)
def test_a_person_sees_what_is_continued(
    seconds: int, told: str, folder: Path, bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(Thread(SAID), asked())
    file = folder / "last.json"
    record = json.loads(file.read_text())
    record["saved"] -= seconds
    file.write_text(json.dumps(record))
    begin(asked("-c"))
    assert capsys.readouterr().err == "", "a program is not"
    bare.setattr(sys.stderr, "isatty", lambda: True)
    begin(asked("-c"))
    assert (
        capsys.readouterr().err == f"headwater: continuing after “Explain tides to a child, who has never…”, {told}.\n"
    )
