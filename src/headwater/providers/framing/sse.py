"""Server-sent events as in the WHATWG HTML standard (section 9.2.6), from bytes that arrive in any pieces.

Owns framing only: lines, fields, dispatch. It must never look inside the data, and never copy buffered bytes more than
once: a line that arrives in a million pieces costs a million appends and one join.

Two things go beyond the standard, because servers do them: `finish` returns a last event whose blank line is missing,
and a bare line `error: …` becomes an event named "error", in order.
"""

from __future__ import annotations

from headwater.errors import LimitExceeded

__all__ = ("Frame", "SSEDecoder")

MAX_EVENT_BYTES = 64 * 1024 * 1024
"""The largest event: a base64 image of 40 megapixels fits; only a broken server sends more."""

LARGE_BYTES = 1024 * 1024
"""A stream is `large` once it received or buffered more bytes than this at one time: hardly any is."""

MAX_NAMES = 64
"""Maximum number of event names to remember; no API has as many."""

Frame = tuple[str, bytes]
"""An event's name ("" if it has none) and its data, lines joined by a line feed."""

_BOM = b"\xef\xbb\xbf"
_BLANK = b"\n\n"
_WIDE_BLANK = b"\r\n\r\n"


class SSEDecoder:
    """Call `feed` with bytes as they arrive to get complete events; `finish` returns the rest at the end of the stream.

    `stray` collects the lines that are not fields of the standard, including `error:` lines, up to the limit of one
    event.
    """

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.stray: list[bytes] = []
        self.large: bool = False
        """Whether any event may have been longer than LARGE_BYTES."""
        self._max = max_event_bytes
        self._pieces: list[bytes] = []
        """The incomplete line, in pieces as it arrived."""
        self._held = 0
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0
        self._stray_size = 0
        self._names: dict[bytes, str] = {}
        """Cache of `event:` lines: most streams have few names and repeat them all the time."""
        self._started = False
        self._after_cr = False
        self._failure: LimitExceeded | None = None
        self._clean = False
        """Nothing is buffered or pending: the next bytes start an event. By far the most common case."""

    def feed(self, data: bytes) -> list[Frame]:
        """Returns the events that these bytes complete, in order.

        Raises LimitExceeded if one event is longer than the limit; events before it are returned first.
        """
        if len(data) > LARGE_BYTES:
            self.large = True
        if self._clean and len(data) <= self._max:
            if (alike := self._alike(data)) is not None:
                return alike
            if b"\r" not in data:
                return self._blocks(data, [])
        elif b"\r" in data and (cut := data.find(_WIDE_BLANK) + len(_WIDE_BLANK)) >= len(_WIDE_BLANK):
            # The event that was pending ends here; the rest is likely to be in the common form again.
            frames, rest = self._read(data[:cut]), data[cut:]
            if self._clean and len(rest) <= self._max and (alike := self._alike(rest)) is not None:
                return frames + alike
            return frames + self._read(rest) if rest and self._failure is None else frames
        return self._read(data)

    def _alike(self, data: bytes) -> list[Frame] | None:
        """Returns the events of `data` if all have one line of data and the same name; else None, without side effects.

        Nothing may be pending. Nearly every read is like this, with one event or hundreds: one split does all the work.
        """
        first = data.find(b"\n")
        wide = data[first - 1 : first] == b"\r"
        if data[:6] == b"data: ":
            name, begin = "", 6
        else:
            begin = first + 7
            known = self._names.get(data[: first - 1] if wide else data[:first])
            if known is None or data[first + 1 : begin] != b"data: ":
                return None
            name = known
        blank = _WIDE_BLANK if wide else _BLANK
        end = len(data) - len(blank)
        if data[end:] == blank and data.find(b"\n", begin, end) < 0 and data.find(b"\r", begin, end) < 0:
            return [(name, data[begin:end])]
        end = data.rfind(blank, begin)
        if end < 0:
            return None
        payloads = data[begin:end].split(blank + data[:begin])
        together = b"".join(payloads)  # far cheaper than searching each, or counting lines
        if b"\n" in together or b"\r" in together:
            return None
        frames = [(name, payload) for payload in payloads]
        end += len(blank)
        return frames + self._read(data[end:]) if end < len(data) else frames

    def _read(self, data: bytes) -> list[Frame]:
        """The general form of `feed`."""
        frames: list[Frame] = []
        data = self._prepare(data, frames)
        if self._clean and (alike := self._alike(data)) is not None:
            return frames + alike if frames else alike
        return self._blocks(data, frames)

    def _blocks(self, data: bytes, frames: list[Frame]) -> list[Frame]:
        """Adds to `frames` the events of `data`, whose lines end with line feeds; nothing may be pending."""
        blocks = data.split(_BLANK)
        rest = blocks.pop()
        for block in blocks:
            self._block(block, frames)
        if rest:
            self._tail(rest, frames)
        return frames

    def finish(self) -> list[Frame]:
        """Returns what is left at the end of input: a last event without its blank line, an unterminated last line.

        The standard drops them. They are returned here, because some servers omit the last blank line, and the API's
        end marker decides whether anything is missing.

        Raises: LimitExceeded, as `feed` does.
        """
        if self._failure is not None:
            raise self._failure
        frames: list[Frame] = []
        rest = b"".join(self._pieces)
        self._pieces, self._held, self._clean = [], 0, False
        if rest:
            self._line(rest, frames)
        self._dispatch(frames)
        return frames

    def _block(self, block: bytes, frames: list[Frame]) -> None:
        """Adds to `frames` the event in the lines before a blank line; nothing may be pending."""
        head, colon, data = block.partition(b"\ndata: ")
        name = self._names.get(head)
        if name is not None and colon and b"\n" not in data:
            frames.append((name, data))
            return
        for line in block.split(b"\n"):
            self._line(line, frames)
        if self._name and head == b"event: " + self._name.encode() and len(self._names) < MAX_NAMES:
            self._names[head] = self._name
        self._dispatch(frames)

    def _tail(self, rest: bytes, frames: list[Frame]) -> None:
        """Stores the start of an event whose blank line has not arrived."""
        *lines, last = rest.split(b"\n")
        for line in lines:
            self._line(line, frames)
        if last:
            self._hold(last)
        elif self._data or self._name:
            self._clean = False

    # --- split events, and other forms

    def _prepare(self, data: bytes, frames: list[Frame]) -> bytes:
        """Completes buffered lines with `data`; returns the rest, with line feeds as line ends, or nothing."""
        if self._failure is not None:
            raise self._failure
        try:
            data = self._joined(self._with_line_feeds(data))
            if data and (self._data or self._name):
                data = self._end_pending(data, frames)
            if len(data) > self._max:
                self._tail(data, frames)
                data = b""
        except LimitExceeded as failure:
            self._failure, self._clean = failure, False
            if not frames:
                raise
            return b""
        self._clean = self._started and not (self._pieces or self._data or self._name or self._after_cr)
        return data

    def _with_line_feeds(self, data: bytes) -> bytes:
        if self._after_cr and data:
            self._after_cr = False
            if data[:1] == b"\n":  # the second half of a CRLF, whose first half ended the line already
                data = data[1:]
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _joined(self, data: bytes) -> bytes:
        """Returns the buffered pieces joined with `data` if it ends a line; else buffers it and returns nothing."""
        if not self._started:
            data = b"".join((*self._pieces, data))
            self._pieces, self._held = [], 0
            self._started = not _BOM.startswith(data[: len(_BOM)]) or len(data) >= len(_BOM)
            if self._started:
                data = data.removeprefix(_BOM)
        if b"\n" not in data:
            if data:
                self._hold(data)
            return b""
        if self._pieces:
            data = b"".join((*self._pieces, data))
            self._pieces, self._held = [], 0
        return data

    def _end_pending(self, data: bytes, frames: list[Frame]) -> bytes:
        """Reads the lines up to the blank one that ends the pending event; returns what follows."""
        if data.startswith(b"\n"):
            self._dispatch(frames)
            return data[1:]
        lines, blank, left = data.partition(_BLANK)
        if not blank:
            self._tail(data, frames)
            return b""
        for line in lines.split(b"\n"):
            self._line(line, frames)
        self._dispatch(frames)
        return left

    def _hold(self, rest: bytes) -> None:
        self._clean = False
        self._pieces.append(rest)
        self._held += len(rest)
        if self._held + self._size > LARGE_BYTES:
            self.large = True
        if self._held + self._size > self._max:
            raise self._too_long()

    def _line(self, line: bytes, frames: list[Frame]) -> None:
        if line.startswith(b"data:"):
            self._append(line[6:] if line[5:6] == b" " else line[5:])
        elif not line:
            self._dispatch(frames)
        elif not line.startswith(b":"):
            self._field(line, frames)

    def _field(self, line: bytes, frames: list[Frame]) -> None:
        """Handles a line that is neither data with a colon, nor blank, nor a comment."""
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"data":
            self._append(value)
        elif field not in (b"id", b"retry"):
            self._stray_size += len(line) + 1
            if self._stray_size <= self._max:
                self.stray.append(line)
            if field == b"error" and value:
                self._dispatch(frames)
                frames.append(("error", value))

    def _append(self, value: bytes) -> None:
        self._size += len(value) + 1
        if self._size > LARGE_BYTES:
            self.large = True
        if self._size > self._max:
            raise self._too_long()
        self._data.append(value)

    def _dispatch(self, frames: list[Frame]) -> None:
        if self._data:
            frames.append((self._name, self._data[0] if len(self._data) == 1 else b"\n".join(self._data)))
            self._data = []
            self._size = 0
        self._name = ""

    def _too_long(self) -> LimitExceeded:
        return LimitExceeded(
            f"One server-sent event is longer than {self._max:,} bytes.", limit="max_event_bytes", size=self._max
        )
