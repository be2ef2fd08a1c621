"""A file that holds what was said: a new one in the place of any that is there, readable by its owner alone.

Owns how such a file comes to be; what stands in it is the caller's.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import BinaryIO

from headwater.errors import ConfigurationError

__all__ = ("new_private", "write_private")


def write_private(path: str | os.PathLike[str], data: bytes) -> None:
    """Put a new file with `data` in the place of any that is there, mode 0600.

    Whoever reads meanwhile, or after a crash, finds the old one or the new one, whole. A symbolic link is replaced and
    not followed, for somebody else may have put it there. Raises ConfigurationError for a device or a pipe, OSError
    where the file cannot be written.
    """
    place, beside, file = _beside(path)
    try:
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, place)
    except BaseException:
        _remove(beside)
        raise
    _settle(os.path.dirname(place) or os.curdir)


def new_private(path: str | os.PathLike[str]) -> BinaryIO:
    """Returns an empty file, mode 0600, to be written while things happen, in the place of any that was there.

    Whoever has that one open, or has another name for it, keeps it as it was; a symbolic link is replaced and not
    followed. Raises as `write_private` does.
    """
    place, beside, file = _beside(path)
    try:
        os.replace(beside, place)
    except BaseException:
        file.close()
        _remove(beside)
        raise
    return file


def _beside(path: str | os.PathLike[str]) -> tuple[str, str, BinaryIO]:
    """Where the file is to be, and where it is until then."""
    place = os.fspath(path)
    with contextlib.suppress(FileNotFoundError):
        kind = os.lstat(place).st_mode
        # What cannot be replaced (a folder) is refused by whoever puts a file there; what can and must not be is here.
        if not (stat.S_ISREG(kind) or stat.S_ISLNK(kind) or stat.S_ISDIR(kind)):
            raise ConfigurationError(f"Nothing is written to {place!r}: it is not a file.", hint="Name a file.")
    folder, name = os.path.split(place)
    beside = os.path.join(folder, f".{name}.{os.urandom(6).hex()}")
    return place, beside, os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _settle(folder: str) -> None:
    """Have the new name on the disk too, where a system lets folders be opened."""
    with contextlib.suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
