"""Server-sent events, as the WHATWG HTML standard has them (section 9.2.6), from bytes that arrive in any pieces.

Owns framing only: lines, fields, dispatch. It never looks inside the data.
"""

from __future__ import annotations

from headwater.errors import LimitExceeded

__all__ = ("Frame", "SSEDecoder")

MAX_EVENT_BYTES = 64 * 1024 * 1024
"""One event, at most: a base64 picture of 40 megapixels fits; anything longer is a server gone wrong."""

Frame = tuple[str, bytes]
"""An event's name ("" where none was given) and its data, lines joined by a line feed."""

_BOM = b"\xef\xbb\xbf"


class SSEDecoder:
    """`feed` bytes as they come and get the events that are whole; `finish` gives what an ended stream left over.

    `stray` collects lines that are no field of the standard (some servers put a bare `error: {…}` line on the wire).
    """

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.stray: list[bytes] = []
        self._max = max_event_bytes
        self._rest = b""
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0
        self._started = False

    def feed(self, data: bytes) -> list[Frame]:
        """The events that these bytes complete, in order.

        Raises: LimitExceeded, where one event is longer than the bound.
        """
        if self._rest:
            data = self._rest + data
        if not self._started:
            if len(data) < 3 and _BOM.startswith(data):
                self._rest = data
                return []
            self._started = True
            data = data.removeprefix(_BOM)
        frames: list[Frame] = []
        if b"\r" in data:
            # A lone CR ends a line too; one at the very end may be half of a CRLF, so it waits.
            held = b"\r" if data.endswith(b"\r") else b""
            data = data[: len(data) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        else:
            held = b""
        end = data.rfind(b"\n") + 1
        if not end:
            self._keep(data + held)
            return frames
        for line in data[:end].split(b"\n")[:-1]:
            self._line(line, frames)
        self._keep(data[end:] + held)
        return frames

    def finish(self) -> list[Frame]:
        """What an end of input leaves: a last event without its blank line, where its lines are whole.

        The standard drops it. It is handed out here, because servers do forget the last blank line, and whether
        anything is missing is for the API's end marker to say.
        """
        frames: list[Frame] = []
        rest, self._rest = self._rest, b""
        if rest.endswith(b"\r"):
            rest = rest[:-1]
        if rest:
            self._line(rest, frames)
        self._dispatch(frames)
        return frames

    def _keep(self, rest: bytes) -> None:
        self._rest = rest
        if len(rest) + self._size > self._max:
            raise LimitExceeded(
                f"One server-sent event is longer than {self._max:,} bytes.", limit="max_event_bytes", size=self._max
            )

    def _line(self, line: bytes, frames: list[Frame]) -> None:
        if line.startswith(b"data:"):
            value = line[6:] if line[5:6] == b" " else line[5:]
            self._data.append(value)
            self._size += len(value)
        elif not line:
            self._dispatch(frames)
        elif line.startswith(b":"):
            return
        else:
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"event":
                self._name = value.decode("utf-8", "replace")
            elif field == b"data":
                self._data.append(value)
            elif field not in (b"id", b"retry"):
                self.stray.append(line)

    def _dispatch(self, frames: list[Frame]) -> None:
        if self._data:
            frames.append((self._name, self._data[0] if len(self._data) == 1 else b"\n".join(self._data)))
            self._data = []
            self._size = 0
        self._name = ""
