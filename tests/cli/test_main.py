"""The process: exit codes, what stands in the way of its output, what it costs to start."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

import headwater as package
from headwater.cli import main
from tests.cli.commands import PATIENCE, EndlessServer, command, environment, headwater, serving, started, terminal

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and pseudo-terminals are POSIX's")


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"headwater {package.__version__}\n"


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["run", "--help"]])
def test_what_needs_nothing_imports_nothing_heavy(arguments: list[str]) -> None:
    heavy = "{'aiohttp', 'asyncio', 'msgspec', 'pydantic', 'rich', 'ssl'}"
    program = f"""
import sys
from headwater.cli import main
code = main({arguments!r})
print(sorted({heavy} & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "[]\n"


def test_without_a_command_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("usage: headwater COMMAND")


def test_the_installed_command_and_the_module_are_the_same() -> None:
    from importlib.metadata import entry_points

    (entry,) = entry_points(group="console_scripts", name="headwater")
    assert entry.load() is main
    assert headwater("--version").stdout == f"headwater {package.__version__}\n"


def test_a_users_mistake_is_one_line() -> None:
    done = headwater("run", "hello", "--model", "openai/gpt-5.4")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "headwater: No key for openai. Set OPENAI_API_KEY in the environment. To try without a key: --model offline.\n"
    )


def test_debug_shows_the_traceback() -> None:
    done = headwater("run", "hello", "--model", "openai/gpt-5.4", "--debug")
    assert done.returncode == 2
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("To try without a key: --model offline.\n")


def test_a_failed_run_is_one_line_and_1() -> None:
    done = headwater(
        "run", "hello", "--model", "openai/gpt-5.4", env={"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": _nowhere()}
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("headwater: No connection to 127.0.0.1:")
    assert done.stderr.count("\n") == 1


def _nowhere() -> str:
    """An address at which nobody listens."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}/v1"


@posix
@pytest.mark.parametrize("json_lines", [False, True])
def test_a_closed_output_ends_the_run(json_lines: bool) -> None:
    server = EndlessServer()
    with serving(server):
        env = {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": server.base_url}
        more = ["--json"] if json_lines else []
        process = started("run", "hello", "--model", "openai/gpt-5.4", *more, env=env)
        assert process.stdout is not None
        assert process.stderr is not None
        seen = b""
        while b"tide " not in seen:
            seen += process.stdout.read(1)
        process.stdout.close()
        assert process.wait(PATIENCE) == 141
        assert process.stderr.read() == b""
        process.stderr.close()
        assert server.left.wait(PATIENCE), "the provider was not told"


@posix
def test_ctrl_c_ends_the_run_and_the_connection() -> None:
    server = EndlessServer()
    with serving(server):
        env = {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": server.base_url}
        process = started("run", "hello", "--model", "openai/gpt-5.4", env=env)
        assert process.stdout is not None
        assert process.stdout.read(5) == b"tide "
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
        assert output.endswith(b"\n")
        assert errors == b""
        assert server.left.wait(PATIENCE), "the provider was not told"


@posix
def test_ctrl_c_ends_a_log_as_every_log_ends() -> None:
    server = EndlessServer()
    with serving(server):
        env = {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": server.base_url}
        # Without a buffer: communicate reads past it, and what a readline has put there would be lost.
        process = started("run", "hello", "--json", "--model", "openai/gpt-5.4", env=env, bufsize=0)
        assert process.stdout is not None
        begun = b""
        while b"text.delta" not in begun:
            begun += process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    events = [json.loads(line) for line in (begun + rest).splitlines()]
    assert [event.get("seq", 0) for event in events] == list(range(len(events)))
    assert events[-1]["type"] == "run.cancelled"


@posix
def test_a_full_disk_is_reported() -> None:
    for arguments in (["run", "hello", "--max-tokens", "3"], ["models"]):
        with open("/dev/full", "w") as file:
            done = subprocess.run(
                command(*arguments),
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.PIPE,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert last.startswith("headwater: Standard output cannot be written: No space left on device.")


@posix
def test_closed_streams_are_not_an_error() -> None:
    line = ["sh", "-c", '"$@" >&- 2>&- <&-', "sh", *command("run", "hello", "--max-tokens", "2")]
    assert subprocess.run(line, env=environment(), timeout=PATIENCE, check=False).returncode == 0


def test_what_the_output_cannot_say_is_replaced() -> None:
    done = subprocess.run(
        command("run", "潮 ist Gezeiten", "--max-tokens", "40"),
        env=environment(PYTHONIOENCODING="latin-1", PYTHONUTF8="0"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0
    assert b"?" in done.stdout
    assert b"Traceback" not in done.stderr


@posix
def test_help_is_quiet_about_a_reader_that_left() -> None:
    process = started("--help")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(PATIENCE) in (0, 141)
    assert process.stderr.read() == b""
    process.stderr.close()


def test_an_unexpected_error_keeps_its_traceback(bare: pytest.MonkeyPatch) -> None:
    def broken(asked: object) -> int:
        raise ZeroDivisionError

    bare.setattr("headwater.cli.models.execute", broken)
    with pytest.raises(ZeroDivisionError):
        main(["models"])


@posix
def test_a_terminal_is_left_as_it_was() -> None:
    with terminal("run", "hello", "--max-tokens", "3") as shown:
        assert shown.end() == 0
        assert "length · the token limit cut the answer" in shown.text
