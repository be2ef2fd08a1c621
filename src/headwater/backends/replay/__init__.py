"""Records providers' answers and replays them: the same bytes, and so the same events.

Bottom first: `format` (the file), `recorder`, `saved_run` (a run's answers), `player`.
"""

from headwater.backends.replay.player import Recorded, from_name, read_recording, replay
from headwater.backends.replay.recorder import Recorder

__all__ = ("Recorded", "Recorder", "from_name", "read_recording", "replay")
