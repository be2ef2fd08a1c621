"""Network faults as values: each changes an answer before it is sent.

    Faulty("It is sunny.", Split(1), Reset(at=-40))

Faults are applied in order. `at` is an offset in bytes into the body, from its end if negative; `"head"` is before the
response's first line. Pure: nothing is sent here.
"""

from __future__ import annotations

import itertools
import random
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Literal, Protocol, TypeAlias

import msgspec

from headwater.testing.served_answer import FILLER, Answer, Broken, Endless, Pause, Step

__all__ = (
    "Bomb",
    "CloseIdle",
    "Compressed",
    "Endlessly",
    "Fault",
    "Faulty",
    "Flip",
    "Garbage",
    "HangUp",
    "Headers",
    "Reset",
    "SlowHead",
    "Split",
    "Stall",
    "Truncate",
    "applied",
)

Place: TypeAlias = int | Literal["head"]

SIZES: Final = (1, 2, 3, 7, 20, 100, 700, 5000)
"""Sizes for a random split: tiny ones, frames, and those of a socket read."""


class Fault(Protocol):
    """A fault of an answer."""

    def on(self, answer: Answer) -> Answer:
        """The answer with this fault."""


class Faulty:
    """A turn with these faults, applied in order."""

    __slots__ = ("faults", "turn")

    def __init__(self, turn: Any, *faults: Fault) -> None:
        self.turn: Any = turn
        self.faults: tuple[Fault, ...] = faults

    def __repr__(self) -> str:
        return f"Faulty({', '.join(map(repr, (self.turn, *self.faults)))})"


def applied(faults: Iterable[Fault], answer: Answer) -> Answer:
    """The answer with all faults."""
    for fault in faults:
        answer = fault.on(answer)
    return answer


class Split(msgspec.Struct, frozen=True):
    """The body is sent in pieces of these sizes, repeated; of random sizes (`seed`) if none are given.

    Each piece is one HTTP chunk and one write; the network may merge some.
    """

    sizes: int | tuple[int, ...] = ()
    seed: int = 0

    def on(self, answer: Answer) -> Answer:
        """See `Fault`."""
        return _with_steps(answer, self._split(answer.steps))

    def cut(self, body: bytes) -> list[bytes]:
        """The pieces of a whole body."""
        return [piece for piece in self._split([body]) if isinstance(piece, bytes)]

    def _split(self, steps: Iterable[Step]) -> Iterator[Step]:
        sizes = self._sizes()
        left = 0
        for step in steps:
            if not isinstance(step, bytes):
                yield step
                continue
            at = 0
            while at < len(step):
                left = left or next(sizes)
                piece = step[at : at + left]
                at, left = at + len(piece), left - len(piece)
                yield piece

    def _sizes(self) -> Iterator[int]:
        if self.sizes:
            sizes = (self.sizes,) if isinstance(self.sizes, int) else self.sizes
            if min(sizes) < 1:
                raise ValueError(f"A piece has at least one byte; the sizes are {sizes}.")
            return itertools.cycle(sizes)
        dice = random.Random(self.seed)
        return (dice.choice(SIZES) for _ in itertools.count())


class Stall(msgspec.Struct, frozen=True):
    """Nothing more is sent from here on for some seconds, or forever if none are given."""

    at: Place
    seconds: float | None = None

    def on(self, answer: Answer) -> Answer:
        """See `Fault`."""
        return _inserted(answer, self.at, Pause(self.seconds))


class Reset(msgspec.Struct, frozen=True):
    """The connection is reset."""

    at: Place

    def on(self, answer: Answer) -> Answer:
        """See `Fault`."""
        return _inserted(answer, self.at, Broken("reset"))


class HangUp(msgspec.Struct, frozen=True):
    """The connection is closed in the middle, so that the client can detect it from HTTP."""

    at: Place

    def on(self, answer: Answer) -> Answer:
        """See `Fault`."""
        return _inserted(answer, self.at, Broken("hang up"))


class Truncate(msgspec.Struct, frozen=True):
    """The body ends after so many bytes, correctly as far as HTTP is concerned."""

    at: int

    def on(self, answer: Answer) -> Answer:
        """See `Fault`."""
        return _with_steps(answer, _from(answer.steps, self.at, lambda rest: iter(())))


class Garbage(msgspec.Struct, frozen=True):
    """Extra bytes are inserted: those given, or `size` random ones (`seed`)."""

    at: int
    data: bytes = b""
    size: int = 16
    seed: int = 0

    def on(self, answer: Answer) -> Answer:
        """See `Fault`."""
        data = self.data or random.Random(self.seed).randbytes(self.size)
        return _with_steps(answer, _from(answer.steps, self.at, lambda rest: itertools.chain([data], rest)))


class Flip(msgspec.Struct, frozen=True):
    """Some bits of one byte are flipped: those of `mask`."""

    at: int
    mask: int = 1

    def on(self, answer: Answer) -> Answer:
        """See `Fault`."""

        def flipped(rest: Iterator[Step]) -> Iterator[Step]:
            first = next(rest, b"")
            if isinstance(first, bytes) and first:
                first = bytes([first[0] ^ self.mask]) + first[1:]
            return itertools.chain([first], rest)

        return _with_steps(answer, _from(answer.steps, self.at, flipped))


class SlowHead(msgspec.Struct, frozen=True):
    """The response's head takes some seconds, one byte at a time."""

    seconds: float

    def on(self, answer: Answer) -> Answer:
        """See `Fault`."""
        return msgspec.structs.replace(answer, head_seconds=self.seconds)


class Headers(msgspec.Struct, frozen=True):
    """Headers that replace the API's: `Headers({"Content-Type": "text/html"})`. An empty value removes one."""

    headers: dict[str, str]

    def on(self, answer: Answer) -> Answer:
        """See `Fault`."""
        theirs = {name.lower() for name in self.headers}
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in theirs}
        given = {name: value for name, value in self.headers.items() if value}
        return msgspec.structs.replace(answer, headers={**kept, **given})


class Compressed(msgspec.Struct, frozen=True):
    """The body is compressed, although the client did not ask for it."""

    def on(self, answer: Answer) -> Answer:
        """See `Fault`."""

        def pressed() -> Iterator[Step]:
            packer = zlib.compressobj(wbits=31)
            for step in answer.steps:
                if isinstance(step, bytes):
                    yield packer.compress(step) + packer.flush(zlib.Z_SYNC_FLUSH)
                else:
                    yield step
            yield packer.flush()

        return _with_steps(_gzip(answer), pressed())


class Bomb(msgspec.Struct, frozen=True):
    """A small compressed body that expands to one line of so many bytes."""

    size: int = 1 << 30

    def on(self, answer: Answer) -> Answer:
        """See `Fault`."""

        def bomb() -> Iterator[Step]:
            packer = zlib.compressobj(9, wbits=31)
            head = packer.compress(b'data: {"a":"')
            for _ in range(self.size // len(FILLER)):
                if piece := packer.compress(FILLER):
                    yield head + piece
                    head = b""
            yield head + packer.flush()

        return _with_steps(_gzip(answer), bomb())


class CloseIdle(msgspec.Struct, frozen=True):
    """The connection is kept alive after the answer, and closed when it is used again."""

    def on(self, answer: Answer) -> Answer:
        """See `Fault`."""
        return msgspec.structs.replace(answer, stale=True)


class Endlessly(msgspec.Struct, frozen=True):
    """The answer, one event or one line never ends; must be the first fault of its turn."""

    what: Endless = "answer"

    def on(self, answer: Answer) -> Answer:
        """See `Fault`; the answer is written so in the first place."""
        return answer


def _gzip(answer: Answer) -> Answer:
    return msgspec.structs.replace(answer, headers={**answer.headers, "Content-Encoding": "gzip"})


def _with_steps(answer: Answer, steps: Iterator[Step]) -> Answer:
    return msgspec.structs.replace(answer, steps=steps)


def _inserted(answer: Answer, at: Place, step: Step) -> Answer:
    if at == "head":
        return msgspec.structs.replace(answer, before=(*answer.before, step))
    return _with_steps(answer, _from(answer.steps, at, lambda rest: itertools.chain([step], rest)))


def _from(steps: Iterable[Step], at: int, then: Callable[[Iterator[Step]], Iterator[Step]]) -> Iterator[Step]:
    """The steps up to byte `at`, followed by the transformed rest."""
    if at < 0:
        steps = list(steps)
        at = max(0, _size(steps) + at)
    rest = iter(steps)
    passed = 0
    for step in rest:
        if isinstance(step, bytes):
            if passed + len(step) > at:
                if at > passed:
                    yield step[: at - passed]
                yield from then(itertools.chain([step[at - passed :]], rest))
                return
            passed += len(step)
        yield step
    yield from then(iter(()))


def _size(steps: Sequence[Step]) -> int:
    return sum(len(step) for step in steps if isinstance(step, bytes))
