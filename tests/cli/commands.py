"""Running the command as a person or a script does: on pipes, and on a terminal of its own."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support import programs

PATIENCE = 60.0
"""Seconds until something that has to happen is given up on; nothing waits this long when all is well."""

_PRIVATE = ("HEADWATER_", "OPENAI_", "ANTHROPIC_", "GOOGLE_", "AZURE_", "AWS_", "OLLAMA_", "SSL_CERT_")
_UNWANTED = ("NO_COLOR", "COLUMNS", "LINES", "HF_TOKEN", "TERM", "PYTHONIOENCODING", "PYTHONUTF8")

EVERYWHERE = {
    "ollama": "OLLAMA_HOST",
    "vllm": "VLLM_BASE_URL",
    "llamacpp": "LLAMACPP_BASE_URL",
    "lmstudio": "LMSTUDIO_BASE_URL",
}
"""The variable that says where each kind of local server is."""

OPENAI_LIST = json.dumps({"object": "list", "data": [{"id": "llama-3.1-8b", "object": "model"}, {"id": "qwen3"}]})
"""A list of models as servers that speak Chat Completions give it."""


FLAGS = ("-W", "default")


def environment(**more: str) -> dict[str, str]:
    """This process's own without anyone's keys, servers, proxies and tastes."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_PRIVATE)
        and not name.endswith(("_API_KEY", "_API_TOKEN", "_BASE_URL", "_API_BASE"))
        and not name.lower().endswith("_proxy")
        and name not in _UNWANTED
    }
    return {**ours, "TERM": "xterm-256color", "HEADWATER_HISTORY": "off", **more}


def without(folder: Path, module: str) -> dict[str, str]:
    """The variables by which a program in `folder` does not find the module, as where it is not installed."""
    there = folder / "without"
    there.mkdir(exist_ok=True)
    (there / f"{module}.py").write_text(f"raise ModuleNotFoundError(name={module!r})\n", encoding="utf-8")
    return {"PYTHONPATH": str(there)}


def command(*arguments: str) -> list[str]:
    """The command line that runs `headwater` with `arguments`."""
    return [sys.executable, *FLAGS, "-m", "headwater", *arguments]


def headwater(
    *arguments: str, stdin: str | None = None, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to the end on pipes. Without `stdin` there is nothing to read."""
    line, variables = ["-m", "headwater", *arguments], environment(**(env or {}))
    return programs.run(line, stdin=stdin or "", env=variables, cwd=cwd, flags=FLAGS, timeout=PATIENCE * 2)


def started(*arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> subprocess.Popen[bytes]:
    """Begin it with its output on pipes."""
    return subprocess.Popen(
        command(*arguments),
        env=environment(**(env or {})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


# --- a terminal

_ON_ITS_OWN_TERMINAL = """
import os, sys
terminal = os.open(sys.argv[1], os.O_RDWR)  # the first one a session's leader opens is the one it is controlled by
for descriptor in (0, 1, 2):
    os.dup2(terminal, descriptor)
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Terminal:
    """The command on a terminal of its own, and what a person would see there."""

    def __init__(
        self,
        *arguments: str,
        columns: int = 80,
        cwd: Path | None = None,
        env: Mapping[str, str],
        program: list[str] | None = None,
    ) -> None:
        import fcntl
        import pty
        import struct
        import termios

        import pyte

        self.output = b""

        class Screen(pyte.HistoryScreen):
            def write_process_input(self, data: str) -> None:
                os.write(ours, data.encode())  # where the cursor is, as editors ask

        ours, theirs = pty.openpty()
        self._ours = ours
        self._screen = Screen(columns, 50)
        self._stream = pyte.ByteStream(self._screen)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self._process = self._begin(os.ttyname(theirs), arguments, program, cwd, environment(**env))
        # Kept open until the child has it open too: the last one to close a terminal takes its output along.
        self._theirs: int | None = theirs

    def _begin(
        self,
        name: str,
        arguments: tuple[str, ...],
        program: list[str] | None,
        cwd: Path | None,
        env: Mapping[str, str],
    ) -> subprocess.Popen[bytes] | programs.Forked:
        if program is None and programs.FORKS:
            return programs.fork(["-m", "headwater", *arguments], env=env, cwd=cwd, flags=FLAGS, terminal=name)
        return subprocess.Popen(
            [sys.executable, "-c", _ON_ITS_OWN_TERMINAL, name, *(program or command(*arguments))],
            env={**env},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def text(self) -> str:
        """What the screen shows, without what is empty."""
        return "\n".join(line.rstrip() for line in self._screen.display).strip()

    def type(self, keys: str) -> None:
        """Press keys; "\\x03" is Ctrl-C, "\\x04" Ctrl-D."""
        os.write(self._ours, keys.encode())

    def wait_for(self, seen: str | Callable[[str], bool]) -> str:
        """Read until the screen shows it; what it shows then."""
        shows = seen if callable(seen) else lambda text: seen in text
        until = time.monotonic() + PATIENCE
        while not shows(self.text):
            assert self._read(until), f"{seen!r} was not seen:\n{self.text}"
        return self.text

    def end(self) -> int:
        """Read to the end; the exit code."""
        until = time.monotonic() + PATIENCE
        while self._read(until):
            pass
        return self._process.wait(max(until - time.monotonic(), 1))

    def close(self) -> None:
        """Take the terminal away."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._theirs is not None:
            os.close(self._theirs)
        os.close(self._ours)

    def _read(self, until: float) -> bool:
        """Take what comes next; False at the end, or where nothing comes."""
        while True:
            ready, _, _ = select.select([self._ours], [], [], min(0.05, max(until - time.monotonic(), 0)))
            if ready:
                break
            if time.monotonic() > until:
                return False
            if self._process.poll() is not None:
                if self._theirs is None:
                    return False
                os.close(self._theirs)
                self._theirs = None
        piece = b""
        with suppress(OSError):  # how Linux says that the other side is closed
            piece = os.read(self._ours, 65536)
        self.output += piece
        self._stream.feed(piece)
        return bool(piece)


@contextmanager
def terminal(
    *arguments: str,
    columns: int = 80,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    program: list[str] | None = None,
) -> Iterator[Terminal]:
    """The command, or another program, begun on a terminal."""
    shown = Terminal(*arguments, columns=columns, cwd=cwd, env=env or {}, program=program)
    try:
        yield shown
    finally:
        shown.close()


# --- servers


class EndlessServer(ThreadingHTTPServer):
    """Answers in Chat Completions without ever coming to an end; `left` is set when a reader has gone."""

    daemon_threads = True

    def __init__(self) -> None:
        self.left = threading.Event()
        super().__init__(("127.0.0.1", 0), _Endless)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        """That a reader leaves is what this server is for."""


class _Endless(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        server = self.server
        assert isinstance(server, EndlessServer)
        try:
            while True:
                self.wfile.write(b'data: {"choices":[{"index":0,"delta":{"content":"tide "}}]}\n\n')
                server.left.wait(0.01)
        except OSError:
            server.left.set()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on standard error."""


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[str]:
    """Run a server; its address without a path."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class FixedServer(ThreadingHTTPServer):
    """Answers GETs of the paths it is given with a status and a body, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self, answers: Mapping[str, tuple[int, str | bytes]]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), _Fixed)


class _Fixed(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, FixedServer)
        server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        status, told = server.answers.get(self.path, (404, "not here"))
        body = told.encode() if isinstance(told, str) else told
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on standard error."""
