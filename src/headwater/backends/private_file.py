"""Writes files with conversations: a new file that replaces any existing one, readable only by its owner.

Owns how such a file is created; the caller owns its content.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from typing import BinaryIO

from headwater.errors import ConfigurationError

__all__ = ("new_private", "write_private")


def write_private(path: str | os.PathLike[str], data: bytes) -> None:
    """Replaces the file with a new one that holds `data`, mode 0600.

    Readers meanwhile, or after a crash, find either the complete old file or the complete new one. A symbolic link is
    replaced, not followed, since somebody else may have placed it. Raises ConfigurationError for a device or a pipe,
    OSError if the file cannot be written.
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


def new_private(
    path: str | os.PathLike[str],
    beginning: bytes = b"",
    *,
    lock: Callable[[BinaryIO], object] | None = None,
    replace: bool = True,
) -> BinaryIO:
    """Returns a file that starts with `beginning`, mode 0600, for incremental writing; it replaces any existing file.

    A crash leaves either the complete old file or one with all of `beginning`. Programs that have the old file open, or
    another link to it, keep it unchanged; a symbolic link is replaced, not followed. `lock` is called with the new file
    before it can be found. Raises the same errors as `write_private`; without `replace` also FileExistsError.
    """
    place, beside, file = _beside(path)
    try:
        if lock is not None:
            lock(file)
        if beginning:
            file.write(beginning)
            file.flush()
            os.fsync(file.fileno())
        if replace or not _linked(beside, place):
            os.replace(beside, place)
    except BaseException:
        file.close()
        _remove(beside)
        raise
    return file


def _beside(path: str | os.PathLike[str]) -> tuple[str, str, BinaryIO]:
    """Returns the final path, and the temporary one."""
    place = os.fspath(path)
    with contextlib.suppress(FileNotFoundError):
        kind = os.lstat(place).st_mode
        # The system refuses to replace a folder; devices and pipes could be replaced, but must not be.
        if not (stat.S_ISREG(kind) or stat.S_ISLNK(kind) or stat.S_ISDIR(kind)):
            raise ConfigurationError(
                f"Cannot write to {place!r}: it is not a regular file.", hint="Pass the path of a file."
            )
    folder, name = os.path.split(place)
    beside = os.path.join(folder, f".{name}.{os.urandom(6).hex()}")
    return place, beside, os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _linked(beside: str, place: str) -> bool:
    """Moves a file to where there is none. Raises FileExistsError if there is one; False: that cannot be told here."""
    try:
        os.link(beside, place)
    except FileExistsError:
        raise
    except OSError:
        return False  # this file system has no links
    _remove(beside)
    return True


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _settle(folder: str) -> None:
    """Flushes the new directory entry to disk, on systems where folders can be opened."""
    with contextlib.suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
