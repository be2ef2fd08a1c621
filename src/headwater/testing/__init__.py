"""Tools for testing programs that use headwater: scripted models, a local provider with faults, and checks.

`ScriptedModel` answers without a network, `ProviderSimulator` over a real socket, in the format of any API and with
faults. `check_log` validates a log of events; a `LogChecker` does so while the log grows.

    from headwater.testing import Call, ScriptedModel

    model = ScriptedModel([Call("weather", {"city": "Paris"}), "It is sunny."])
"""

from __future__ import annotations

from headwater.backends.offline import (
    SHAPES,
    Call,
    Cut,
    Fail,
    Finish,
    Item,
    OfflineModel,
    Say,
    Script,
    ScriptedModel,
    Shape,
    Think,
    Turn,
    Wait,
)
from headwater.backends.replay import Recorded, Recorder, read_recording, replay
from headwater.events.checker import LogChecker, LogError, check_log
from headwater.testing.approver import ScriptedApprover
from headwater.testing.faults import (
    Bomb,
    CloseIdle,
    Compressed,
    Endlessly,
    Fault,
    Faulty,
    Flip,
    Garbage,
    HangUp,
    Headers,
    Reset,
    SlowHead,
    Split,
    Stall,
    Truncate,
)
from headwater.testing.journal_check import JOURNAL_RULES, JournalBreach, check_journal
from headwater.testing.provider_check import Checked, ProviderBreach, check_provider
from headwater.testing.received import Received
from headwater.testing.sample_logs import sample_logs
from headwater.testing.simulator import Body, ProviderSimulator, ServedTurn
from headwater.testing.surface_check import SurfaceBreach, check_surface, shown_text
from headwater.testing.virtual_time import run_virtual

__all__ = (
    "Body",
    "Bomb",
    "Call",
    "Checked",
    "CloseIdle",
    "Compressed",
    "Cut",
    "Endlessly",
    "Fail",
    "Fault",
    "Faulty",
    "Finish",
    "Flip",
    "Garbage",
    "HangUp",
    "Headers",
    "Item",
    "JOURNAL_RULES",
    "JournalBreach",
    "LogChecker",
    "LogError",
    "OfflineModel",
    "ProviderBreach",
    "ProviderSimulator",
    "Received",
    "Recorded",
    "Recorder",
    "Reset",
    "SHAPES",
    "Say",
    "Script",
    "ScriptedApprover",
    "ScriptedModel",
    "ServedTurn",
    "Shape",
    "SlowHead",
    "Split",
    "Stall",
    "SurfaceBreach",
    "Think",
    "Truncate",
    "Turn",
    "Wait",
    "check_journal",
    "check_log",
    "check_provider",
    "check_surface",
    "read_recording",
    "replay",
    "run_virtual",
    "sample_logs",
    "shown_text",
)
