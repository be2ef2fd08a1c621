"""What a program's own tests need of headwater: a model that says what it was told to, and the words to tell it.

`check_log` holds a log of events to its grammar; a `LogChecker` does so while the log grows.

    from headwater.testing import Call, ScriptedModel

    model = ScriptedModel([Call("weather", {"city": "Paris"}), "It is sunny."])

This package hands on what lives elsewhere; it defines nothing itself.
"""

from __future__ import annotations

from headwater.grammar import LogChecker, LogError, check_log
from headwater.offline import Call, Cut, Fail, Finish, Item, Say, Script, ScriptedModel, Think, Turn, Wait

__all__ = (
    "Call",
    "Cut",
    "Fail",
    "Finish",
    "Item",
    "LogChecker",
    "LogError",
    "Say",
    "Script",
    "ScriptedModel",
    "Think",
    "Turn",
    "Wait",
    "check_log",
)
