"""A module for --agent whose tools ask people."""

from __future__ import annotations

MAIL = '''
from headwater import Agent, ConcurrentWorkflow, ToolContext, tool
from headwater.testing import Call, ScriptedModel


@tool(approval=True)
def send(to: str) -> str:
    """Send a letter."""
    with open("sent", "a") as file:
        file.write(to)
    return f"sent to {to}"


async def book(ctx: ToolContext) -> str:
    """Book a room."""
    return f"{await ctx.ask('How many nights?', int)} nights"


def answer(request):
    last = request.messages[-1]
    if last.role == "user":
        return ["One moment. ", Call("send", {"to": "ann"})]
    told = " | ".join(str(part.content) for part in last.content)
    return [Call("book", {})] if "nights" not in told else f"Done: {told}."


def pilot():
    return Agent(name="pilot", model=ScriptedModel(answer), tools=[send, book])


trusting = Agent(name="trusting", model=ScriptedModel(answer), tools=[send, book])
trusting.approver = lambda question: True if question.kind == "approval" else 2
crew = ConcurrentWorkflow([pilot()], show_dashboard=True)
'''
