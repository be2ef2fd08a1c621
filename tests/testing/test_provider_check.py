"""`check_provider` passes the decoders that are here, and tells of each way in which one can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from headwater.backends.offline.performance import Pace
from headwater.backends.offline.script import Act, Say, Think
from headwater.backends.offline.script import Call as Asked
from headwater.errors import ConfigurationError
from headwater.events import CallStarted, Event, TextDelta
from headwater.providers import ollama, openai_chat
from headwater.providers.decoder import Call
from headwater.providers.ollama import response
from headwater.testing import Checked, ProviderBreach, check_provider
from headwater.testing.served_answer import write
from headwater.testing.wires import WIRES


def body_of(api: str) -> bytes:
    acts: list[Act] = [Think("Hm, well."), Say("Let me look: 🌊."), Asked("weather", {"city": "Paris"})]
    answer = write(acts, WIRES[api]("m", {"stream": True}), pace=Pace(None), input_tokens=3)
    return b"".join(step for step in answer.steps if isinstance(step, bytes))


@pytest.mark.parametrize("api", WIRES)
def test_the_decoders_that_are_here_pass(api: str) -> None:
    body = body_of(api)
    checked = check_provider(api, body, cuts=None, flips=300, splits=4)
    assert (checked.splits, checked.cuts, checked.flips) == (5, len(body), 300)
    assert checked.cuts_complete + checked.cuts_incomplete + checked.cuts_failed == len(body)
    assert checked.cuts_incomplete > len(body) / 2
    ways = (checked.flips_complete, checked.flips_altered, checked.flips_incomplete, checked.flips_failed)
    assert sum(ways) == 300
    assert checked.flips_altered > 0, "most bytes are letters"


def test_an_api_is_named_or_given() -> None:
    body = body_of("ollama")
    given: list[Any] = ["ollama", ollama, response.Decoder]
    assert len({str(check_provider(api, body, cuts=20, flips=20)) for api in given}) == 1


def test_the_same_seed_tries_the_same() -> None:
    body = body_of("gemini")
    assert check_provider("gemini", body, cuts=30, seed=4) == check_provider("gemini", body, cuts=30, seed=4)


def test_an_empty_body_is_a_body() -> None:
    assert check_provider("anthropic", b"") == Checked(splits=4)


class Losing(response.Decoder):
    """Loses what comes in a piece of its own."""

    def _feed(self, data: bytes) -> None:
        if len(data) > 1 or data == b"\n":
            super()._feed(data)


class Inventing(response.Decoder):
    """Calls every answer whole."""

    def _finish(self) -> None:
        self.complete = True


class Repeating(response.Decoder):
    """Says something at the end that the whole does not say."""

    def _finish(self) -> None:
        if not self.complete:
            self.text("More.")


class Raising(response.Decoder):
    """Lets another exception out."""

    def _feed(self, data: bytes) -> None:
        if b"\xf0" not in data:
            raise KeyError("no wave")
        super()._feed(data)


class Foreign(response.Decoder):
    """Tells of an error that no stream can be."""

    def _finish(self) -> None:
        if not self.complete:
            self.error = ConfigurationError("Not a provider's.")


class Unordered(response.Decoder):
    """Says text outside any part."""

    def _finish(self) -> None:
        self.events.append(TextDelta(step=1, part=99, text="x"))


class Executing(response.Decoder):
    """Has a call ready before it is whole."""

    def finish(self) -> list[Event]:
        if not self.complete:
            self.end_call(self.start_call("call_9", "weather"), {})
        return super().finish()


@pytest.mark.parametrize(
    ("decoder", "why"),
    [
        (Losing, "a byte at a time"),
        (Inventing, "it is called complete, but its"),
        (Repeating, "is no beginning of"),
        (Raising, "KeyError came out of the decoder"),
        (Foreign, "which no provider's stream can be"),
        (Unordered, "part 99"),
        (Executing, "calls"),
    ],
)
def test_each_way_to_be_wrong_is_reported(decoder: Callable[[], Any], why: str) -> None:
    with pytest.raises(ProviderBreach, match=why):
        check_provider(decoder, body_of("ollama"), cuts=None)


# --- decoders that always err in the same way: only what is expected tells


BODY = b"".join(
    line + b"\n"
    for line in (
        b'{"model":"m","message":{"thinking":"Hm."},"done":false}',
        b'{"model":"m","message":{"content":"Let me "},"done":false}',
        b'{"model":"m","message":{"content":"look: \\ud83c\\udf0a"},"done":false}',
        b'{"model":"m","message":{"tool_calls":[{"function":{"name":"pay","arguments":{"sum":5}}},'
        b'{"function":{"name":"refund","arguments":{"sum":9}}}]},"done":false}',
        b'{"model":"m","done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":7}',
    )
)
SAID: dict[str, Any] = {
    "text": "Let me look: 🌊",
    "reasoning": "Hm.",
    "refusal": "",
    "calls": [("pay", {"sum": 5}), ("refund", {"sum": 9})],
    "usage": {"input_tokens": 3, "output_tokens": 7, "reasoning_tokens": None},
    "finish_reason": "tool_calls",
    "ends": "complete",
    "end": b'{"model":"m","done":true',
}


class LosingText(response.Decoder):
    """Leaves out what holds an emoji."""

    def take(self) -> list[Event]:
        return [event for event in super().take() if not (isinstance(event, TextDelta) and "\U0001f30a" in event.text)]


class InventingText(response.Decoder):
    """Ends each answer with a full stop."""

    def _done(self, line: Any) -> None:
        self.text(".")
        super()._done(line)


class DoublingText(response.Decoder):
    """Says each piece twice."""

    def take(self) -> list[Event]:
        return [again for event in super().take() for again in [event] * (1 + isinstance(event, TextDelta))]


class ThinkingAloud(response.Decoder):
    """Shows reasoning as text."""

    def reasoning(self, text: str, kind: Any = "full") -> None:
        self.text(text)


class Refusing(response.Decoder):
    """Takes the answer for a refusal."""

    def text(self, text: str) -> None:
        self.refusal(text)


class LosingACall(response.Decoder):
    """Takes the first call alone."""

    def _message(self, message: Any) -> None:
        message.tool_calls = (message.tool_calls or [])[:1]
        super()._message(message)


class InventingACall(response.Decoder):
    """Looks something up each time."""

    def _done(self, line: Any) -> None:
        self.end_call(self.start_call(None, "search"), {})
        super()._done(line)


class DoublingACall(response.Decoder):
    """Has each call twice."""

    def _message(self, message: Any) -> None:
        message.tool_calls = [call for call in message.tool_calls or () for _ in range(2)]
        super()._message(message)


class SwappingArguments(response.Decoder):
    """Gives each call the arguments of the other."""

    def _message(self, message: Any) -> None:
        calls = message.tool_calls or []
        given = [call.function.arguments for call in calls]
        for call, arguments in zip(calls, reversed(given), strict=True):
            call.function.arguments = arguments
        super()._message(message)


class LosingArguments(response.Decoder):
    """Calls with nothing."""

    def _message(self, message: Any) -> None:
        for call in message.tool_calls or ():
            call.function.arguments = {}
        super()._message(message)


class LosingUsage(response.Decoder):
    """Reports nothing."""

    def report(self, usage: Any) -> None:
        pass


class DoublingUsage(response.Decoder):
    """Counts the output twice."""

    def report(self, usage: Any) -> None:
        super().report(msgspec.structs.replace(usage, output_tokens=usage.output_tokens * 2))


class InventingUsage(response.Decoder):
    """Reports zero for what was not reported."""

    def report(self, usage: Any) -> None:
        super().report(msgspec.structs.replace(usage, reasoning_tokens=0))


class HidingUsage(response.Decoder):
    """Knows the usage, and tells nobody."""

    def report(self, usage: Any) -> None:
        self.usage = usage


class Stopping(response.Decoder):
    """Says `stop` whatever happened."""

    def _done(self, line: Any) -> None:
        super()._done(line)
        self.finish_reason = "stop"


class NeverWhole(response.Decoder):
    """Does not know its end marker."""

    def _done(self, line: Any) -> None:
        super()._done(line)
        self.complete = False


class WholeTooEarly(response.Decoder):
    """Takes the calls for the end."""

    def _finish(self) -> None:
        if len(self.calls) == 2:
            self.finish_reason = "tool_calls"
            self.complete = True


class Endless(response.Decoder):
    """Reads on after the end."""

    def feed(self, data: bytes) -> list[Event]:
        if self.complete:
            return [TextDelta(step=1, part=0, text="more")]
        return super().feed(data)


@pytest.mark.parametrize(
    ("decoder", "why"),
    [
        (LosingText, "Its text is"),
        (InventingText, "Its text is"),
        (DoublingText, "Its text is"),
        (ThinkingAloud, "Its text is"),
        (Refusing, "Its text is ''"),
        (LosingACall, "Its calls are"),
        (InventingACall, "Its calls are"),
        (DoublingACall, "Its calls are"),
        (SwappingArguments, "Its calls are"),
        (LosingArguments, "Its calls are"),
        (LosingUsage, "Its usage has input_tokens None, not 3"),
        (DoublingUsage, "Its usage has output_tokens 14, not 7"),
        (InventingUsage, "Its usage has reasoning_tokens 0, not None"),
        (HidingUsage, "The last usage that its events report is None"),
        (Stopping, "Its finish reason is 'stop', not 'tool_calls'"),
        (NeverWhole, "the answer is incomplete, and it is complete"),
        (WholeTooEarly, "before the end marker, it is called complete"),
        (Endless, "It goes on after the end"),
    ],
)
def test_a_decoder_that_always_fails_the_same_way_is_found_by_what_is_expected(
    decoder: Callable[[], Any], why: str
) -> None:
    check_provider("ollama", BODY, cuts=None, flips=10, **SAID)
    with pytest.raises(ProviderBreach, match=why):
        check_provider(decoder, BODY, cuts=None, flips=10, **SAID)


# --- decoders of a stream of events


def event(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + msgspec.json.encode({"id": "r", "model": "m", "choices": [choice], **more}) + b"\n\n"


def called(index: int, arguments: str, **named: str) -> dict[str, Any]:
    function = {"arguments": arguments, **({"name": named["name"]} if named else {})}
    return {"tool_calls": [{"index": index, "function": function, **({"id": named["id"]} if named else {})}]}


STREAM = b"".join(
    (
        event({"role": "assistant", "content": "So: "}),
        event({"content": "5."}),
        event(called(0, '{"sum"', id="a", name="pay")),
        event(called(1, '{"sum": 9', id="b", name="pay")),
        event(called(0, ": 5}")),
        event(called(1, "}")),
        event({}, "tool_calls", usage={"prompt_tokens": 3, "completion_tokens": 7}),
        b"data: [DONE]\n\n",
    )
)
TOLD: dict[str, Any] = {
    "text": "So: 5.",
    "calls": [("pay", {"sum": 5}), ("pay", {"sum": 9})],
    "ids": ["a", "b"],
    "usage": {"input_tokens": 3, "output_tokens": 7},
    "finish_reason": "tool_calls",
    "ends": "complete",
}


class IgnoringIndexes(openai_chat.Decoder):
    """Gives every piece of arguments to the call that began last."""

    def _read_call(self, piece: Any) -> None:
        piece.index = len(self._drafts) - 1 if piece.id is None else piece.index
        super()._read_call(piece)


class LosingIds(openai_chat.Decoder):
    """Makes ids of its own."""

    def start_call(self, ident: str | None, name: str, by: Any = "agent") -> Call:
        return super().start_call(None, name, by)


class SharingIds(openai_chat.Decoder):
    """Gives each call the id of the first."""

    def take(self) -> list[Event]:
        return [msgspec.structs.replace(one, id="a") if isinstance(one, CallStarted) else one for one in super().take()]


class Merging(openai_chat.Decoder):
    """Takes two calls of one tool for one."""

    def take(self) -> list[Event]:
        return [one for one in super().take() if getattr(one, "call", "") in ("", "a")]


class Gluing(openai_chat.Decoder):
    """Leaves out the white space at the end of a piece."""

    def take(self) -> list[Event]:
        return [
            msgspec.structs.replace(one, text=one.text.rstrip()) if isinstance(one, TextDelta) else one
            for one in super().take()
        ]


class Restarting(openai_chat.Decoder):
    """Says all of the text again where the answer ends, as if it were news."""

    def _finish(self) -> None:
        super()._finish()
        if self.complete:
            self.text("So: 5.")


class MarkerBlind(openai_chat.Decoder):
    """Takes the end of the bytes for the end of the answer."""

    def _finish(self) -> None:
        super()._finish()
        self.complete, self.error = True, None


@pytest.mark.parametrize(
    ("decoder", "why"),
    [
        (IgnoringIndexes, "Its calls are"),
        (LosingIds, r"The ids of its calls are .*, not \['a', 'b'\]"),
        (SharingIds, r"The ids of its calls are \['a', 'a'\], not"),
        (Merging, "Its calls are"),
        (Gluing, "Its text is 'So:5.'"),
        (Restarting, "is no beginning of"),
        (MarkerBlind, "it is called complete, but"),
    ],
)
def test_a_wrong_decoder_of_events_is_reported(decoder: Callable[[], Any], why: str) -> None:
    check_provider("openai-chat", STREAM, cuts=None, flips=10, **TOLD)
    with pytest.raises(ProviderBreach, match=why):
        check_provider(decoder, STREAM, cuts=None, flips=10, **TOLD)


class WantingANewline(response.Decoder):
    """Leaves a last line without its newline unread."""

    def feed(self, data: bytes) -> list[Event]:
        self.kept = getattr(self, "kept", b"") + data
        whole, mark, self.kept = self.kept.rpartition(b"\n")
        return super().feed(whole + mark)


def test_a_last_line_without_its_newline_is_read() -> None:
    check_provider("ollama", BODY.rstrip(b"\n"), cuts=None, flips=10, **SAID)
    with pytest.raises(ProviderBreach, match="Its finish reason is None"):
        check_provider(WantingANewline, BODY.rstrip(b"\n"), cuts=None, flips=10, **SAID)


class Deaf(response.Decoder):
    """Takes an error for the end."""

    def _line(self, line: Any) -> None:
        line.done, line.error = line.done or bool(line.error), None
        super()._line(line)


def test_an_error_in_the_body_is_expected_as_such() -> None:
    body = b'{"message":{"content":"a"}}\n{"error":"It broke."}\n'
    check_provider("ollama", body, text="a", ends="error")
    with pytest.raises(ProviderBreach, match="the answer is complete, and it is error"):
        check_provider(Deaf, body, text="a", ends="error")
    check_provider("ollama", body[:28], text="a", ends="incomplete")


def test_an_end_marker_has_to_be_there() -> None:
    with pytest.raises(ValueError, match="is not in the body"):
        check_provider("ollama", BODY, end=b"[DONE]")


def test_between_two_answers_a_cut_is_whole() -> None:
    body = body_of("anthropic")
    with pytest.raises(ProviderBreach, match="it is called complete, but"):
        check_provider("anthropic", body + body.replace(b"toolu_1", b"toolu_2"), cuts=None, flips=0)
    check_provider("anthropic", body + body.replace(b"toolu_1", b"toolu_2"), cuts=None, flips=0, answers=2)
