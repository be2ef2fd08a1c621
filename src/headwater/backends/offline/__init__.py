"""The offline model, a fake model without network, key or weights; with a script it is the test double."""

from __future__ import annotations

from headwater.backends.offline.canned import SHAPES, Shape
from headwater.backends.offline.model import OfflineModel, ScriptedModel, from_name
from headwater.backends.offline.schema_samples import sample
from headwater.backends.offline.script import Call, Cut, Fail, Finish, Item, Say, Script, Think, Turn, Wait

__all__ = (
    "Call",
    "Cut",
    "Fail",
    "Finish",
    "Item",
    "OfflineModel",
    "SHAPES",
    "Say",
    "Script",
    "ScriptedModel",
    "Shape",
    "Think",
    "Turn",
    "Wait",
    "from_name",
    "sample",
)
