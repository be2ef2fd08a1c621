"""A gateway with simulated providers behind it, for official clients: `python -m tests.system.clients.gateway`.

It prints its address, and serves until its input ends: so it never outlives whoever began it.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

from headwater.backends.offline import Call, Cut, Fail, Say, Think, Wait
from headwater.testing import ProviderSimulator
from headwater.web.gateway.model import ServedModel
from headwater.web.gateway.routing import gateway_router
from headwater.web.gateway.target import Target
from tests.system.clients.agents import serve

__all__ = ("main",)

PLAIN = [Think("Hm. Well."), Say(["Found ", "two."])]
SLOW = [one for number in range(2000) for one in (Say(f"w{number} "), Wait(0.02))]


def of_the_client(asked: Any) -> Any:
    """Calls the client's tool, and quotes what came back."""
    told = json.dumps(asked.json)
    if '"tool_call_id"' in told or '"function_call_output"' in told or '"tool_result"' in told:
        return ["You said b."]
    return ["Pick one. ", Call("pick", ['{"among"', ': ["a", ', '"b"]}'])]


def echo(asked: Any) -> Any:
    """Says back what the provider was sent."""
    return json.dumps({name: value for name, value in asked.json.items() if name != "model"})


def main() -> None:
    """Serve until the input ends."""
    with contextlib.ExitStack() as stack:

        def behind(name: str, *scripts: Any, **options: Any) -> ServedModel:
            """A name, and a provider of its own for each script: (API, script)."""
            targets = []
            for api, script in scripts:
                provider = stack.enter_context(ProviderSimulator(script))
                providers[name] = provider
                targets.append(Target(provider.model(api).backend))
            return ServedModel(name, targets, **options)

        providers: dict[str, ProviderSimulator] = {}
        chat, claude, responses = "openai-chat", "anthropic", "openai-responses"
        models = [
            behind("plain", (chat, lambda asked: PLAIN)),
            behind("claude", (claude, lambda asked: PLAIN)),
            behind("thinker", (responses, lambda asked: PLAIN)),
            behind("tools", (chat, of_the_client)),
            behind("tools-claude", (claude, of_the_client)),
            behind("tools-thinker", (responses, of_the_client)),
            behind("echo", (chat, echo)),
            behind("busy", (chat, lambda asked: Fail(429, "slow down", retry_after=3)), retries=0),
            behind("down", (chat, lambda asked: Fail(500, "broken")), retries=0),
            behind("cut", (chat, lambda asked: ["Half ", Cut()])),
            behind(
                "chain", (chat, lambda asked: Fail(429, "slow down", retry_after=30)), (claude, lambda asked: PLAIN)
            ),
            behind("slow", (chat, lambda asked: SLOW)),
            behind("left", (chat, lambda asked: str(sum(one.gone for one in providers["slow"].requests)))),
        ]
        serve(gateway_router(*models))


if __name__ == "__main__":
    main()
