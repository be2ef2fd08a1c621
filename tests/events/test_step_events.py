from __future__ import annotations

import pytest

from headwater.events import step_events

NAMES = {str(getattr(step_events, name).__struct_config__.tag) for name in step_events.__all__}


@pytest.mark.parametrize("noun", ["text", "reasoning"])
def test_streamed_things_are_started_have_deltas_and_are_ended(noun: str) -> None:
    assert {f"{noun}.started", f"{noun}.delta", f"{noun}.ended"} <= NAMES


def test_every_class_names_its_step() -> None:
    for name in step_events.__all__:
        assert getattr(step_events, name).__struct_fields__[0] == "step"
