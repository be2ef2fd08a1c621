"""A tool that needs approval: the reader of the stream decides, and the model is told the decision."""

from typing import Any

from headwater import Agent, tool
from headwater.events import ApprovalAsked, TextDelta, ToolFinished
from headwater.testing import Call, ScriptedModel


def too_much(arguments: dict[str, Any]) -> str | bool:
    """Why a person is asked before something is paid, if one is."""
    return "That is a lot." if arguments["euros"] > 100 else False


@tool(approval=too_much)
def pay(euros: int, to: str) -> str:
    """Pay someone."""
    return f"paid {euros} euros to {to}"


model = ScriptedModel(
    [
        ["Two bills. ", Call("pay", {"euros": 40, "to": "ann"}), Call("pay", {"euros": 4000, "to": "eve"})],
        "Ann is paid; Eve is not.",
    ]
)
stream = Agent(name="clerk", model=model, tools=[pay]).run_stream("Pay the bills")

for event in stream.events():
    if isinstance(event, TextDelta):
        print(event.text, end="", flush=True)
    elif isinstance(event, ToolFinished):
        print(f"\n[{event.result}]")
    elif isinstance(event, ApprovalAsked):
        print(f"\n[may I {event.name} {event.arguments}? {event.reason}]")
        stream.deny(event.approval, note="Not without a bill.", by="bob")
print()
