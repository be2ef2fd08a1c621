"""Where the commands keep what outlives them, for its owner alone: the last conversation, what was typed, parked runs.

Owns the folder and whether anything is kept at all. What stands in a file is its writer's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ("SWITCH", "keeps", "state_folder", "state_path")

SWITCH: Final = "HEADWATER_HISTORY"
"""The variable that turns it off."""

_OFF: Final = ("off", "0", "no", "false")


def keeps(env: Mapping[str, str] = os.environ) -> bool:
    """Whether what was said and typed is kept."""
    return env.get(SWITCH, "").strip().lower() not in _OFF


def state_folder(env: Mapping[str, str] = os.environ) -> Path:
    """The folder, which may not be there: below XDG_STATE_HOME where that is set, as the XDG specification has it.

    Raises OSError where there is no home.
    """
    if os.name == "nt" and (local := env.get("LOCALAPPDATA")):
        return Path(local) / "headwater"
    said = env.get("XDG_STATE_HOME", "")
    if os.path.isabs(said):  # a relative one is to be ignored
        return Path(said) / "headwater"
    try:
        return Path.home() / ".local" / "state" / "headwater"
    except RuntimeError as error:
        raise OSError(0, "there is no home folder") from error


def state_path(name: str) -> Path:
    """The path of a file there, its folder made, for its owner alone. Raises OSError."""
    path = state_folder() / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
