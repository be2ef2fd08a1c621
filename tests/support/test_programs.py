"""A forked program is and does what it would with an interpreter of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import programs

pytestmark = pytest.mark.skipif(not programs.FORKS, reason="every program has an interpreter of its own")

PROGRAMS = {
    "words and a code": "import sys; print('out', sys.stdin.read()); print('err', file=sys.stderr); sys.exit(3)",
    "what it is": (
        "import os, sys\n"
        "print(__name__, __file__, sys.argv, os.getcwd(), sorted(os.environ.items()), sys.path[0], sys.flags)\n"
        "print([(s.name, s.encoding, s.errors, s.line_buffering, s.newlines) for s in (sys.stdout, sys.stderr)])\n"
        "print(sys.modules['__main__'].__dict__ is globals(), os.getpgid(0) == os.getpgid(os.getppid()))\n"
    ),
    "an error": "raise ValueError('no')",
    "an error in words": "raise SystemExit('no')",
    "Ctrl-C": "import os, signal; os.kill(os.getpid(), signal.SIGINT); __import__('time').sleep(60)",
    "a signal": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "an end in order": (
        "import atexit, threading\n"
        "atexit.register(print, 'at exit')\n"
        "began = threading.Event()\n"
        "threading.Thread(target=lambda: (began.wait(), print('in a thread'))).start()\n"
        "print('at the end')\n"
        "began.set()\n"
    ),
    "what is left open": "import sys\nleft = open(sys.argv[0])\n",
    "a coroutine that nobody awaits": "async def main(): pass\nmain()\n",
    "types of its own": (
        "from __future__ import annotations\n"
        "import dataclasses, pickle, typing\n"
        "@dataclasses.dataclass\n"
        "class Port:\n    name: str\n    next: Port | None = None\n"
        "print(typing.get_type_hints(Port), pickle.loads(pickle.dumps(Port('Brest'))))\n"
    ),
}


def alone(command: list[str], env: dict[str, str], cwd: Path, stdin: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-X", "dev", *command]
    return subprocess.run(line, env=env, cwd=cwd, input=stdin, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("source", PROGRAMS.values(), ids=PROGRAMS)
def test_it_is_as_in_an_interpreter_of_its_own(source: str, tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(source, encoding="utf-8")
    command = [str(path), "an argument", "caf\udce9"]
    env = {"PYTHONIOENCODING": "utf-8:backslashreplace", "PATH": os.environ["PATH"], "CITY": "Łódź", "LANG": "C.UTF-8"}
    forked = programs.run(command, env=env, cwd=tmp_path, stdin="in", flags=["-X", "dev"])
    expected = alone(command, env, tmp_path, "in")
    # The frames of the nursery are above the program's own, and it is what lets go of what was left open.
    said = re.sub(r'  File "[^"]*(nursery|<frozen runpy>)[^"]*".*\n(    .*\n)*', "", forked.stderr)
    said = re.sub(r".*nursery.*: ResourceWarning(.*\n).*\n.*\n", r"sys:1: ResourceWarning\1", said)
    assert (forked.returncode, forked.stdout, said) == (expected.returncode, expected.stdout, expected.stderr)


def test_a_module_is_run(tmp_path: Path) -> None:
    (tmp_path / "tides.py").write_text("import sys; print(__name__, __spec__.name, sys.argv[1:])", encoding="utf-8")
    done = programs.run(["-m", "tides", "in"], env={**os.environ}, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "__main__ tides ['in']\n", "")


def test_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("import os; print(os.getpid(), flush=True); import signal; signal.pause()", encoding="utf-8")
    with pytest.raises(subprocess.TimeoutExpired) as late:
        programs.run([str(path)], env={**os.environ}, timeout=0.5)
    with pytest.raises(ProcessLookupError):
        os.kill(int(str(late.value.cmd)), 0)


def test_one_that_is_killed_says_so(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("import signal; signal.pause()", encoding="utf-8")
    with open(os.devnull, "r+b") as nothing:
        process = programs.fork([str(path)], env={**os.environ}, streams=[nothing.fileno()] * 3)
    assert process.poll() is None
    process.kill()
    assert process.returncode == -signal.SIGKILL
