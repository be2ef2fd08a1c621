"""Handwritten logs of grammar 2: approvals, resumed runs, guards, helpers and trees with roles.

Owns one log for each thing that can happen, so that readers of logs can be tested independently of the runtime. Each
follows the grammar; logs without an end are parked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from types import MappingProxyType

from headwater.events import (
    AttemptFailed,
    CallDelta,
    CallRejected,
    CallStarted,
    ChildFinished,
    ChildStarted,
    ErrorInfo,
    Event,
    ForkedFrom,
    GuardTripped,
    Handoff,
    InputAnswered,
    InputAsked,
    MessageAdded,
    MessageReceived,
    Retracted,
    RunResumed,
    RunWaiting,
    TextEnded,
    ToolProgress,
    UsageReported,
    Warned,
    WorkflowShape,
)
from headwater.events.messages import Message, Text, ToolResult, Usage
from headwater.testing.log_writer import LogWriter, RunWriter

__all__ = ("handmade_logs",)

MAIL = {"to": "bob@example.org", "text": "Sunny."}
INTERRUPTED = ErrorInfo(type="Interrupted", message="The process that listened to this answer ended.")
FORM = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@cache
def handmade_logs() -> Mapping[str, tuple[Event, ...]]:
    """Every log, by a description of what happens in it."""
    logs: dict[str, tuple[Event, ...]] = {}
    for name, write in _LOGS.items():
        writer = LogWriter()
        write(writer)
        logs[name] = tuple(writer.log)
    return MappingProxyType(logs)


def _mailer(log: LogWriter) -> RunWriter:
    """A run whose model calls two tools: the weather, and a mail that needs approval."""
    top = log.begin("mailer", "Tell Bob how Paris is.", definition_hash="d41d8", thread="conversation_1")
    top.ask_model(may_retract=True)
    top.say("I look, then I write.")
    top.call("c1", "weather", {"city": "Paris"})
    top.call("c2", "send_mail", MAIL)
    top.end_step("tool_calls", Usage(input_tokens=30, output_tokens=12, cost=Decimal("0.00042")))
    top.ask_approval("c2", "send_mail", MAIL)
    top.start_tool("c1", "weather")
    return top


def _looked(top: RunWriter) -> None:
    top.end_tool("c1", "weather", "It is sunny in Paris.")


def _wait(top: RunWriter, *ids: str, until: float | None = None) -> None:
    top.add(RunWaiting(on="approval", ids=ids, until=until))


def _sent(top: RunWriter, try_: int = 1) -> None:
    top.start_tool("c2", "send_mail", try_)
    top.end_tool("c2", "send_mail", "Sent.")


# --- approvals


def _approved(log: LogWriter) -> None:
    top = _mailer(log)
    _looked(top)
    _wait(top, "ask-c2", until=1_700_003_600.0)
    top.approve("c2")
    _sent(top)
    top.answer("Bob knows.")
    top.finish()


def _refused(log: LogWriter) -> None:
    top = _mailer(log)
    top.approve("c2", allowed=False, note="Not today.")
    _looked(top)
    top.answer("I did not write to Bob.")
    top.finish()


def _changed(log: LogWriter) -> None:
    top = _mailer(log)
    _looked(top)
    top.approve("c2", arguments={**MAIL, "to": "eve@example.org"}, note="Eve is on duty.")
    top.start_tool("c2", "send_mail")
    top.end_tool("c2", "send_mail", 'Sent. It ran with other arguments: {"to": "eve@example.org", "text": "Sunny."}')
    top.answer("Eve knows.")
    top.finish()


def _approved_for_the_run(log: LogWriter) -> None:
    top = _mailer(log)
    _looked(top)
    top.approve("c2", for_run=True)
    _sent(top)
    top.ask_model()
    top.call("c3", "send_mail", {**MAIL, "to": "eve@example.org"})
    top.end_step("tool_calls")
    top.start_tool("c3", "send_mail")
    top.end_tool("c3", "send_mail", "Sent.")
    top.answer("Both know.")
    top.finish()


def _custom_tool(log: LogWriter) -> None:
    top = log.begin("coder", "Tidy up.")
    top.ask_model()
    top.call("c1", "shell", "rm -r build")
    top.end_step("tool_calls")
    top.ask_approval("c1", "shell", {"input": "rm -r build"})
    top.approve("c1", arguments={"input": "rm -r build/cache"})
    top.start_tool("c1", "shell")
    top.end_tool("c1", "shell", "")
    top.answer("Done.")
    top.finish()


def _cancelled_while_waiting(log: LogWriter) -> None:
    top = _mailer(log)
    _looked(top)
    _wait(top, "ask-c2")
    top.cancel()


# --- questions of a tool


def _asker(log: LogWriter) -> RunWriter:
    top = log.begin("planner", "Book a hotel.")
    top.ask_model()
    top.call("c1", "book", {})
    top.end_step("tool_calls")
    top.start_tool("c1", "book")
    top.add(
        InputAsked(input="in-1", call="c1", name="book", message="In which city?", schema=FORM, until=1_700_003_600.0)
    )
    return top


def _input_answered(log: LogWriter) -> None:
    top = _asker(log)
    top.add(
        RunWaiting(on="input", ids=("in-1",), until=1_700_003_600.0),
        Warned(code="nobody_there", message="Nobody reads this run."),
        InputAnswered(input="in-1", action="accept", content={"city": "Paris"}, by="ann"),
        InputAsked(input="in-2", call="c1", name="book", url="https://example.org/pay", state="session=1"),
        InputAnswered(input="in-2", action="decline"),
    )
    top.end_tool("c1", "book", "Not paid: declined.", failed=True)
    top.answer("Nothing is booked.")
    top.finish()


def _input_lapsed(log: LogWriter) -> None:
    top = _asker(log)
    top.end_tool("c1", "book", "ToolTimeout: nobody answered.", failed=True)
    top.answer("Nobody answered.")
    top.finish()


# --- parked and resumed


def _parked(log: LogWriter) -> None:
    top = _mailer(log)
    _looked(top)
    _wait(top, "ask-c2", until=1_700_003_600.0)


def _parked_between_steps(log: LogWriter) -> None:
    top = log.begin("writer", "How is Paris?")
    top.ask_model()
    top.call("c1", "weather", {"city": "Paris"})
    top.end_step("tool_calls")
    top.start_tool("c1", "weather")
    top.end_tool("c1", "weather", "Sunny.")


def _parked_below(log: LogWriter) -> None:
    top = log.begin("boss", "Have a hotel booked.")
    top.ask_model()
    top.call("c1", "clerk", {"task": "Book it."})
    top.end_step("tool_calls")
    top.start_tool("c1", "clerk")
    clerk = top.child("clerk", "Book it.", role="tool", call="c1")
    clerk.ask_model()
    clerk.call("c1", "book", {})
    clerk.end_step("tool_calls")
    clerk.start_tool("c1", "book")
    clerk.add(
        InputAsked(input="in-1", call="c1", name="book", message="In which city?", schema=FORM),
        RunWaiting(on="input", ids=("in-1",)),
    )
    top.add(RunWaiting(on="children", ids=(clerk.id,)))


def _taken_up_below(log: LogWriter) -> None:
    _parked_below(log)
    top, clerk = log.runs["run_1"], log.runs["run_2"]
    top.add(RunResumed(by="worker 2"))
    clerk.add(InputAnswered(input="in-1", action="accept", content={"city": "Paris"}))
    top.start_tool("c1", "clerk", 2)
    clerk.start_tool("c1", "book", 2)
    clerk.end_tool("c1", "book", "Booked in Paris.")
    clerk.answer("It is booked.")
    clerk.finish()
    top.end_tool("c1", "clerk", "It is booked.")
    top.answer("You have a hotel.")
    top.finish()


def _resumed_in_an_answer(log: LogWriter) -> None:
    top = log.begin("writer", "How is Paris?", definition_hash="d41d8")
    top.ask_model(final=True)
    top.say("It is rai", whole=False)
    top.add(
        CallStarted(step=1, call="c1", name="weather"),
        CallDelta(step=1, call="c1", json='{"ci'),
        RunResumed(by="worker 2", definition_hash="d41d8"),
        TextEnded(step=1, part=0),
        CallRejected(step=1, call="c1", name="weather", raw='{"ci', error=INTERRUPTED.message, cut=True),
        UsageReported(step=1, attempt=1, usage=Usage(output_tokens=4), origin="estimated"),
        AttemptFailed(step=1, attempt=1, error=INTERRUPTED, then="resume", usage=Usage(output_tokens=4)),
        Retracted(step=1, attempt=1, chars=9, cause="Interrupted"),
    )
    top.ask_model(cause="resume", final=True)
    top.say("It is sunny.")
    top.end_step()
    top.finish()


def _resumed_in_a_tool(log: LogWriter) -> None:
    top = _mailer(log)
    _looked(top)
    top.approve("c2")
    top.start_tool("c2", "send_mail")
    top.add(ToolProgress(step=1, call="c2", name="send_mail", data="Connecting."), RunResumed(by="worker 2"))
    _sent(top, 2)
    top.answer("Bob knows.")
    top.finish()


def _resumed_in_a_tool_that_is_asked_about(log: LogWriter) -> None:
    top = _mailer(log)
    _looked(top)
    top.approve("c2", arguments={**MAIL, "text": "Warm."})
    top.start_tool("c2", "send_mail")
    top.add(RunResumed())
    top.ask_approval("c2", "send_mail", {**MAIL, "text": "Warm."}, "again-c2")
    _wait(top, "again-c2")
    top.approve("c2", allowed=False, question="again-c2", note="It has arrived.")
    top.end_tool("c2", "send_mail", "Denied by ann: It has arrived.", failed=True)
    top.answer("Bob knows.")
    top.finish()


def _resumed_with_an_unknown_outcome(log: LogWriter) -> None:
    top = _mailer(log)
    top.approve("c2", allowed=False)
    top.add(RunResumed())
    top.end_tool("c1", "weather", "The outcome is unknown: the process that ran it ended.", failed=True)
    top.answer("I cannot tell.")
    top.finish()


def _resumed_before_an_answer(log: LogWriter) -> None:
    _parked(log)
    top = log.runs["run_1"]
    top.add(RunResumed(by="worker 2"))
    _wait(top, "ask-c2", until=1_700_003_600.0)
    top.approve("c2", by="timeout", allowed=False)
    top.answer("Nobody allowed it.")
    top.finish()


def _resumed_in_a_child(log: LogWriter) -> None:
    top = log.begin("boss", "Ask around.")
    top.ask_model()
    top.call("c1", "clerk", {"task": "Look."})
    top.end_step("tool_calls")
    top.start_tool("c1", "clerk")
    clerk = top.child("clerk", "Look.", role="tool", call="c1")
    clerk.ask_model()
    clerk.say("Let me", whole=False)
    top.add(RunResumed())
    top.start_tool("c1", "clerk", 2)
    clerk.add(
        TextEnded(step=1, part=0),
        AttemptFailed(step=1, attempt=1, error=INTERRUPTED, then="resume"),
        Retracted(step=1, attempt=1, chars=6, cause="Interrupted"),
    )
    clerk.ask_model(cause="resume")
    clerk.say("All is well.")
    clerk.end_step()
    clerk.finish()
    top.end_tool("c1", "clerk", "All is well.")
    top.answer("It is well.")
    top.finish()


def _resumed_to_be_cancelled(log: LogWriter) -> None:
    top = log.begin("writer", "How is Paris?")
    top.ask_model()
    top.say("It is", whole=False)
    top.add(RunResumed(), TextEnded(step=1, part=0))
    top.end_step("cancelled")
    top.cancel()


# --- steering


STEER = Message.user("In one word.")


def _steered(log: LogWriter) -> None:
    top = log.begin("writer", "How is Paris?")
    top.ask_model(final=True)
    top.say("It is very", whole=False)
    top.add(MessageReceived(key="m1", message=STEER, by="ann"), TextEnded(step=1, part=0))
    top.end_step("cancelled")
    top.add(MessageAdded(message=STEER, cause="steer", key="m1"))
    top.answer("Sunny.")
    top.finish()


def _unheard(log: LogWriter) -> None:
    top = log.begin("writer", "How is Paris?")
    top.answer("Sunny.")
    top.add(MessageReceived(key="m1", message=STEER))
    top.finish()


def _heard_after_a_handoff(log: LogWriter) -> None:
    top = _handing_over(log)
    top.add(MessageReceived(key="m1", message=STEER, by="ann"))
    heir = top.child("heir", role="handoff", history=tuple(top.fold.messages))
    heir.add(MessageAdded(message=STEER, cause="steer", key="m1"))
    heir.answer("Booked.")
    heir.finish()
    top.finish(heir, reason="stop")


def _compacted(log: LogWriter) -> None:
    top = log.begin("writer", "How is Paris?", forked_from=ForkedFrom(run="run_0", seq=41))
    for number in range(1, 4):
        top.answer(f"Thought {number}.")
        top.add(MessageAdded(message=Message.user("Go on."), cause="loop"))
    helper = top.child("compaction", "Shorten this.", role="helper")
    helper.answer("Three thoughts.")
    helper.finish()
    summary = Message(role="user", content=(Text(text="So far: three thoughts."),), replaces=6)
    top.add(MessageAdded(message=summary, cause="compact"))
    top.answer("Sunny.")
    top.finish()


# --- guards


def _blocked(log: LogWriter) -> None:
    top = log.begin("writer", "What is the key?")
    top.ask_model()
    top.say("The key is", whole=False)
    top.add(GuardTripped(guard="no_keys", action="block", step=1, note="It looks like a key.", chars=24))
    top.add(TextEnded(step=1, part=0))
    blocked = ErrorInfo(type="GuardBlocked", message="The guard no_keys stopped the answer.")
    top.add(AttemptFailed(step=1, attempt=1, error=blocked))
    top.end_step(None)
    top.fail(blocked)


def _replaced(log: LogWriter) -> None:
    top = log.begin("writer", "What is the key?")
    top.add(GuardTripped(guard="polite", on="input", action="replace", chars=4))
    top.ask_model()
    top.say("The key is")
    top.add(GuardTripped(guard="no_keys", action="replace", step=1, chars=24))
    top.say("[removed]")
    top.end_step()
    top.finish()


def _retried(log: LogWriter) -> None:
    top = log.begin("writer", "How is Paris?")
    top.ask_model()
    top.say("It is rai", whole=False)
    top.add(GuardTripped(guard="cheerful", action="retry", step=1, note="Be cheerful.", chars=3))
    refused = ErrorInfo(type="GuardRetry", message="The guard cheerful asks again.")
    top.add(
        TextEnded(step=1, part=0),
        UsageReported(step=1, attempt=1, usage=Usage(output_tokens=3), origin="estimated"),
        AttemptFailed(step=1, attempt=1, error=refused, then="guard"),
        Retracted(step=1, attempt=1, chars=9, cause="GuardRetry"),
    )
    top.ask_model(cause="guard")
    top.say("It is fine.")
    top.end_step()
    top.finish()


# --- trees


def _client_calls(log: LogWriter) -> None:
    top = log.begin("helper", "Where am I?")
    top.ask_model()
    top.call("c1", "weather", {"city": "Paris"})
    top.call("c2", "locate", {}, by="client")
    top.end_step("tool_calls")
    top.start_tool("c1", "weather")
    top.end_tool("c1", "weather", "Sunny.")
    top.finish()


def _client_calls_answered(log: LogWriter) -> None:
    before = LogWriter()
    _client_calls(before)
    earlier = before.runs["run_1"].fold.messages
    located = Message.tool(ToolResult(id="c2", name="locate", content="48.86, 2.35"))
    top = log.begin("helper", history=tuple(earlier), input=(located,), thread="conversation_1")
    top.answer("You are in Paris, and it is sunny.")
    top.finish()


def _handing_over(log: LogWriter) -> RunWriter:
    top = log.begin("front", "Book a hotel.")
    top.ask_model()
    top.say("One moment.")
    top.call("c1", "transfer_to_heir", {"note": "a hotel"})
    top.end_step("tool_calls")
    top.start_tool("c1", "transfer_to_heir")
    top.end_tool("c1", "transfer_to_heir", "The conversation goes to heir.")
    top.add(Handoff(to="heir", note="a hotel"))
    return top


def _handed_over(log: LogWriter) -> None:
    top = _handing_over(log)
    heir = top.child("heir", role="handoff", history=tuple(top.fold.messages))
    heir.answer("It is booked.")
    heir.finish()
    top.finish(heir, reason="stop")


def _workflow(log: LogWriter) -> None:
    shape = WorkflowShape(kind="sequential", members=("ann", "bob"))
    top = log.begin("team", "Sign here.", workflow=shape)
    ann = top.child("ann", "Sign here.", role="member", final=False)
    ann.answer("Ann was here.", final=False)
    ann.finish()
    bob = top.child("bob", "Sign here. Ann was here.", role="member", after=(ann,), final=True)
    bob.answer("Bob was here.")
    bob.finish()
    top.finish(bob, reason="stop")


def _side_by_side(log: LogWriter) -> None:
    shape = WorkflowShape(kind="concurrent", members=("ann", "bob", "eve"), collect=True)
    top = log.begin("team", "Sign here.", workflow=shape)
    ann = top.child("ann", "Sign here.", role="member", final=True)
    bob = top.child("bob", "Sign here.", role="member", final=True)
    ann.ask_model(final=True)
    bob.ask_model(final=True)
    ann.say("Ann was here.")
    bob.say("Bob was here.")
    bob.end_step()
    bob.finish()
    ann.end_step()
    ann.finish()
    _cannot_begin(top, "eve")
    top.finish(ann, bob, reason="stop")


def _member_that_cannot_begin(log: LogWriter) -> None:
    top = log.begin("team", "Sign here.", workflow=WorkflowShape(kind="sequential", members=("ann",)))
    top.fail(_cannot_begin(top, "ann"))


def _cannot_begin(top: RunWriter, name: str) -> ErrorInfo:
    error = ErrorInfo(type="KeyMissing", message="There is no key for openai.", hint="Set OPENAI_API_KEY.")
    child = f"run_{name}"
    top.add(
        ChildStarted(child=child, name=name, final=True),
        ChildFinished(child=child, name=name, outcome="failed", error=error),
    )
    return error


def _helper(log: LogWriter) -> None:
    top = log.begin("writer", "How is Paris?")
    titler = top.child("title", "How is Paris?", role="helper")
    top.ask_model(final=True)
    titler.answer("Paris")
    top.say("It is sunny.")
    titler.finish()
    top.end_step(usage=Usage(input_tokens=9, output_tokens=4, cost=Decimal("0.0001")))
    top.finish()


def _helper_beside_members(log: LogWriter) -> None:
    shape = WorkflowShape(kind="sequential", members=("ann", "bob"))
    top = log.begin("team", "Sign here.", workflow=shape)
    ann = top.child("ann", "Sign here.", role="member", final=False)
    ann.answer("Ann was here.", final=False)
    ann.finish()
    bob = top.child("bob", "Sign here. Ann was here.", role="member", after=(ann,), final=True)
    bob.ask_model(final=True)
    titler = top.child("title", "Sign here.", role="helper")
    bob.say("Bob was here.")
    titler.answer("Signatures")
    bob.end_step()
    bob.finish()
    titler.finish()
    top.finish(bob, reason="stop")


# --- typed answers


def _answer_by_a_call(log: LogWriter) -> None:
    top = log.begin("forecaster", "How is Paris?", answer_tool="final_answer")
    for key, sky, wrong in (("c1", "blue", "sky: must be clear or cloudy"), ("c2", "clear", "")):
        top.ask_model()
        top.say("I know.")
        top.call(key, "final_answer", {"city": "Paris", "sky": sky})
        top.end_step("tool_calls")
        top.start_tool(key, "final_answer")
        top.end_tool(key, "final_answer", wrong or "The answer was received.", failed=bool(wrong))
    top.finish(output={"city": "Paris", "sky": "clear"})


_LOGS: Mapping[str, Callable[[LogWriter], None]] = {
    "approved": _approved,
    "refused by a person": _refused,
    "approved with other arguments": _changed,
    "approved for the run": _approved_for_the_run,
    "a custom tool approved": _custom_tool,
    "cancelled while waiting": _cancelled_while_waiting,
    "input asked and answered": _input_answered,
    "input that nobody gave": _input_lapsed,
    "parked": _parked,
    "parked between steps": _parked_between_steps,
    "parked below": _parked_below,
    "parked below, and taken up": _taken_up_below,
    "resumed in an answer": _resumed_in_an_answer,
    "resumed in a tool": _resumed_in_a_tool,
    "resumed in a tool that is asked about": _resumed_in_a_tool_that_is_asked_about,
    "resumed with an unknown outcome": _resumed_with_an_unknown_outcome,
    "resumed before an approval": _resumed_before_an_answer,
    "resumed in a child": _resumed_in_a_child,
    "resumed to be cancelled": _resumed_to_be_cancelled,
    "steered": _steered,
    "steered too late": _unheard,
    "steered over a handoff": _heard_after_a_handoff,
    "compacted": _compacted,
    "blocked by a guard": _blocked,
    "replaced by a guard": _replaced,
    "asked again for a guard": _retried,
    "calls for the client": _client_calls,
    "calls that the client answered": _client_calls_answered,
    "handed over": _handed_over,
    "a workflow with roles": _workflow,
    "side by side, with roles": _side_by_side,
    "a member that cannot begin": _member_that_cannot_begin,
    "a helper": _helper,
    "a helper beside members": _helper_beside_members,
    "an answer by a call": _answer_by_a_call,
}
