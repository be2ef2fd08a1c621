"""What a gate lets pass, and when: the same text however it is split, and nothing of a secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.events import (
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    Event,
    GuardTripped,
    ProviderItemMade,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    SourceFound,
    TextDelta,
    TextEnded,
    TextStarted,
    Warned,
)
from headwater.runtime.guards.gate import Gate, Subject
from headwater.runtime.guards.guard import Block, Guard, Replace, Verdict
from tests.support.effort import tries

SECRET = "k3y-41c0b2a7"

Judge = Callable[[str], Verdict]


def blocks(text: str) -> Verdict:
    return Block("A key.") if SECRET in text else None


def masks(text: str) -> Verdict:
    return Replace(text.replace(SECRET, "[key]")) if SECRET in text else None


def masks_numbers(text: str) -> Verdict:
    masked = re.sub(r"\d+", "#", text)
    return Replace(masked) if masked != text else None


class Through:
    """Everything that went through a gate, with a guard that answers at once."""

    def __init__(self, gate: Gate, judge: Judge) -> None:
        self.gate = gate
        self.judge = judge
        self.out: list[Event] = []
        self.told: list[GuardTripped] = []
        self.checked = 0
        self.checks: list[Subject] = []
        self.blocked = False

    def feed(self, *batches: Sequence[Event], end: bool = True) -> Through:
        for batch in batches:
            if not self.blocked:
                self.gate.add(batch)
                self._work()
        if end and not self.blocked:
            self.gate.end()
            self._work()
            assert self.blocked or self.gate.empty
        return self

    def _work(self) -> None:
        while (subject := self.gate.due()) is not None:
            if self._is_blocked(subject):
                self.blocked = True
                return
            self.out += self.gate.take()
        self.out += self.gate.take()

    def _is_blocked(self, subject: Subject) -> bool:
        self.checks.append(subject)
        self.checked += len(subject.text)
        verdict = self.judge(subject.text)
        if verdict is None:
            self.gate.passed(subject)
            return False
        if not isinstance(verdict, Replace):
            return True
        told = self.gate.replaced(subject, verdict.text)
        if told is None and subject.shown > 0:
            from msgspec.structs import replace

            return self._is_blocked(replace(subject, text=subject.text[subject.shown :], shown=0))
        self.told += told or ()
        return told is None

    @property
    def text(self) -> str:
        return said(self.out)


def said(events: Iterable[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def part(number: int, *pieces: str, signature: str | None = None) -> list[Event]:
    return [
        TextStarted(step=1, part=number),
        *(TextDelta(step=1, part=number, text=piece) for piece in pieces if piece),
        TextEnded(step=1, part=number, signature=signature),
    ]


def cut(text: str, at: Iterable[int]) -> list[str]:
    places = sorted({0, len(text), *(one % (len(text) + 1) for one in at)})
    return [text[start:end] for start, end in pairwise(places)]


def split(text: str, parts: Sequence[int], deltas: Sequence[int], batches: Sequence[int]) -> list[list[Event]]:
    """The text as events: in parts, each in deltas, which arrive in batches."""
    events: list[Event] = []
    for number, whole in enumerate(cut(text, parts)):
        events += part(number, *cut(whole, deltas))
    places = sorted({0, len(events), *(one % (len(events) + 1) for one in batches)})
    return [events[start:end] for start, end in pairwise(places)]


def shape(events: Iterable[Event]) -> list[Any]:
    """The events with the deltas of a part joined: what no split may change."""
    told: list[Any] = []
    for event in events:
        if isinstance(event, TextDelta):
            if told and isinstance(told[-1], tuple) and told[-1][1] == event.part:
                told[-1] = ("text", event.part, told[-1][2] + event.text)
            else:
                told.append(("text", event.part, event.text))
        else:
            told.append(event)
    return told


texts = st.text(alphabet="ab 1.\n", max_size=120)
places = st.lists(st.integers(0, 500), max_size=12)
guards = st.builds(
    lambda hold, more, every: Guard(blocks, hold=hold, overlap=hold + more, every=every),
    st.integers(len(SECRET), 40),
    st.integers(0, 30),
    st.integers(1, 40),
)


@settings(max_examples=tries(150, 3000))
@given(texts, places, places, places, guards)
def test_what_passes_is_unchanged(text: str, parts: Any, deltas: Any, batches: Any, guard: Guard) -> None:
    events = split(text, parts, deltas, batches)
    through = Through(Gate(guard), lambda text: None).feed(*events)
    assert shape(through.out) == shape(event for batch in events for event in batch)
    assert through.checked <= len(text) * (1 + guard.overlap / guard.every) + guard.overlap + guard.every
    for subject in through.checks:
        assert subject.text in text


@settings(max_examples=tries(150, 3000))
@given(texts, texts, places, places, places, guards)
def test_nothing_of_a_secret_passes(
    before: str, after: str, parts: Any, deltas: Any, batches: Any, guard: Guard
) -> None:
    text = before + SECRET + after
    through = Through(Gate(guard), blocks).feed(*split(text, parts, deltas, batches))
    assert through.blocked
    assert before.startswith(through.text)


@settings(max_examples=tries(150, 3000))
@given(st.lists(st.one_of(texts, st.just(SECRET)), max_size=6), places, places, places, guards)
def test_replacing_is_the_same_however_it_is_split(
    words: list[str], parts: Any, deltas: Any, batches: Any, guard: Guard
) -> None:
    text = "".join(words)
    through = Through(Gate(guard), masks).feed(*split(text, parts, deltas, batches))
    assert through.text == text.replace(SECRET, "[key]")
    assert sum(told.chars for told in through.told) >= 0
    assert bool(through.told) == (SECRET in text)


@settings(max_examples=tries(150, 3000))
@given(st.text(alphabet="a 12", max_size=100), places, places, places, guards)
def test_a_match_that_may_go_on_is_decided_with_what_follows(
    text: str, parts: Any, deltas: Any, batches: Any, guard: Guard
) -> None:
    through = Through(Gate(guard), masks_numbers).feed(*split(text, parts, deltas, batches))
    assert through.text == re.sub(r"\d+", "#", text)


@settings(max_examples=tries(60, 1000))
@given(texts, places, places)
def test_a_step_is_held_until_its_end(text: str, deltas: Any, batches: Any) -> None:
    gate = Gate(Guard(blocks, hold="step"))
    through = Through(gate, blocks).feed(*split(text, (), deltas, batches), end=False)
    assert through.out == []
    assert not through.checks
    through.feed()
    assert through.text == text
    assert [subject.text for subject in through.checks] == ([text] if text else [])


@settings(max_examples=tries(60, 1000))
@given(texts, places, places)
def test_sentences_are_held_whole(text: str, deltas: Any, batches: Any) -> None:
    gate = Gate(Guard(blocks, hold="sentence"))
    through = Through(gate, blocks)
    for batch in split(text, (), deltas, batches):
        through.feed(batch, end=False)
        shown = through.text
        assert shown == "" or shown[-1].isspace()
    through.feed()
    assert through.text == text


@pytest.mark.parametrize("every", [1, 7, 80])
@pytest.mark.parametrize("judge", [blocks, masks])
def test_a_text_that_waits_for_a_call_is_checked_to_its_end(judge: Judge, every: int) -> None:
    """What was checked waits for the call before it, and becomes longer than what a guard sees again."""
    guard = Guard(judge, on=("output", "arguments"), hold=12, overlap=12, every=every)
    before = call("send", "{}", arguments={})
    text = part(0, *("All is well. " * 20 + SECRET + " And so on." * 20))
    gate = Gate(guard, tools={"send"})
    through = Through(gate, judge).feed(before[:-1], *([event] for event in text[:-1]), end=False)
    assert through.text == ""
    through.feed([*before[-1:], *text[-1:]])
    assert through.blocked == (judge is blocks)
    if judge is masks:
        assert through.text == "All is well. " * 20 + "[key]" + " And so on." * 20
        assert shape(through.out)[-1] == text[-1]
    assert through.checked < (len(said(text)) + 12) * (1 + 12 / every) + 400


def test_a_sentence_without_an_end_is_not_held_for_ever() -> None:
    gate = Gate(Guard(blocks, hold="sentence"))
    through = Through(gate, blocks).feed(part(0, "x" * 5_000)[:-1], end=False)
    assert len(through.text) == 5_000


# --- what belongs to text


def test_a_replaced_part_has_no_signature_spans_or_items() -> None:
    events = [
        *part(0, f"It is {SECRET}.", signature="sig"),
        SourceFound(step=1, url="https://example.com", span=(0, 5)),
        ProviderItemMade(step=1, api="x", item={"type": "y"}),
        *part(1, "Yes.", signature="other"),
    ]
    out = Through(Gate(Guard(masks)), masks).feed(events).out
    assert [event.signature for event in out if isinstance(event, TextEnded)] == [None, "other"]
    assert [event.span for event in out if isinstance(event, SourceFound)] == [None]
    assert not [event for event in out if isinstance(event, ProviderItemMade)]


@pytest.mark.parametrize(
    "event",
    [
        SourceFound(step=1, title=f"On {SECRET}"),
        SourceFound(step=1, quote=SECRET),
        ProviderItemMade(step=1, api="x", item={"action": {"query": ["a", SECRET]}}),
        Warned(code="unknown_event", message=f"A frame was not a JSON object: {SECRET}."),
    ],
)
def test_words_in_other_events_are_checked(event: Event) -> None:
    assert Through(Gate(Guard(blocks)), blocks).feed([event]).blocked
    assert Through(Gate(Guard(masks)), masks).feed([event]).out == []
    assert Through(Gate(Guard(masks, on="reasoning")), masks).feed([event]).out == [event]


def test_encrypted_content_is_not_checked() -> None:
    item = ProviderItemMade(step=1, api="x", item={"encrypted_content": SECRET})
    assert Through(Gate(Guard(blocks)), blocks).feed([item]).out == [item]


def test_reasoning_is_text_of_its_own() -> None:
    events = [
        ReasoningStarted(step=1, part=0),
        ReasoningDelta(step=1, part=0, text=SECRET),
        ReasoningEnded(step=1, part=0, signature="s", redacted="r"),
        *part(1, "Hi."),
    ]
    assert Through(Gate(Guard(blocks)), blocks).feed(events).out == events
    through = Through(Gate(Guard(masks, on="reasoning")), masks).feed(events)
    assert through.told[0].on == "reasoning"
    assert through.out[1:3] == [ReasoningDelta(step=1, part=0, text="[key]"), ReasoningEnded(step=1, part=0)]


def test_refusals_and_texts_are_one_text() -> None:
    events = [*part(0, SECRET[:6]), TextStarted(step=1, part=1, kind="refusal"), *part(1, SECRET[6:])[1:]]
    through = Through(Gate(Guard(blocks)), blocks).feed(events)
    assert through.blocked
    assert through.out == []


def test_citations_in_a_signature_are_checked() -> None:
    signature = f'{{"id":"msg_1","content":{{"annotations":[{{"title":"{SECRET}"}}]}}}}'
    events = part(0, "See there.", signature=signature)
    assert Through(Gate(Guard(blocks)), blocks).feed(events).blocked
    assert Through(Gate(Guard(masks)), masks).feed(events).out == part(0, "See there.")
    opaque = part(0, "See there.", signature=SECRET)
    assert Through(Gate(Guard(blocks)), blocks).feed(opaque).out == opaque


# --- JSON

ESCAPED = "".join(f"\\u{ord(char):04X}" for char in SECRET)


@settings(max_examples=tries(100, 2000), deadline=None)
@given(places, places, places, st.text(alphabet='ab/\\"\U0001f600', max_size=30))
def test_escapes_hide_nothing_in_json(parts: Any, deltas: Any, batches: Any, before: str) -> None:
    text = f'{{"a":{json.dumps(before)},"b":"{ESCAPED}"}}'
    gate = Gate(Guard(blocks, hold=len(SECRET), every=5), json=True)
    through = Through(gate, blocks).feed(*split(text, [], deltas, batches))
    assert through.blocked
    assert SECRET[:2] not in through.text
    masked = Gate(Guard(masks, hold=len(SECRET), every=5), json=True)
    through = Through(masked, masks).feed(*split(text, [], deltas, batches))
    assert json.loads(through.text) == {"a": before, "b": "[key]"}


def test_json_that_needs_no_other_spelling_is_unchanged() -> None:
    events = part(0, '{"a": "x\\', 'n\\"', '"}', signature="s")
    assert shape(Through(Gate(Guard(blocks), json=True), blocks).feed(events).out) == shape(events)
    events = part(0, '{"a": "x\\', '/"}', signature="s")
    assert Through(Gate(Guard(blocks), json=True), blocks).feed(events).text == '{"a": "x/"}'
    assert Through(Gate(Guard(blocks)), blocks).feed(events).text == '{"a": "x\\/"}'


def test_a_beginning_of_an_escape_is_not_lost() -> None:
    assert Through(Gate(Guard(blocks), json=True), blocks).feed(part(0, "C:\\", "u00")).text == "C:\\u00"


def test_an_empty_part_passes_with_what_follows() -> None:
    events = [TextStarted(step=1, part=0), TextEnded(step=1, part=0)]
    gate = Gate(Guard(blocks))
    gate.add(events[:1])
    assert gate.take() == []
    gate.add(events[1:])
    assert gate.take() == events


# --- calls


def call(name: str, written: str, *pieces: str, arguments: Any = None) -> list[Event]:
    end: Event = CallReady(step=1, call="c", name=name, arguments=arguments, signature="s", item_id="i")
    if arguments is None:
        end = CallRejected(step=1, call="c", name=name, raw=written, error="no")
    return [
        CallStarted(step=1, call="c", name=name),
        *(CallDelta(step=1, call="c", json=piece) for piece in pieces or (written,)),
        end,
    ]


def test_arguments_are_checked_whole_and_unescaped() -> None:
    written = f'{{"to": "\\u006b{SECRET[1:]}"}}'
    events = call("send", written, written[:12], written[12:], arguments={"to": SECRET})
    gate = Gate(Guard(blocks, on="arguments"), tools={"send"})
    through = Through(gate, blocks).feed(events[:2], events[2:])
    assert through.blocked
    assert through.out == events[:1]
    assert through.checks[0].tool == "send"
    assert gate.tripped(through.checks[0], "block", "", 0).call is None
    gate = Gate(Guard(blocks, on="arguments"), tools={"send"}, logged={"c"})
    through = Through(gate, blocks).feed(events)
    assert gate.tripped(through.checks[0], "block", "", 0).call == "c"


@pytest.mark.parametrize(
    "written",
    [
        f'{{"to": "{SECRET}", "to": "me"}}',  # the last of two counts
        f'{{"to":"{SECRET}"}}',  # a server's final arguments differ
    ],
)
def test_the_deltas_that_pass_are_those_of_the_arguments_that_were_checked(written: str) -> None:
    events = call("send", written, written[:12], written[12:], arguments={"to": "me"})
    signed = msgspec.structs.replace(
        cast("CallReady", events[-1]), signature=json.dumps({"status": "completed", "arguments": written})
    )
    out = Through(Gate(Guard(blocks, on="arguments"), tools={"send"}), blocks).feed([*events[:-1], signed]).out
    assert out == [
        events[0],
        CallDelta(step=1, call="c", json='{"to":"me"}'),
        msgspec.structs.replace(signed, signature='{"status":"completed"}'),
    ]


def test_arguments_can_be_replaced_by_an_object() -> None:
    events = call("send", f'{{"to":"{SECRET}"}}', arguments={"to": SECRET})
    out = Through(Gate(Guard(masks, on="arguments"), tools={"send"}), masks).feed(events).out
    assert out == [
        events[0],
        CallDelta(step=1, call="c", json='{"to":"[key]"}'),
        CallReady(step=1, call="c", name="send", arguments={"to": "[key]"}),
    ]
    broken = Through(Gate(Guard(masks, on="arguments"), tools={"send"}), lambda text: Replace("no object"))
    assert broken.feed(events).blocked


def test_invalid_arguments_are_checked_too() -> None:
    for events in (call("send", SECRET), call("send", f'{{"to": "{ESCAPED}"')):
        assert Through(Gate(Guard(blocks, on="arguments"), tools={"send"}), blocks).feed(events).blocked
    events = call("send", SECRET)
    assert Through(Gate(Guard(blocks, on="arguments"), tools={"send"}), blocks).feed(events).blocked
    out = Through(Gate(Guard(masks, on="arguments"), tools={"send"}), masks).feed(events).out
    assert isinstance(out[-1], CallRejected)
    assert out[-1].raw == "[key]"


def test_a_made_up_name_is_checked_and_cannot_be_replaced() -> None:
    for judge in (blocks, masks):
        through = Through(Gate(Guard(judge, on="arguments"), tools={"send"}), judge)
        assert through.feed(call(SECRET, "{}", arguments={})).blocked
        assert through.out == []


def test_the_answering_call_is_output() -> None:
    events = call("answer", f'{{"a":"{SECRET}"}}', arguments={"a": SECRET})
    assert Through(Gate(Guard(blocks), tools={"answer"}, answer_tool="answer"), blocks).feed(events).blocked
    assert Through(Gate(Guard(blocks), tools={"answer"}), blocks).feed(events).out == events


def test_nothing_overtakes_text_that_is_held() -> None:
    gate = Gate(Guard(blocks, hold=50, overlap=50))
    through = Through(gate, blocks).feed([*part(0, "short"), *call("send", "{}", arguments={})], end=False)
    assert through.out == []
    through.feed()
    assert [event.type for event in through.out][:4] == ["text.started", "text.delta", "text.ended", "call.started"]
