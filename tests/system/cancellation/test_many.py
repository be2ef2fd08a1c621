"""Many runs at once, and one after another: nothing is mixed, and connections are used again."""

from __future__ import annotations

import asyncio
import contextlib
import random
import resource
import socket
import threading
from typing import Any

import pytest

from headwater import Agent
from headwater.errors import ConnectionFailed, ConnectTimeout
from tests.system.cancellation.conftest import Run
from tests.system.cancellation.left import Census, assert_valid, no_tasks
from tests.system.cancellation.server import SOON, PacedServer

pytestmark = pytest.mark.xdist_group("measured")  # they measure time or memory: not two at once


def _room_for(descriptors: int) -> bool:
    """Whether the process may open so many files; asks for more where it can."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < descriptors <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, hard))
        soft = descriptors
    return soft >= descriptors


def test_one_agent_serves_a_thousand_concurrent_runs_without_mixing_them(server: PacedServer, census: Census) -> None:
    runs = 1000 if _room_for(2500) else 200

    async def main() -> None:
        agent = Agent(model="echo", base_url=server.url, api_key="k")

        async def ask(number: int) -> None:
            marker = [f"<{number}:{piece}>" for piece in range(5)]
            if number % 3 == 0:
                response = await agent.run(",".join(marker))
            elif number % 3 == 1:
                stream = agent.run_stream(",".join(marker))
                assert [chunk.content async for chunk in stream] == [*marker, ""]
                response = stream.response
            else:
                tokens: list[str] = []
                response = await agent.run(",".join(marker), streaming_callback=tokens.append)
                assert tokens == marker
            assert response == "".join(marker)
            assert [message.text for message in response.messages] == [",".join(marker), "".join(marker)]

        await asyncio.gather(*(ask(number) for number in range(runs)))
        no_tasks()

    asyncio.run(main(), debug=False)  # debug mode is tried elsewhere, and takes five times as long
    assert len(server.exchanges) == runs


def test_later_runs_reuse_connections(run: Run, server: PacedServer) -> None:
    async def main() -> None:
        agent = Agent(model="short", base_url=server.url, api_key="k")
        for _ in range(3):
            await agent.run("Go.")
            assert [chunk.content async for chunk in agent.run_stream("Go.")][-1] == ""
        # Another agent that asks the same provider has the same connections.
        await Agent(name="other", model="short", base_url=server.url, api_key="k").run("Go.")
        assert len({exchange.connection for exchange in server.exchanges}) == 1

    run(main())


def test_a_tools_steps_use_one_connection(run: Run, server: PacedServer) -> None:
    def look() -> str:
        """Look."""
        return "seen"

    async def main() -> None:
        agent = Agent(model="tools", base_url=server.url, api_key="k", tools=[look])
        assert await agent.run("Go.") == "word0 word1 word2 "
        assert len({exchange.connection for exchange in server.exchanges}) == 1
        assert len(server.exchanges) == 2

    run(main())


def test_an_abandoned_connection_is_not_reused(run: Run, server: PacedServer) -> None:
    async def main() -> None:
        agent = Agent(model="words", base_url=server.url, api_key="k")
        async for _ in agent.run_stream("Go."):
            break
        agent.model = "short"
        await agent.run("Go.")
        first, second = server.exchanges
        assert first.connection != second.connection

    run(main())


@pytest.mark.parametrize("seed", range(3))
def test_runs_that_are_left_at_random_moments_leave_nothing_behind(seed: int, run: Run, server: PacedServer) -> None:
    dice = random.Random(seed)

    async def main() -> None:
        inner = Agent(name="inner", model="echo", base_url=server.url, api_key="k")
        responses = []

        async def one() -> None:
            model = dice.choice(["words", "talk", "short", "silent", "mute"])
            agent = Agent(model=model, base_url=server.url, api_key="k", tools=[inner, pause])
            stream = agent.run_stream("Go.")

            async def read() -> None:
                stop = dice.randrange(40)
                count = 0
                async for _ in stream.events():
                    count += 1
                    if count == stop:
                        break

            task = asyncio.create_task(read())
            await asyncio.sleep(dice.random() * 0.03)
            if dice.random() < 0.5:
                stream.cancel()
            else:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await stream.aclose()
            if stream.response.messages:
                responses.append(stream.response)

        async def pause() -> str:
            """Pause."""
            await asyncio.sleep(0.001)
            return "done"

        await asyncio.gather(*(one() for _ in range(30)))
        for response in responses:
            assert_valid(response.messages)

    run(main())
    for exchange in server.exchanges:
        assert exchange.done.is_set() or exchange.wait_gone()


# --- connections that fail


def test_a_dead_pooled_connection_is_replaced_silently(run: Run) -> None:
    """The other side closed it in the meantime, which is seen only once the next request is written on it."""
    answer = (
        b'data: {"choices":[{"index":0,"delta":{"content":"Hi."},"finish_reason":"stop"}],"model":"m"}\n\n'
        b"data: [DONE]\n\n"
    )
    seen: list[int] = []

    def serve(listener: socket.socket, deaf: int) -> None:
        for number in range(3):
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.settimeout(SOON)
                while True:
                    data = b""
                    while b"\r\n\r\n" not in data or not data.endswith(b"}"):
                        piece = client.recv(65536)
                        if not piece:
                            break
                        data += piece
                    if not data:
                        break
                    seen.append(number)
                    if len(seen) == deaf:
                        # Closed with the request unanswered: a reset for the client.
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                        break
                    client.sendall(
                        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n%s"
                        % (len(answer), answer)
                    )

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=serve, args=(listener, 2), daemon=True)
        thread.start()

        async def main() -> None:
            agent = Agent(model="m", base_url=f"http://127.0.0.1:{port}/v1", api_key="k", retries=0)
            assert await agent.run("Go.") == "Hi."
            assert await agent.run("Go.") == "Hi."

        run(main())
        # The second request was written on the first connection, and then on a second one.
        assert seen == [0, 0, 1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(SOON)


def test_a_new_connection_that_dies_without_an_answer_is_an_error(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            client, _ = listener.accept()
            client.recv(65536)
            client.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()

        async def main() -> None:
            agent = Agent(model="m", base_url=f"http://127.0.0.1:{port}/v1", api_key="k", retries=0)
            with pytest.raises(ConnectionFailed):
                await agent.run("Go.")

        run(main())
        thread.join(SOON)


def test_a_connection_that_is_not_accepted_times_out(run: Run) -> None:
    from headwater import Timeouts

    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        where = listener.getsockname()
        with socket.create_connection(where):

            async def main() -> None:
                agent = Agent(
                    model="m",
                    base_url=f"http://127.0.0.1:{where[1]}/v1",
                    api_key="k",
                    retries=0,
                    timeouts=Timeouts(connect=0.05),
                )
                with pytest.raises(ConnectTimeout, match=r"0\.05 s") as caught:
                    await agent.run("Go.")
                assert caught.value.clock == "connect"
                with pytest.raises(ConnectTimeout, match=r"0\.02 s"):
                    await agent.run("Go.", timeouts=Timeouts(connect=0.02))

            run(main())


def test_an_address_without_a_server_is_an_error_with_advice(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    async def main() -> None:
        agent = Agent(model="m", base_url=f"http://127.0.0.1:{port}/v1", api_key="k", retries=0)
        with pytest.raises(ConnectionFailed, match=f"127.0.0.1:{port}"):
            await agent.run("Go.")

    run(main())


# --- proxies


@pytest.fixture
def proxy(server: PacedServer) -> Any:
    """A proxy that tunnels (CONNECT) and forwards, and what it was asked for."""
    asked: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def serve_one(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = client.recv(65536)
            asked.append(head.split(b"\r\n")[0].decode())
            with socket.create_connection(("localhost", server.port)) as target:
                target.sendall(head)
                there = threading.Thread(target=pump, args=(client, target), daemon=True)
                there.start()
                pump(target, client)
                there.join(SOON)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=serve_one, args=(client,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(SOON)


def test_a_proxy_of_the_environment_is_used(
    proxy: tuple[str, list[str]], server: PacedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, asked = proxy
    monkeypatch.setenv("http_proxy", address)
    agent = Agent(model="short", base_url=f"http://provider.invalid:{server.port}/v1", api_key="k", retries=0)

    async def main() -> None:
        assert await agent.run("Go.") == "word0 word1 word2 "

    asyncio.run(main())
    assert asked == [f"POST http://provider.invalid:{server.port}/v1/chat/completions HTTP/1.1"]


def test_leaving_through_a_proxy_tells_the_provider(
    proxy: tuple[str, list[str]], server: PacedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy[0])
    agent = Agent(model="words", base_url=f"http://provider.invalid:{server.port}/v1", api_key="k", retries=0)

    async def main() -> None:
        async for _ in agent.run_stream("Go."):
            break
        assert server.next().wait_gone()

    asyncio.run(main())


def test_an_excluded_host_bypasses_the_proxy(
    proxy: tuple[str, list[str]], server: PacedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy[0])
    monkeypatch.setenv("no_proxy", "localhost,example.com")

    async def main() -> None:
        assert await Agent(model="short", base_url=server.url, api_key="k").run("Go.") == "word0 word1 word2 "

    asyncio.run(main())
    assert proxy[1] == []


def test_an_unsupported_kind_of_proxy_is_an_error(server: PacedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1080")

    async def main() -> None:
        with pytest.raises(Exception, match="socks5"):
            await Agent(model="short", base_url=server.url, api_key="k", retries=0).run("Go.")

    asyncio.run(main())
