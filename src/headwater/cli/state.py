"""Whether the commands store anything between them: the last conversation, typed messages, parked runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

__all__ = ("SWITCH", "keeps")

SWITCH: Final = "HEADWATER_HISTORY"
"""The variable that turns storing off."""

_OFF: Final = ("off", "0", "no", "false")


def keeps(env: Mapping[str, str] = os.environ) -> bool:
    """Whether conversations and typed messages are stored."""
    return env.get(SWITCH, "").strip().lower() not in _OFF
