"""Chat Completions: every recording, and what no recording shows."""

from __future__ import annotations

import pytest

from headwater.providers.openai_chat import Decoder
from tests.recordings import Recording, cases, check_cuts, check_decoding


@pytest.mark.parametrize("recording", cases("openai-chat"))
def test_recording(recording: Recording) -> None:
    check_decoding(recording, Decoder)


@pytest.mark.parametrize("recording", cases("openai-chat"))
def test_recording_cut_anywhere(recording: Recording) -> None:
    check_cuts(recording, Decoder)
