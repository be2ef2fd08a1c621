"""`headwater gateway` compared with LiteLLM's proxy, in front of the same provider on this machine.

Measures the CPU time of the gateway's processes per token, the time to first token that the gateway adds, and how many
streams at 50 tokens a second one core can serve with a p99 delivery lag under 100 ms. LiteLLM runs in its own virtual
environment, created once in build/ of the checkout; HEADWATER_BENCHMARK_LITELLM names the Python of an existing one.

    python -m benchmarks.gateway [--quick]
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.lab import ROOT, Lab, Table, median

__all__ = ("measure",)

PLACE = ROOT / "build" / "litellm"
STREAMS = 10
TOKENS = 150
"""Tokens per stream, so that a round takes three seconds."""
ROUNDS = 5
BLAST = 3000
"""Tokens of the stream at full speed."""
BLASTS = {"headwater": 10, "litellm": 1}
"""Such streams per round, enough for the resolution of process times, which is 10 ms."""
FIRST = 20
"""Requests per round for the first token."""
LAG_SECONDS = 0.1
LEVELS = (10, 20, 30, 40, 50, 75, 100, 125, 150, 175, 200, 250, 300, 350, 400, 500, 600)
"""The numbers of concurrent streams that are tried, until the lag is too long."""
TOKEN = "sk-0123456789abcdef0123456789abcdef"
"""The key that both gateways require; LiteLLM's does not start without one."""
READY_SECONDS = 180
"""How long a proxy may take to start."""

_TOKEN = re.compile(rb'"content":"(\d+\.\d+) ?"')
_PORT = re.compile(r"http://127\.0\.0\.1:(\d+)/v1")


# --- the gateways


class Gateway(NamedTuple):
    """A running gateway: its name, its address, and the session of its processes."""

    name: str
    port: int
    session: int

    def cpu(self) -> float:
        """Seconds of CPU that its processes have taken."""
        return sum(seconds for seconds, _ in _processes(self.session))

    def memory(self) -> int:
        """Bytes of memory that they use."""
        return sum(held for _, held in _processes(self.session))


def _processes(session: int) -> Iterator[tuple[float, int]]:
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
            if int(fields[3]) == session:
                yield (int(fields[11]) + int(fields[12])) / tick, int(fields[21]) * page


@contextlib.contextmanager
def _running(name: str, command: Iterable[str], folder: Path, port: int | None = None) -> Iterator[Gateway]:
    """A gateway in its own session, once it answers; with `port` None it prints its port."""
    told = folder / f"{name}.log"
    unset = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    env = {**unset, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "NO_PROXY": "*"}
    env |= {"HEADWATER_TOKEN": TOKEN, "LITELLM_MASTER_KEY": TOKEN}
    with told.open("wb") as log:
        process = subprocess.Popen([*command], stdout=log, stderr=log, cwd=folder, env=env, start_new_session=True)
    try:
        until = time.monotonic() + READY_SECONDS
        while True:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{name} did not start: {told.read_text(errors='replace')[-2000:]}")
            if port is None and (found := _PORT.search(told.read_text(errors="replace"))):
                port = int(found[1])
            if port is not None and _answers(port):
                break
            time.sleep(0.2)
        yield Gateway(name, port, process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            connection.sendall(
                b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer %s\r\n\r\n" % TOKEN.encode()
            )
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextlib.contextmanager
def _headwater(lab: Lab, names: dict[str, str], folder: Path) -> Iterator[Gateway]:
    """headwater's, on its own core."""
    told = [f'[{name}]\nmodel = "gpt-5.4"\nbase_url = "{url}"\napi_key_env = "KEY"\n' for name, url in names.items()]
    (folder / "models.toml").write_text("\n".join(told))
    os.environ["KEY"] = "sk-simulated-key-0123456789"
    command = [*lab.pinned(), sys.executable, "-m", "headwater", "gateway", "models.toml", "--port", "0"]
    with _running("headwater", command, folder) as gateway:
        yield gateway


@contextlib.contextmanager
def _litellm(lab: Lab, python: str, names: dict[str, str], folder: Path) -> Iterator[Gateway]:
    """LiteLLM's proxy with one worker, on the same core."""
    models = [
        f"  - model_name: {name}\n    litellm_params:\n      model: openai/gpt-5.4\n"
        f"      api_base: {url}\n      api_key: sk-simulated-key-0123456789\n"
        for name, url in names.items()
    ]
    (folder / "config.yaml").write_text("model_list:\n" + "".join(models) + "litellm_settings:\n  telemetry: false\n")
    port = _free_port()
    program = str(Path(python).with_name("litellm"))
    where = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1", "--telemetry", "False"]
    with _running("litellm", [*lab.pinned(), program, "--config", "config.yaml", *where], folder, port) as gateway:
        yield gateway


def litellm_python(*, quick: bool = False) -> str | None:
    """The Python of LiteLLM's environment; None if it cannot be created, or if that takes too long (`quick`)."""
    if named := os.environ.get("HEADWATER_BENCHMARK_LITELLM"):
        return named
    python = PLACE / "bin" / "python"
    if (PLACE / "bin" / "litellm").exists():
        return str(python)
    if quick or subprocess.run([sys.executable, "-m", "venv", "--clear", str(PLACE)], check=False).returncode:
        return None
    print("Installing litellm[proxy], which takes some minutes …", flush=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "litellm[proxy]"], check=False)
    return str(python) if (PLACE / "bin" / "litellm").exists() else None


# --- the client


class _Stream(asyncio.Protocol):
    """One streamed completion after another on one connection: when each token arrived, and how late it was."""

    def __init__(self, port: int, path: str, model: str) -> None:
        body = b'{"model":"%s","stream":true,"messages":[{"role":"user","content":"Explain tides"}]}' % model.encode()
        head = f"POST {path}/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {TOKEN}\r\n"
        kind = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self._request = (head + kind).encode() + body
        self._rest = b""
        self.lags: list[float] = []
        self.words = 0
        """Tokens that contain no time."""
        self.first = 0.0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(RuntimeError(f"The connection was lost: {self._rest[:500]!r}"))

    def ask(self) -> asyncio.Future[None]:
        """Requests a completion, and ends with it."""
        self.over = asyncio.get_running_loop().create_future()
        self.lags, self.words, self.first, self._rest = [], 0, 0.0, b""
        self.transport.write(self._request)
        return self.over

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        whole = self._rest + data
        sent = _TOKEN.findall(whole)
        if sent and not self.first:
            self.first = now
        self.lags += [now - float(one) for one in sent]
        end = whole.rfind(b"\n\n") + 1
        self.words += whole.count(b'"content":" word', 0, end)
        self._rest = whole[end:]
        if b"data: [DONE]" in whole and not self.over.done():
            self.over.set_result(None)
        elif b" 500 " in whole[:20] and not self.over.done():
            self.over.set_exception(RuntimeError(whole[:500].decode(errors="replace")))


async def _streams(port: int, path: str, model: str, number: int) -> list[_Stream]:
    loop = asyncio.get_running_loop()
    return [
        (await loop.create_connection(lambda: _Stream(port, path, model), "127.0.0.1", port))[1] for _ in range(number)
    ]


async def _read(port: int, path: str, model: str, number: int, seconds: float) -> list[float]:
    """Reads that many streams at once to their ends; returns how late each token was."""
    streams = await _streams(port, path, model, number)
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(stream.ask() for stream in streams))
    finally:
        for stream in streams:
            stream.transport.abort()
    return [lag for stream in streams for lag in stream.lags]


async def _blast(port: int) -> int:
    """Reads one stream at full speed; returns the number of its tokens."""
    (stream,) = await _streams(port, "/v1", "blast", 1)
    async with asyncio.timeout(120):
        await stream.ask()
    stream.transport.abort()
    return stream.words


async def _first(port: int, path: str, times: int) -> list[float]:
    """Seconds to the first token, one request after the other on a warm connection."""
    (stream,) = await _streams(port, path, "asked", 1)
    found = []
    for _ in range(times):
        begun = time.monotonic()
        await stream.ask()
        found.append(stream.first - begun)
        await asyncio.sleep(0.01)
    stream.transport.abort()
    return found


# --- measurements


def measure(lab: Lab, *, quick: bool = False) -> list[Table]:
    """The cost of a token, the first token, and the streams per core."""
    streams, tokens, rounds, first = (2, 5, 1, 3) if quick else (STREAMS, TOKENS, ROUNDS, FIRST)
    names = {"paced": lab.url("paced", "openai-chat", tokens), "asked": lab.url("asked", "openai-chat")}
    names["blast"] = lab.url("blast", "openai-chat", BLAST)
    python = litellm_python(quick=quick)
    with tempfile.TemporaryDirectory() as place, _apart(lab):
        folder = Path(place)
        with _headwater(lab, names, folder) as ours:
            if python is None:
                return _tables(lab, [ours], streams, tokens, rounds, first, quick=quick)
            with _litellm(lab, python, names, folder) as theirs:
                return _tables(lab, [ours, theirs], streams, tokens, rounds, first, quick=quick)


@contextlib.contextmanager
def _apart(lab: Lab) -> Iterator[None]:
    """Keeps this process, the reader, off the gateways' core."""
    if not lab.pinned():
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _tables(
    lab: Lab, gateways: list[Gateway], streams: int, tokens: int, rounds: int, first: int, *, quick: bool
) -> list[Table]:
    cpu: dict[str, list[float]] = {one.name: [] for one in gateways}
    blasts: dict[str, list[float]] = {one.name: [] for one in gateways}
    firsts: dict[str, list[float]] = {name: [] for name in ("the provider itself", *cpu)}
    path = "/asked/openai-chat/0/v1"
    patience = 20 + tokens / 5
    for gateway in gateways:  # connections, code and caches are warm from here on
        asyncio.run(_read(gateway.port, "/v1", "paced", streams, patience))
        asyncio.run(_first(gateway.port, "/v1", 3))
        asyncio.run(_blast(gateway.port))
    for _ in range(rounds):
        firsts["the provider itself"].append(median(asyncio.run(_first(lab.port, path, first))))
        for gateway in gateways:
            before = gateway.cpu()
            lags = asyncio.run(_read(gateway.port, "/v1", "paced", streams, patience))
            if len(lags) != streams * tokens:
                raise RuntimeError(f"{gateway.name} told {len(lags)} tokens of {streams * tokens}.")
            cpu[gateway.name].append((gateway.cpu() - before) / len(lags))
            firsts[gateway.name].append(median(asyncio.run(_first(gateway.port, "/v1", first))))
            before = gateway.cpu()
            for _ in range(BLASTS[gateway.name]):
                if (told := asyncio.run(_blast(gateway.port))) != BLAST:
                    raise RuntimeError(f"{gateway.name} told {told} tokens of {BLAST}.")
            blasts[gateway.name].append((gateway.cpu() - before) / BLAST / BLASTS[gateway.name])
    held = {one.name: (0, 0.0) if quick else _held(one) for one in gateways}
    ours = gateways[0].name
    bare = firsts["the provider itself"]
    rows = []
    for one in gateways:
        costs, found, (number, lag) = cpu[one.name], firsts[one.name], held[one.name]
        ratio = median(cost / mine if mine else 0.0 for cost, mine in zip(costs, cpu[ours], strict=True))
        fast = median(cost / mine if mine else 0 for cost, mine in zip(blasts[one.name], blasts[ours], strict=True))
        added = median((its - direct) * 1e3 for its, direct in zip(found, bare, strict=True))
        rows.append(
            (
                one.name,
                f"{median(costs) * 1e6:.0f}",
                f"**{ratio:.1f}**",
                f"{median(blasts[one.name]) * 1e6:.0f}",
                f"**{fast:.0f}**",
                f"{median(found) * 1e3:.1f}",
                f"{added:.1f}",
                f"{number} ({lag * 1e3:.0f} ms)" if number else "" if quick else f"under {LEVELS[0]}",
                f"{one.memory() / 1e6:.0f}",
            )
        )
    columns = (
        "gateway",
        "µs of CPU a token",
        "÷ headwater",
        "the same, at full speed",
        "÷ headwater",
        "first token, ms",
        "its own share, ms",
        "streams a core (p99 lag)",
        "MB",
    )
    bars = [(name, median(costs) * 1e6) for name, costs in cpu.items()]
    title = f"A gateway in front of {streams} streams at 50 tokens a second"
    return [Table("gateway", title, columns, rows, bars=bars, unit="µs of CPU a token")]


def _held(gateway: Gateway) -> tuple[int, float]:
    """The highest number of concurrent streams that are delivered in time, and the p99 of their lag."""
    best = (0, 0.0)
    for number in LEVELS:
        try:
            lags = asyncio.run(_read(gateway.port, "/v1", "paced", number, 60))
        except (TimeoutError, RuntimeError):
            break
        late = sorted(lags)[int(len(lags) * 0.99)]
        if late > LAG_SECONDS:
            break
        best = (number, late)
    return best


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main("gateway")
