"""Guards: addresses are replaced while the answer is streamed, and a key ends it before any of it shows."""

import re

from headwater import Agent, Block, Replace, guard
from headwater.errors import GuardBlocked
from headwater.testing import ScriptedModel


@guard(on=("input", "output"), hold=100, every=40)
def no_addresses(text: str) -> Replace | None:
    """Mask mail addresses."""
    masked = re.sub(r"[\w.+-]+@[\w-]+\.[\w.-]+", "[address]", text)
    return Replace(masked) if masked != text else None


@guard(hold=40)
async def no_keys(text: str) -> Block | None:
    """Stop at anything that looks like a key; an async guard may ask a service."""
    return Block("It looks like a key.") if re.search(r"sk-[a-z0-9]{8}", text) else None


model = ScriptedModel([["Write to ann@exam", "ple.com."], ["The key is sk-1234", "56789."]])
agent = Agent(model=model, guards=[no_addresses, no_keys])

response = agent.run("I am bob@example.com. Who can help me?")
print(response)
assert response == "Write to [address]"  # the dot is part of what was matched

shown = ""
try:
    for chunk in agent.run_stream("And what is the key?"):
        shown += chunk.content
except GuardBlocked as blocked:
    print(f"{blocked.guard}: {blocked.note}")
assert "1234" not in shown
