"""Holds a model's output back until a guard has let it pass: events in, texts to check out, events out.

Theory of operation. Events wait in one queue in their order, so nothing overtakes text that is held. A guarded text is
one text per attempt, and its reasoning another, whatever parts and deltas they arrive in. A check covers all of it that
is new, and some of what came before (`overlap`); then all but the last characters (`hold`) are free. A call is checked
when it is complete, other events with words in them (sources, files, provider items, warnings) when they arrive. What
was checked is what passes: a call's deltas are those of its final arguments, and JSON has one spelling (`json_text`).

A replacement whose change reaches the end of the text so far may be half of a match: it is decided with what follows.

Pure: who calls the guard, and waits for it, is `asking`. It must never let an event pass that has not passed
the guard.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final, cast

import msgspec

from headwater.events import (
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    Event,
    FileMade,
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
from headwater.providers.decoder import parse_arguments
from headwater.runtime.guards.guard import Guard, On
from headwater.runtime.guards.json_text import JSONText, spelled_out
from headwater.runtime.guards.words import without_arguments, words_of

__all__ = ("Gate", "Subject", "changed_range")

SENTENCE_CHARS: Final = 2_000
"""The longest sentence that is held as a whole: code and tables may have no end of one for pages."""

UNDECIDED_CHARS: Final = 4_000
"""How long a replacement may go on changing the end of the text before it is taken as it is."""

_SENTENCE_END: Final = re.compile(r"[.!?\u2026][\"')\]\u00bb\u201d\u2019]*\s|[\u3002\uff01\uff1f]|\n")

_encode = msgspec.json.Encoder().encode


class Subject(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One text to check. Its first `shown` characters have passed before, and are only context.

    If it begins behind what is held, which waits for something else, `shown` is negative: how far behind.
    """

    text: str
    on: On
    what: Any
    shown: int = 0
    final: bool = True
    tool: str = ""
    arguments: Any = None
    step: int = 0


class Gate:
    """Holds one attempt's output for one guard.

    `answer_tool` gives the answer, so its arguments are output; `json` says that the text is to be JSON. `logged` are
    the calls that have passed all gates.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        tools: Collection[str] = (),
        answer_tool: str = "",
        json: bool = False,
        logged: Collection[str] = (),
    ) -> None:
        self.guard = guard
        self.ended: bool = False
        """Whether the answer is complete."""
        self._tools = tools
        self._answer_tool = answer_tool
        self._queue: deque[Any] = deque()
        self._streams: dict[On, _Stream] = {}
        self._kinds: dict[int, On] = {}
        """The stream of each guarded part."""
        self._json = json
        self._spelled: dict[int, JSONText] = {}
        """By part: its text, where that is JSON."""
        self._rewritten: set[int] = set()
        """The parts whose JSON is written otherwise than the model's."""
        self._calls: dict[str, _Call] = {}
        self._words: deque[_Words] = deque()
        """What is complete and waits for its check: calls, and events with words."""
        self._replaced: set[int] = set()
        """The parts whose text is not the model's own any more."""
        self._logged = logged

    @property
    def empty(self) -> bool:
        """Whether nothing is held."""
        return not self._queue

    @property
    def held(self) -> int:
        """How many characters are held."""
        return sum(stream.size for stream in self._streams.values())

    @property
    def unchecked(self) -> int:
        """How many characters have not been checked yet."""
        return sum(stream.size - stream.checked for stream in self._streams.values())

    def add(self, events: Iterable[Event]) -> None:
        """Adds the next events."""
        for event in events:
            if handler := _HANDLERS.get(event.__class__):
                handler(self, event)
            else:
                self._queue.append(event)

    def end(self) -> None:
        """The answer is complete: everything is due."""
        self.ended = True

    def due(self) -> Subject | None:
        """Returns the next text to check, if there is one; `take` what may pass before."""
        if self.guard.hold == "step" and not self.ended:
            return None
        for stream in self._streams.values():
            if stream.due(self.guard, self.ended):
                return stream.subject(self.guard, self.ended)
        return self._words[0].subject() if self._words else None

    def passed(self, subject: Subject) -> None:
        """The text may pass."""
        what = subject.what
        if isinstance(what, _Stream):
            what.passed(len(subject.text) - subject.shown, final=subject.final)
        else:
            self._words.popleft().passed = True

    def replaced(self, subject: Subject, text: str) -> list[GuardTripped] | None:
        """The text is replaced by `text`; returns what the log is told of it, or None if it cannot be replaced so."""
        what = subject.what
        if not isinstance(what, _Stream):
            if not what.replace(text):
                return None
            self._words.popleft().passed = True
            return [self.tripped(subject, "replace", "", len(subject.text))]
        if text == subject.text:
            self.passed(subject)
            return []
        start, end = changed_range(subject.text, text)
        if start < subject.shown:
            return None
        if not subject.final and end == len(subject.text) and end - start < UNDECIDED_CHARS:
            what.undecided(len(subject.text) - subject.shown, start - subject.shown)
            return []
        new = text[start : len(text) - (len(subject.text) - end)]
        self._replaced |= what.replace(start - subject.shown, end - subject.shown, new)
        what.passed(len(text) - subject.shown, final=subject.final)
        return [self.tripped(subject, "replace", "", end - start)]

    def tripped(self, subject: Subject, action: Any, note: str, chars: int) -> GuardTripped:
        """Returns the event for a verdict."""
        call = getattr(subject.what, "key", None)
        return GuardTripped(
            guard=self.guard.name,
            on=subject.on,
            action=action,
            step=subject.step,
            call=call if call in self._logged else None,
            note=note,
            chars=chars,
        )

    def take(self) -> list[Event]:
        """Returns the events that may pass now."""
        if self.guard.hold == "step" and (not self.ended or self.due() is not None):
            return []
        out: list[Event] = []
        starts: list[Event] = []
        """Starts of parts: each waits for something that comes after it, so that an empty part shows nothing."""
        while self._queue:
            head = self._queue[0]
            if isinstance(head, _Piece):
                free = head.stream.free(self.guard, self.ended) if head.text else 1
                if free <= 0:
                    break
                out += starts
                starts.clear()
                _say(out, head.step, head.part, head.cut(free), reasoning=head.reasoning)
                if head.text:
                    break
            elif isinstance(head, _Words):
                if not head.passed:
                    break
                out += starts
                starts.clear()
                out += (event for event in map(self._cleaned, head.events) if event is not None)
            elif head.__class__ in _STARTS and head.part in self._kinds:
                starts.append(head)
            else:
                out += starts
                starts.clear()
                if (event := self._cleaned(head)) is not None:
                    out.append(event)
            self._queue.popleft()
        self._queue.extendleft(reversed(starts))
        return out

    def _cleaned(self, event: Event) -> Event | None:
        """Returns the event without what belongs to text that was replaced; None if nothing is left."""
        match event:
            case TextEnded() if event.part in self._replaced or event.part in self._rewritten:
                return TextEnded(step=event.step, part=event.part)
            case ReasoningEnded() if event.part in self._replaced:
                return ReasoningEnded(step=event.step, part=event.part)
            case SourceFound() if (self._replaced or self._rewritten) and event.span is not None:
                return msgspec.structs.replace(event, span=None)
            case ProviderItemMade() if self._replaced:
                return None
            case _:
                pass
        return event

    # --- events

    def _started(self, event: TextStarted | ReasoningStarted) -> None:
        on: On = "output" if isinstance(event, TextStarted) else "reasoning"
        if on in self.guard.on:
            self._kinds[event.part] = on
            if on == "output" and self._json:
                self._spelled[event.part] = JSONText()
        self._queue.append(event)

    def _delta(self, event: TextDelta | ReasoningDelta) -> None:
        on = self._kinds.get(event.part)
        if on is None:
            self._queue.append(event)
        elif (spelled := self._spelled.get(event.part)) is None:
            self._write(on, event.step, event.part, event.text)
        else:
            self._write(on, event.step, event.part, spelled.add(event.text))
            if spelled.changed:
                self._rewritten.add(event.part)

    def _write(self, on: On, step: int, part: int, text: str) -> None:
        if not text:
            return
        stream = self._streams.get(on)
        if stream is None:
            stream = self._streams[on] = _Stream(on, step, self.guard.overlap)
        last = self._queue[-1] if self._queue else None
        if isinstance(last, _Piece) and last.part == part:
            stream.grow(last, text)
        else:
            self._queue.append(stream.add(part, text))

    def _ended(self, event: TextEnded | ReasoningEnded) -> None:
        if (spelled := self._spelled.pop(event.part, None)) is not None:
            self._write("output", event.step, event.part, spelled.end())
        words = words_of(event) if "output" in self.guard.on and event.signature else ()
        self._check_words(event, "output", words)

    def _call_started(self, event: CallStarted) -> None:
        on: On | None = None
        if event.name == self._answer_tool and "output" in self.guard.on:
            on = "output"
        elif "arguments" in self.guard.on:
            on = "arguments"
        if on is None:
            self._queue.append(event)
            return
        if event.name not in self._tools:  # the model made the name up, so it is its words too
            self._check_words(event, on, (event.name,))
        else:
            self._queue.append(event)
        call = self._calls[event.call] = _Call(event, on)
        self._queue.append(call)

    def _call_delta(self, event: CallDelta) -> None:
        if (call := self._calls.get(event.call)) is not None:
            call.events.append(event)
        else:
            self._queue.append(event)

    def _call_ended(self, event: CallReady | CallRejected) -> None:
        if (call := self._calls.get(event.call)) is not None:
            call.end(event)
            self._words.append(call)
        else:
            self._queue.append(event)

    def _other(self, event: SourceFound | FileMade | ProviderItemMade | Warned) -> None:
        self._check_words(event, "output", words_of(event) if "output" in self.guard.on else ())

    def _check_words(self, event: Event, on: On, words: Iterable[str]) -> None:
        """Holds the event until its words have passed, if it has any."""
        if not (text := "\n".join(words)):
            self._queue.append(event)
            return
        held = _Words(event, on, text)
        self._queue.append(held)
        self._words.append(held)


_HANDLERS: Final[dict[type[Event], Callable[[Gate, Any], None]]] = {
    TextStarted: Gate._started,
    ReasoningStarted: Gate._started,
    TextDelta: Gate._delta,
    ReasoningDelta: Gate._delta,
    TextEnded: Gate._ended,
    ReasoningEnded: Gate._ended,
    CallStarted: Gate._call_started,
    CallDelta: Gate._call_delta,
    CallReady: Gate._call_ended,
    CallRejected: Gate._call_ended,
    SourceFound: Gate._other,
    FileMade: Gate._other,
    ProviderItemMade: Gate._other,
    Warned: Gate._other,
}
_STARTS: Final = (TextStarted, ReasoningStarted)
_ENDS: Final = (TextEnded, ReasoningEnded)


class _Piece:
    """Text of one part that is held."""

    __slots__ = ("part", "step", "stream", "text")

    def __init__(self, stream: _Stream, part: int, text: str) -> None:
        self.stream = stream
        self.step = stream.step
        self.part = part
        self.text = text

    @property
    def reasoning(self) -> bool:
        """Whether it is reasoning, and not text."""
        return self.stream.on == "reasoning"

    def cut(self, chars: int) -> str:
        """Takes up to so many characters from its beginning."""
        text, self.text = self.text[:chars], self.text[chars:]
        self.stream.release(self, text)
        return text


class _Stream:
    """The text of one kind in an attempt. Positions count from the first character that is held."""

    __slots__ = ("_before", "_ends", "_final", "_overlap", "_pieces", "_undecided", "checked", "on", "size", "step")

    def __init__(self, on: On, step: int, overlap: int) -> None:
        self.on: On = on
        self._overlap = overlap
        self.step = step
        self.size = 0
        """How many characters are held."""
        self.checked = 0
        """How many of them were checked."""
        self._before = ""
        """The last characters that were let through."""
        self._pieces: deque[_Piece] = deque()
        self._undecided: int | None = None
        """Where a change begins that may go on."""
        self._final = False
        """Whether it was checked as a complete text."""
        self._ends = 0
        """Where the last complete sentence ends, as far as it was checked."""

    @property
    def held(self) -> str:
        """The text that is held."""
        return "".join(piece.text for piece in self._pieces)

    def add(self, part: int, text: str) -> _Piece:
        """Adds text of a part, in a piece of its own."""
        piece = _Piece(self, part, text)
        self._pieces.append(piece)
        self.size += len(text)
        return piece

    def grow(self, piece: _Piece, text: str) -> None:
        """Adds text to the last piece."""
        piece.text += text
        self.size += len(text)

    def due(self, guard: Guard, ended: bool) -> bool:
        """Whether a check is due."""
        new = self.size - self.checked
        if ended:
            return not self._final
        if guard.hold == "sentence":
            return new > 0 and (new >= SENTENCE_CHARS or _last_end(self.held) > self.checked)
        return new >= guard.every

    def subject(self, guard: Guard, ended: bool) -> Subject:
        """Returns the text to check: all that is new, with what came before."""
        start = self.checked - guard.overlap
        if self._undecided is not None:
            start = min(start, self._undecided)
        whole = self._before + self.held
        start = max(0, len(self._before) + start)
        text = whole[start:]
        return Subject(
            text=text,
            on=self.on,
            what=self,
            shown=len(self._before) - start,
            final=ended,
            step=self.step,
        )

    def passed(self, until: int, *, final: bool) -> None:
        """Everything up to that position has passed."""
        self.checked = until
        self._undecided = None
        self._final = final
        self._ends = _last_end(self.held[: self.checked])

    def undecided(self, until: int, start: int) -> None:
        """Everything up to `until` was checked; what comes from `start` on is checked again with what follows."""
        self.passed(until, final=False)
        self._undecided = start

    def replace(self, start: int, end: int, text: str) -> set[int]:
        """Replaces a range by `text`; returns the parts that this changes."""
        parts: set[int] = set()
        at, put = 0, False
        for piece in self._pieces:
            size = len(piece.text)
            first, last = min(max(start - at, 0), size), min(max(end - at, 0), size)
            here = not put and (start < at + size or start == at + size == self.size)
            if here or last > first:
                piece.text = piece.text[:first] + (text if here else "") + piece.text[last:]
                parts.add(piece.part)
            put = put or here
            at += size
        self.size += len(text) - (end - start)
        return parts

    def free(self, guard: Guard, ended: bool) -> int:
        """How many characters may pass."""
        free = self.checked
        if not (ended and self._final):
            if guard.hold == "sentence":
                free = self._ends or (self.checked if self.checked >= SENTENCE_CHARS else 0)
            elif isinstance(guard.hold, int):
                free = self.checked - guard.hold
            else:
                free = 0
            if self._undecided is not None:
                free = min(free, self._undecided)
        return free

    def release(self, piece: _Piece, text: str) -> None:
        """Characters at the beginning were let through."""
        if not piece.text and self._pieces and self._pieces[0] is piece:
            self._pieces.popleft()
        chars = len(text)
        self.size -= chars
        self.checked -= chars
        self._ends -= chars
        if self._undecided is not None:
            self._undecided -= chars
        if self._overlap:
            self._before = (self._before + text)[-self._overlap :]


class _Words:
    """An event with words in it, which is checked as a whole."""

    key: str | None = None

    def __init__(self, event: Event, on: On, words: str) -> None:
        self.events: list[Event] = [event]
        self.passed = False
        self._on: On = on
        self._text = words

    def subject(self) -> Subject:
        """Returns its words to check."""
        step: int = getattr(self.events[0], "step", 0)
        return Subject(text=self._text, on=self._on, what=self, step=step)

    def replace(self, text: str) -> bool:
        """Leaves the event out, or its signature: the words cannot be replaced one by one. Returns False if neither can
        be left out."""
        event = self.events[0]
        if isinstance(event, CallStarted):
            return False
        self.events = [msgspec.structs.replace(event, signature=None)] if isinstance(event, _ENDS) else []
        return True


class _Call(_Words):
    """A call whose arguments are checked once they are complete."""

    def __init__(self, event: CallStarted, on: On) -> None:
        super().__init__(event, on, "")
        self.events = []
        self.key = event.call
        self._started = event
        self._end: CallReady | CallRejected | None = None

    def end(self, event: CallReady | CallRejected) -> None:
        """The call is complete."""
        if isinstance(event, CallRejected):
            self._text = spelled_out(event.raw)
            event = msgspec.structs.replace(event, raw=self._text)
        else:
            written = event.arguments
            self._text = written if isinstance(written, str) else _encode(written).decode()
        self._end = msgspec.structs.replace(event, signature=without_arguments(event.signature))
        said = "".join(delta.json for delta in cast("list[CallDelta]", self.events))
        if said and said != self._text:  # spaces, escapes, or a key that comes twice, of which the last one counts
            self.events = [CallDelta(step=event.step, call=event.call, json=self._text)]
        self.events.append(self._end)

    def subject(self) -> Subject:
        """See `_Words`."""
        end = self._end
        arguments = end.arguments if isinstance(end, CallReady) else None
        return Subject(
            text=self._text,
            on=self._on,
            what=self,
            step=self._started.step,
            tool=self._started.name,
            arguments=arguments,
        )

    def replace(self, text: str) -> bool:
        """Replaces the arguments; returns False if `text` is not a JSON object."""
        end = self._end
        assert end is not None
        delta = CallDelta(step=end.step, call=end.call, json=text)
        events: list[Event] = [delta] if text else []
        if isinstance(end, CallRejected):
            self.events = [*events, msgspec.structs.replace(end, raw=text, signature=None, item_id=None)]
            return True
        arguments: Any = text if end.custom else parse_arguments(text)
        if arguments is None:
            return False
        ready = msgspec.structs.replace(end, arguments=arguments, signature=None, item_id=None)
        self.events = [*events, ready]
        return True


def _say(out: list[Event], step: int, part: int, text: str, *, reasoning: bool) -> None:
    if not text:
        return
    delta = ReasoningDelta if reasoning else TextDelta
    last = out[-1] if out else None
    if last.__class__ is delta and cast("Any", last).part == part:
        text = cast("Any", out.pop()).text + text
    out.append(delta(step=step, part=part, text=text))


def changed_range(old: str, new: str) -> tuple[int, int]:
    """Returns the range of `old` that differs in `new`."""
    shorter = min(len(old), len(new))
    start = 0
    while start < shorter and old[start] == new[start]:
        start += 1
    end = 0
    while end < shorter - start and old[-1 - end] == new[-1 - end]:
        end += 1
    return start, len(old) - end


def _last_end(text: str) -> int:
    """Where the last complete sentence ends; 0 for none."""
    last = 0
    for found in _SENTENCE_END.finditer(text):
        last = found.end()
    return last
