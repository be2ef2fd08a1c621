"""A file that holds what was said: written whole or not at all, and readable by its owner alone.

Owns how such a file comes to be; what stands in it is the caller's.
"""

from __future__ import annotations

import contextlib
import os

from headwater.errors import UsageError

__all__ = ("write_private",)


def write_private(path: str | os.PathLike[str], data: bytes) -> None:
    """Put a new file with `data` in the place of any that is there, mode 0600.

    Whoever reads meanwhile, or after a crash, finds the old one or the new one, whole. A symbolic link is refused, for
    somebody else may have put it there. Raises UsageError; OSError where the file cannot be written.
    """
    place = os.fspath(path)
    if os.path.islink(place):
        raise UsageError(f"Nothing is saved to {place!r}: it is a symbolic link.", hint="Name what it leads to.")
    folder, name = os.path.split(place)
    beside = os.path.join(folder, f".{name}.{os.urandom(6).hex()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
    _settle(folder or os.curdir)


def _settle(folder: str) -> None:
    """Have the new name on the disk too, where a system lets folders be opened."""
    with contextlib.suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
