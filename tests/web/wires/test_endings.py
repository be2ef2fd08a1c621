from __future__ import annotations

from headwater.testing import sample_logs
from headwater.web.wires.endings import is_filtered


def test_only_the_end_by_a_guard_is_filtered() -> None:
    filtered = [name for name, log in sample_logs().items() if is_filtered(log[-1])]
    assert filtered == ["blocked by a guard"]
    assert not is_filtered(None)
