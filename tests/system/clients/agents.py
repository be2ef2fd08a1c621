"""A server of agents of every kind, for official clients to be tried against: `python -m tests.system.clients.agents`.

It prints its address, and serves until its input ends: so it never outlives whoever began it.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from typing import Any

import uvicorn

from headwater import Agent, ConcurrentWorkflow, SequentialWorkflow, ToolContext, tool
from headwater.backends.offline import Call, Cut, Fail, Finish, Say, ScriptedModel, Think, Wait
from headwater.providers.request import Request
from headwater.web import Limits, router
from headwater.web.server import config

__all__ = ("app", "main", "members", "serve")


async def search(query: str, ctx: ToolContext[Any]) -> str:
    """Search for something."""
    ctx.emit({"searching": query})
    return f"2 hits for {query}"


async def broken() -> str:
    """Fail."""
    raise ValueError("no luck")


@tool(approval=True)
async def send(to: str) -> str:
    """Send it."""
    return f"sent to {to}"


@tool
async def choose(ctx: ToolContext[Any]) -> str:
    """Ask which one."""
    return f"number {await ctx.ask('Which?', int)}"


def agent(name: str, answer: Any, **options: Any) -> Agent[Any, Any]:
    """An agent whose model answers each request with what `answer` makes of it."""
    return Agent(name=name, model=ScriptedModel(answer), **options)


def steps(*turns: Any) -> Any:
    """A turn for each step of a run: as many as results of tools stand in the request."""

    def answer(request: Request) -> Any:
        last = max((at for at, message in enumerate(request.messages) if message.role == "user"), default=0)
        done = sum(message.role == "tool" for message in request.messages[last:])
        return turns[min(done, len(turns) - 1)]

    return answer


def echo(request: Request) -> Any:
    """Says back what it was told, message by message."""
    return [
        " | ".join(
            f"{one.role}: {one.text or [type(part).__name__ for part in one.content]}" for one in request.messages
        )
    ]


def of_the_client(request: Request) -> Any:
    """Calls the client's tool, and quotes what came back."""
    results = [part for message in request.messages if message.role == "tool" for part in message.content]
    if results:
        return [f"You said {getattr(results[-1], 'content', '')}."]
    names = {one.name for one in request.tools}
    if "pick" in names:
        return ["Pick one. ", Call("pick", {"among": ["a", "b"]})]
    return [Call("plain", {"input": "Hi"})] if "plain" in names else ["There is nothing to pick with."]


def once_more() -> Any:
    """An answer that breaks off the first time it is asked for, and is begun again."""
    asked = [0]

    def answer(request: Request) -> Any:
        asked[0] += 1
        return [Say(["Wrong "]), Cut()] if asked[0] % 2 else [Say(["Right ", "now."])]

    return answer


def members() -> list[Any]:
    """All of them."""
    plain = [Think("Hm. Well."), Say(["Found ", "two."])]
    look = [Think("I look."), "I look. ", Call("search", {"query": "tides"})]
    slow = [one for number in range(2000) for one in (Say(f"w{number} "), Wait(0.02))]
    last = agent("last", lambda request: plain)
    researcher = agent("researcher", steps(look, plain), tools=[search], description="Looks things up.")
    heir = agent("heir", lambda request: ["I take over."])
    return [
        agent("plain", lambda request: plain),
        agent("tools", steps(look, plain), tools=[search]),
        agent("broken", steps([Call("broken")], ["It broke."]), tools=[broken]),
        agent("approval", steps([Call("send", {"to": "ann"})], ["Done."]), tools=[send]),
        agent("question", steps([Call("choose")], ["Chosen."]), tools=[choose]),
        agent("boss", steps(["I ask. ", Call("researcher", {"task": "Tides?"})], ["Done."]), tools=[researcher]),
        agent("giver", lambda request: ["One moment. ", Call("transfer_to_heir", {"note": "Go."})], handoffs=[heir]),
        agent("client", of_the_client),
        agent("echo", echo),
        agent("long", lambda request: [Say(["Too ", "long"]), Finish("length")]),
        agent("refuses", lambda request: [Say("I cannot.", refusal=True), Finish("refusal")]),
        agent("fails", lambda request: [Say("Half "), Wait(0.05), Fail(OSError("gone"))], retries=0),
        agent("cut", lambda request: [Say("Half "), Cut()], retries=0),
        agent("restarts", once_more(), on_interrupted="restart", retries=2),
        agent("slow", lambda request: slow),
        SequentialWorkflow([agent("first", lambda request: ["One."]), last], name="sequence"),
        ConcurrentWorkflow([agent("a", lambda request: ["A."]), agent("b", lambda request: ["B."])], name="both"),
    ]


def app() -> Any:
    """All of them behind one router."""
    return router(*members(), limits=Limits(grace_seconds=0.2))


def __getattr__(name: str) -> Any:
    """Each by its name, for `headwater serve tests.system.clients.agents:slow`."""
    found = next((one for one in members() if one.name == name), None)
    if found is None:
        raise AttributeError(name)
    return found


def serve(app: Any) -> None:
    """Serve on a free port, whose address is printed, until the input ends."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(config(app, host="127.0.0.1", port=0, log_level="warning"))
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)

        def wait() -> None:
            sys.stdin.read()
            server.should_exit = True

        threading.Thread(target=wait, daemon=True).start()
        asyncio.run(server.serve(sockets=[listener]))


def main() -> None:
    """Serve all of them."""
    serve(app())


if __name__ == "__main__":
    main()
