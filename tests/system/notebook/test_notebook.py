"""The documents' first examples in a notebook: cells block, or stream, as their reader expects; the button stops them.

The kernel is a real one, in a process of its own.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.system.error_messages.server import Server, said

if TYPE_CHECKING:
    from tests.system.notebook.kernel import Cell, Kernel

for needed in ("nbclient", "nbformat", "ipykernel", "jupyter_client"):
    pytest.importorskip(needed, reason=f"{needed} is not installed: no notebook can be executed")

pytestmark = [
    pytest.mark.xdist_group("notebook"),  # one kernel for all
    pytest.mark.filterwarnings("ignore:::jupyter_client"),
    pytest.mark.filterwarnings("ignore:::zmq"),
]

ANSWER = "I am headwater's offline model."

CELLS = {
    "imports": """
        import asyncio, threading
        from headwater import Agent, StreamChunk
        agent = Agent(name="writer", model="offline")
        """,
    "run blocks": """
        agent = Agent(agent_name="Streaming-Agent", model_name="offline", max_loops=1)
        response = agent.run("Write a detailed explanation of how neural networks work")
        print(response)
        print(type(response).__name__, isinstance(response, str), response.usage.output_tokens > 0)
        """,
    "streaming_on": """
        Agent(agent_name="Streaming-Agent", model_name="offline", streaming_on=True).run("Explain tides");
        """,
    "callback": """
        threads = set()

        def streaming_callback(token: str):
            threads.add(threading.get_ident())
            print(token, end="", flush=True)

        response = agent.run(task="Explain quantum computing", streaming_callback=streaming_callback)
        print("\\nsame thread:", threads == {threading.get_ident()})
        """,
    "await run": """
        result = await agent.run("Write about rivers")
        print(str(result))
        """,
    "async for": """
        async for chunk in agent.run_stream("Write a poem"):
            print(chunk.content, end="", flush=True)
        """,
    "plain for": """
        for chunk in agent.run_stream("Write a poem"):
            print(chunk.content, end="", flush=True)
        """,
    "chunks": """
        chunks = [chunk async for chunk in agent.run_stream("Analyze data")]
        assert all(isinstance(c, StreamChunk) and c.content == c.delta for c in chunks)
        assert [c.is_final for c in chunks].count(True) == 1 and chunks[-1].is_final
        print(chunks[-1].finish_reason, chunks[-1].metadata["model"])
        """,
    "run in an async function": """
        async def main():
            blocked = agent.run("Hello")
            awaited = await agent.run("Hello")
            return blocked, awaited

        blocked, awaited = await main()
        print(blocked == awaited, awaited.finish_reason)
        """,
    "gather in the cell": """
        answers = await asyncio.gather(agent.run("Brest"), agent.run("Cork"))
        print([answer.finish_reason for answer in answers])
        """,
    "gather in a task": """
        async def both():
            waiting = [agent.run("Brest"), agent.run("Cork")]
            print([type(one).__name__ for one in waiting])
            return await asyncio.gather(*waiting)

        answers = await asyncio.create_task(both())
        print([answer.finish_reason for answer in answers])
        """,
    "arun": """
        print((await agent.arun("Hello")).finish_reason)
        """,
    "a callback that runs": """
        def ask(token):
            if not asked:
                asked.append(agent.run("A question of its own"))

        asked = []
        agent.run("Hello", streaming_callback=ask)
        print(asked[0].finish_reason)
        """,
    "the last value": """
        agent.run("Show **markdown**")
        """,
    "a stream as the last value": """
        agent.run_stream("Hello")
        """,
}


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cell]:
    """What came of each cell of one notebook."""
    from tests.system.notebook.kernel import execute

    sources = [textwrap.dedent(source).strip() for source in CELLS.values()]
    return dict(zip(CELLS, execute(sources, str(tmp_path_factory.mktemp("notebook"))), strict=True))


def test_run_blocks_in_a_cell(cells: dict[str, Cell]) -> None:
    printed = cells["run blocks"].printed
    assert printed.startswith(ANSWER)
    assert printed.endswith("Response True True\n")


def test_streaming_on_shows_the_answer_under_the_cell(cells: dict[str, Cell]) -> None:
    assert cells["streaming_on"].printed.count(ANSWER) == 1
    assert "text/markdown" not in cells["streaming_on"].shown


def test_callbacks_print_piece_by_piece_in_the_kernels_own_thread(cells: dict[str, Cell]) -> None:
    cell = cells["callback"]
    assert cell.printed.startswith(ANSWER)
    assert cell.printed.endswith("same thread: True\n")
    assert len(cell.pieces) > 10


@pytest.mark.parametrize("name", ["async for", "plain for"])
def test_a_stream_is_printed_piece_by_piece(name: str, cells: dict[str, Cell]) -> None:
    assert cells[name].printed.startswith("I'm not a language model,\nno weights")
    assert len(cells[name].pieces) > 10


def test_run_can_be_awaited_in_a_cell(cells: dict[str, Cell]) -> None:
    assert cells["await run"].printed.startswith(ANSWER)


def test_chunks_are_as_documented(cells: dict[str, Cell]) -> None:
    assert cells["chunks"].printed == "stop offline\n"


def test_run_in_an_async_function_of_the_cell_can_be_written_both_ways(cells: dict[str, Cell]) -> None:
    assert cells["run in an async function"].printed == "True stop\n"


def test_runs_can_be_gathered(cells: dict[str, Cell]) -> None:
    assert cells["gather in the cell"].printed == "['stop', 'stop']\n"
    assert cells["gather in a task"].printed == "['UnawaitedRun', 'UnawaitedRun']\n['stop', 'stop']\n"
    assert cells["arun"].printed == "stop\n"


def test_a_callback_may_run_an_agent_of_its_own(cells: dict[str, Cell]) -> None:
    assert cells["a callback that runs"].printed == "stop\n"


def test_a_response_shows_as_markdown(cells: dict[str, Cell]) -> None:
    shown = cells["the last value"].shown
    assert shown["text/markdown"].startswith("# Show **markdown**\n\n" + ANSWER)
    assert cells["a stream as the last value"].shown["text/plain"] == "<AgentStream not begun>"


# --- the button that stops a cell


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    from tests.system.notebook.kernel import Kernel

    with Kernel.running() as kernel:
        yield kernel


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        server.streams([said("High "), said("water ")], hold=True)
        yield server


STOPPED = {
    "run": "agent.run('Hello', streaming_callback=lambda token: print(token, end='', flush=True))",
    "plain for": "for chunk in agent.run_stream('Hello'): print(chunk.content, end='', flush=True)",
    "async for": "async for chunk in agent.run_stream('Hello'): print(chunk.content, end='', flush=True)",
    "await": "await agent.arun('Hello', streaming_callback=lambda token: print(token, end='', flush=True))",
}


@pytest.mark.parametrize("source", STOPPED.values(), ids=STOPPED.keys())
def test_interrupting_the_kernel_stops_the_run(source: str, kernel: Kernel, server: Server) -> None:
    if "await" in source or "async" in source:
        # The kernel cancels such a cell without waking its loop: it hears of it with the next token, not before.
        server.streams([said("High "), said("water ")], endless=True)
    kernel.run(f"from headwater import Agent\nagent = Agent(model='m', base_url={server.url!r}, retries=0)")
    cell = kernel.start(source)
    kernel.until(cell, "water")
    kernel.interrupt()
    assert kernel.finish(cell).error.startswith(("KeyboardInterrupt", "CancelledError"))
    assert server.left.wait(10), "the provider has to hear of it"
    server.says()
    assert kernel.run("print(agent.run('Hello'))").printed == "High water is at six. \n"


def test_the_partial_is_kept_when_a_cell_is_stopped(kernel: Kernel, server: Server) -> None:
    kernel.run(f"from headwater import Agent\nagent = Agent(model='m', base_url={server.url!r}, retries=0)")
    cell = kernel.start(
        "try:\n    agent.run('Hello', streaming_callback=lambda token: print(token, end='', flush=True))\n"
        "except KeyboardInterrupt as stopped:\n    print([stopped.response, stopped.response.finish_reason])"
    )
    kernel.until(cell, "water")
    kernel.interrupt()
    assert kernel.finish(cell).printed == "['High water ', 'cancelled']\n"
