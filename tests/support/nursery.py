"""The process that `tests.support.programs` forks programs from. It imports, and never runs anything itself.

Each program is a grandchild: the process between waits for it, and tells its id and its exit code.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import importlib.util
import io
import os
import pickle
import pkgutil
import signal
import socket
import sys
import types
from typing import Any, Final

import headwater
from tests.support.programs import Asked

SLOW: Final = ("headwater.web.mcp", "headwater.__main__")
"""Not imported ahead: hardly any program needs the first, and the second is a program."""
ALSO: Final = ("aiohttp", "pydantic", "rich.console", "rich.live", "rich.markdown", "uvicorn")


def main() -> None:
    """Returns only in a program, which has ended then."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    atexit.register(_end)  # what is registered first is called last: what is imported from here on comes before
    for module in pkgutil.walk_packages(headwater.__path__, "headwater."):
        if not module.name.startswith(SLOW):
            importlib.import_module(module.name)
    for name in ALSO:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, which close the channel
    while True:
        message, descriptors, *_ = socket.recv_fds(channel, 1 << 20, 4)
        if not message:
            _reap()
            os._exit(0)
        if os.fork() == 0:
            channel.close()
            _begin(pickle.loads(message), *descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)
        _reap()


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):  # there are none
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _begin(asked: Asked, tell: int, *streams: int) -> None:
    if child := os.fork():
        for stream in streams:
            os.close(stream)
        os.write(tell, b"%d\n" % child)
        _, status = os.waitpid(child, 0)
        os.write(tell, b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    os.close(tell)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _take_streams(asked.terminal, streams)
    os.chdir(asked.folder)
    os.environ.clear()
    os.environ.update(asked.environment)
    _run(asked.command, asked.folder)


def _take_streams(terminal: str, streams: tuple[int, ...]) -> None:
    if terminal:
        os.setsid()
        streams = (os.open(terminal, os.O_RDWR),) * 3  # the first one a session's leader opens controls it
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in set(streams):
        os.close(stream)
    sys.stdin = sys.__stdin__ = _stream(sys.stdin, 0, "r")  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _stream(sys.stdout, 1, "w")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _stream(sys.stderr, 2, "w")  # type: ignore[misc]


def _stream(now: Any, number: int, mode: str) -> Any:
    """As the interpreter would have opened it."""
    raw: Any = io.FileIO(number, mode, closefd=False)
    raw.name = now.name
    line = mode == "w" and (raw.isatty() or number == 2)
    return io.TextIOWrapper(
        io.BufferedWriter(raw) if mode == "w" else io.BufferedReader(raw),
        encoding=now.encoding,
        errors=now.errors,
        newline="\n",
        line_buffering=line,
        write_through=now.write_through,
    )


class _Program(types.ModuleType):
    """The module that is run."""

    code = 0
    """What the process is to end with."""


def _run(command: list[str], folder: str) -> None:
    """Runs a module or a file as `__main__`."""
    for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
        del sys.modules[name]
    program = sys.modules["__main__"] = _Program("__main__")
    sys.path[0] = folder if command[0] == "-m" else os.path.dirname(command[0])
    if command[0] == "-m":
        module = importlib.util.find_spec(command[1])
        if module is not None and module.submodule_search_locations is not None:
            module = importlib.util.find_spec(f"{command[1]}.__main__")
        assert module is not None
        loader: Any = module.loader
        assert module.origin is not None
        path, code = module.origin, loader.get_code(module.name)
        program.__spec__, program.__package__ = module, module.parent
        command = command[1:]
    else:
        path = command[0]
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec")
    program.__file__, sys.argv = path, [path, *command[1:]]
    try:
        exec(code, program.__dict__)
    except SystemExit as end:
        _Program.code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    except KeyboardInterrupt:
        _Program.code = -signal.SIGINT
        raise
    except BaseException:
        _Program.code = 1
        raise


def _end() -> None:
    """Ends the process once the program's threads and its own functions at exit are done.

    The interpreter would now take all modules apart, which takes ten times as long as everything else here. Only the
    program's own is: what it left open says so.
    """
    code = _Program.code
    sys.modules["__main__"].__dict__.clear()
    gc.collect()
    if "coverage" in sys.modules:  # began with the interpreter, before anything else was registered
        _save_coverage()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 120
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code & 0xFF)


def _save_coverage() -> None:
    import coverage

    if (measured := coverage.Coverage.current()) is not None:
        measured.stop()
        measured.save()


if __name__ == "__main__":
    main()
