"""What a program's own tests need of headwater: a model that says what it was told to, and the words to tell it.

    from headwater.testing import Call, ScriptedModel

    model = ScriptedModel([Call("weather", {"city": "Paris"}), "It is sunny."])

This package hands on what lives elsewhere; it defines nothing itself.
"""

from __future__ import annotations

from headwater.offline import Call, Cut, Fail, Finish, Item, Say, Script, ScriptedModel, Think, Turn, Wait

__all__ = (
    "Call",
    "Cut",
    "Fail",
    "Finish",
    "Item",
    "Say",
    "Script",
    "ScriptedModel",
    "Think",
    "Turn",
    "Wait",
)
