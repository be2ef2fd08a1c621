"""What a whole process sees of leaving: Ctrl-C, the end of the program, threads, forks, loops of one's own."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.cancellation.left import assert_told
from tests.system.cancellation.programs import Program
from tests.system.cancellation.server import AT_ONCE, PacedServer

NOISE = ("was destroyed", "never awaited", "Unclosed", "unclosed", "Exception ignored", "Warning")


# --- Ctrl-C

RUNS = {
    "run": "answer = agent({model!r}).run('Go.')",
    "stream": "for chunk in agent({model!r}).run_stream('Go.'): print(chunk.content, end='', flush=True)",
    "result_sync": "agent({model!r}).run_stream('Go.').result_sync()",
    "inside a body": """
        for chunk in agent({model!r}).run_stream('Go.'):
            stand_still()
    """,
}
"""Ways of running in plain code, each of which Ctrl-C must end."""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
@pytest.mark.parametrize(
    ("how", "model"),
    [("run", "words"), ("stream", "words"), ("run", "silent"), ("result_sync", "mute"), ("inside a body", "words")],
)
def test_ctrl_c_ends_the_run_and_gives_the_partial(how: str, model: str, server: PacedServer) -> None:
    source = """
try:
{body}
except KeyboardInterrupt as interrupt:
    response = getattr(interrupt, "response", None)
    if response is None:
        print("no response")
    else:
        print("\\npartial", response.partial, response.finish_reason, response.text)
        assert response.messages[0].text == "Go."
names = [thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio_")]
assert names == ["MainThread"], names  # a name was looked up in another one, which is kept for the next
"""
    body = "\n".join("    " + line for line in RUNS[how].format(model=model).strip("\n").splitlines())
    with Program(server, source.format(body=body)) as program:
        exchange = server.next()
        if how == "inside a body":
            program.here()
        elif model == "words":
            assert exchange.wait_sent(AT_ONCE)
        shown = "".join(f"word{number} " for number in range(AT_ONCE)) if how == "stream" else ""
        program.shows(shown)  # its body has printed them, and the library waits for the next one
        program.interrupt()
        assert exchange.wait_gone()
        out = shown + program.ends_quietly()
    if how == "inside a body":
        assert out == "no response\n"  # it is raised in the user's own code, where nobody else can put anything on it
        return
    said = out.splitlines()[-1]
    assert said.startswith("partial True cancelled")
    if how == "stream":
        assert said.removeprefix("partial True cancelled ").strip() == out.splitlines()[0].strip()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
@pytest.mark.parametrize(
    "source",
    [
        "agent('words').run('Go.')",
        "for chunk in agent('words').run_stream('Go.'): pass",
        "async def main():\n    async for chunk in agent('words').run_stream('Go.'): pass\nasyncio.run(main())",
        "async def main():\n    await agent('words').run('Go.')\nasyncio.run(main())",
        "async def main():\n    await asyncio.gather(*[agent('words').run('Go.') for _ in '123'])\nasyncio.run(main())",
    ],
    ids=["run", "for", "async for", "await", "gather"],
)
def test_an_uncaught_ctrl_c_is_one_traceback(source: str, server: PacedServer) -> None:
    with Program(server, source) as program:
        exchange = server.next()
        assert exchange.wait_sent(AT_ONCE)
        program.interrupt()
        assert exchange.wait_gone()
        code, _, error = program.end()
    assert code == -signal.SIGINT, error
    assert error.rstrip().endswith("KeyboardInterrupt")
    if "asyncio.run" not in source:
        assert error.count("Traceback") == 1
        assert "During handling" not in error
    assert not [word for word in NOISE if word in error], error


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
@pytest.mark.parametrize("how", ["agent.run('Go.')", "asyncio.run(agent.arun('Go.'))"], ids=["plain", "async"])
def test_ctrl_c_ends_a_conversation_that_waits_for_its_next_line(how: str, server: PacedServer) -> None:
    source = f"""
agent = agent('short', interactive=True, print_on=False, on_event=lambda e: e.type == 'run.finished' and print('here'))
sys.stdout.reconfigure(line_buffering=True)
try:
    {how}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    with Program(server, source) as program:
        program.here()
        time.sleep(0.05)  # nothing tells that somebody has begun to wait for a line
        program.interrupt()
        code, out, error = program.end(close=False)
    assert (code, out, error) == (0, "interrupted\n", "")


# --- the next statement


@pytest.mark.parametrize(
    "source",
    [
        "for chunk in agent('words').run_stream('Go.'): break\nstand_still()",
        "stream = agent('words').run_stream('Go.')\nfor chunk in stream: break\nstand_still()",
        """
async def main():
    async for chunk in agent('words').run_stream('Go.'): break
    stand_still()
asyncio.run(main())
""",
        """
import uvloop
async def main():
    stream = agent('words').run_stream('Go.')
    async for chunk in stream: break
    stand_still()
uvloop.run(main())
""",
    ],
    ids=["for", "for of a variable", "async for", "uvloop"],
)
def test_leaving_closes_the_request_while_the_program_sleeps(source: str, server: PacedServer) -> None:
    with Program(server, source) as program:
        program.here()
        assert_told(server.next(), ["word0"])
        program.go_on()
        program.ends_quietly()


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PacedServer, Path]]:
    """The server behind TLS, and the certificate to trust."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    try:
        subprocess.run(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
            f"-addext subjectAltName=DNS:localhost -keyout {key} -out {certificate}".split(),
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with PacedServer(tls) as server:
        yield server, certificate


@pytest.mark.parametrize("kind", ["for", "asyncio", "uvloop"])
def test_leaving_a_stream_over_tls_tells_the_provider_at_once(kind: str, secure: tuple[PacedServer, Path]) -> None:
    server, certificate = secure
    server.forget()
    plain = "for chunk in agent('words').run_stream('Go.'): break\nstand_still()\nprint(agent('short').run('Go.'))"
    source = f"""
async def main():
    async for chunk in agent('words').run_stream('Go.'): break
    stand_still()
    print(await agent('short').run('Go.'))
import {kind}
{kind}.run(main())
"""
    with Program(server, plain if kind == "for" else source, SSL_CERT_FILE=str(certificate)) as program:
        program.here()
        assert_told(server.next(), ["word0"])
        program.go_on()
        assert program.ends_quietly().strip() == "word0 word1 word2"


def test_a_certificate_that_is_not_trusted_is_an_error_that_says_so(secure: tuple[PacedServer, Path]) -> None:
    source = """
from headwater.errors import ConnectionFailed
try:
    agent("short", retries=0).run("Go.")
except ConnectionFailed as error:
    print(error)
"""
    with Program(secure[0], source) as program:
        assert "not trusted" in program.ends_quietly()


# --- the end of the program

ENDINGS = {
    "a stream that was never read": "stream = agent('words').run_stream('Go.')",
    "a half-read iterator in a variable": """
        iterator = iter(agent('words').run_stream('Go.'))
        print(next(iterator).content)
    """,
    "a half-read asynchronous iterator that outlives its loop": """
        async def main():
            global iterator
            iterator = aiter(agent('words').run_stream('Go.'))
            print((await anext(iterator)).content)
        asyncio.run(main())
    """,
    "exit inside the body": """
        for chunk in agent('words').run_stream('Go.'):
            sys.exit()
    """,
    "exit inside an asynchronous body": """
        async def main():
            async for chunk in agent('words').run_stream('Go.'):
                sys.exit()
        asyncio.run(main())
    """,
    "asyncio.run twice, and plain code between": """
        async def main():
            print(await agent('short').run('Go.'))
            async for chunk in agent('words').run_stream('Go.'):
                break
        asyncio.run(main())
        print(agent('short').run('Go.'))
        asyncio.run(main())
    """,
    "a loop of one's own, closed as the language asks for": """
        loop = asyncio.new_event_loop()
        async def main():
            print(await agent('short').run('Go.'))
        loop.run_until_complete(main())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
    """,
    "a loop of one's own, closed and nothing more": """
        async def main():
            print(await agent('short').run('Go.'))
            async for chunk in agent('words').run_stream('Go.'):
                break
        for _ in range(2):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(main())
            loop.close()
    """,
    "a loop of one's own, closed while its run is read": """
        async def main():
            stream = agent('words').run_stream('Go.')
            print((await anext(stream)).content)
            return stream
        loop = asyncio.new_event_loop()
        stream = loop.run_until_complete(main())
        loop.close()
    """,
    "a loop of one's own that is never closed": """
        import warnings
        warnings.simplefilter("ignore", ResourceWarning)  # of the loop itself, which is the program's to close
        loop = asyncio.new_event_loop()
        async def main():
            print(await agent('short').run('Go.'))
        loop.run_until_complete(main())
    """,
    "uvloop": """
        import uvloop
        async def main():
            print(await agent('short').run('Go.'))
            async for chunk in agent('words').run_stream('Go.'):
                break
        uvloop.run(main())
        print(agent('short').run('Go.'))
    """,
    "threads that end": """
        def work():
            print(agent('short').run('Go.'))
            for chunk in agent('words').run_stream('Go.'):
                break
        before = len(os.listdir('/proc/self/fd')) if os.path.isdir('/proc/self/fd') else 0
        for _ in range(3):
            threads = [threading.Thread(target=work) for _ in range(2)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
        gc.collect()
        assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
        after = len(os.listdir('/proc/self/fd')) if os.path.isdir('/proc/self/fd') else 0
        assert after <= before + 1, (before, after)  # /dev/urandom or the like
    """,
    "a thread that is at it when the program ends": """
        def work():
            for chunk in agent('words').run_stream('Go.'):
                begun.set()
        begun = threading.Event()
        threading.Thread(target=work, daemon=True).start()
        begun.wait()
        print("word0")
    """,
    "tools of every kind": """
        def plain() -> str:
            "Plain."
            return "p"
        async def later() -> str:
            "Later."
            return "l"
        print(agent('tools', plain, later).run('Go.'))
        async def main():
            print(await agent('tools', plain, later).run('Go.'))
        asyncio.run(main())
    """,
    "a plain tool that is at it when the program ends": """
        begun = threading.Event()
        def wait() -> str:
            "Wait."
            begun.set()
            threading.Event().wait()
        for event in agent('talk', wait).run_stream('Go.').events():
            if event.type == 'tool.started':
                break
        print("word0")
    """,
    "an agent run in a plain tool, whose thread is kept for the next": """
        def ask() -> str:
            "Ask."
            return str(agent('short').run('Go.'))
        print(agent('tools', ask).run('Go.'))
    """,
    "a fork after a run": """
        def look() -> str:
            "Look."
            return "seen"
        print(agent('short').run('Go.'), flush=True)
        child = os.fork()
        if child == 0:
            print(agent('short').run('Go.'), flush=True)
            for chunk in agent('words').run_stream('Go.'):
                break
            sys.exit()
        assert os.waitpid(child, 0)[1] == 0
        # The loop's own pipe, by which a tool's thread wakes it, works as before.
        print(agent('tools', look).run('Go.'))
    """,
    "a fork in the middle of a run": """
        for chunk in agent('words').run_stream('Go.'):
            if chunk.content == "word5 ":
                break
            if chunk.content == "word2 ":
                child = os.fork()
                if child == 0:
                    sys.exit()
                assert os.waitpid(child, 0)[1] == 0
            print(chunk.content, end="")
    """,
    "a callback that runs an agent": """
        def ask(token):
            if token == "word0 ":
                print(agent('short').run('Go.'))
        agent('short').run('Go.', streaming_callback=ask)
    """,
}


@pytest.mark.parametrize("source", ENDINGS.values(), ids=ENDINGS.keys())
def test_nothing_is_printed_at_exit(source: str, server: PacedServer) -> None:
    if "fork" in source and not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    with Program(server, source) as program:
        out = program.ends_quietly()
    for exchange in server.exchanges:
        if exchange.body["model"] == "words":
            assert exchange.wait_gone()
    if "print" in source:
        assert "word0" in out
