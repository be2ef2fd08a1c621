"""The folder for state between programs, private to the user: conversations of the command line, tokens of servers.

Owns the folder alone; the writer of a file owns its content.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ("state_folder", "state_path")


def state_folder(env: Mapping[str, str] = os.environ) -> Path:
    """Returns the folder, which may not exist: in XDG_STATE_HOME if that is set, as XDG specifies.

    Raises OSError without a home folder.
    """
    if os.name == "nt" and (local := env.get("LOCALAPPDATA")):
        return Path(local) / "headwater"
    said = env.get("XDG_STATE_HOME", "")
    if os.path.isabs(said):  # the specification says to ignore a relative path
        return Path(said) / "headwater"
    try:
        return Path.home() / ".local" / "state" / "headwater"
    except RuntimeError as error:
        raise OSError(0, "there is no home folder") from error


def state_path(name: str) -> Path:
    """Returns the path of a file in the folder, and creates the folder with private permissions. Raises OSError."""
    path = state_folder() / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
