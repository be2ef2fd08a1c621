"""A lock on the file of a run: one stream, in one process, writes it.

Owns the lock, never the file. The lock belongs to the open file, so that it goes with whatever ends the process; other
programs may read the file. Systems and file systems without such locks have none: then nothing is refused.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ("Locked", "held", "lock")


class Locked(Exception):  # internal: whoever knows the run says what it means
    """Somebody else holds the lock."""


def lock(file: BinaryIO) -> None:
    """Locks the open file, until it is closed. Raises Locked."""
    try:
        import fcntl
    except ImportError:
        return  # Windows
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Locked from None
    except OSError:
        return  # this file system has no locks


@contextlib.contextmanager
def held(path: Path) -> Iterator[bool]:
    """Holds the lock of the file at the path meanwhile; False: there is no regular file. Raises Locked, OSError.

    While it is held nobody else replaces that file: whoever does holds the lock of the old one and of the new one.
    """
    while True:
        if path.is_symlink() or not path.is_file():
            yield False
            return
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue
        with file:
            lock(file)
            if _is_at(file, path):
                yield True
                return


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether the open file is still the one at the path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False
