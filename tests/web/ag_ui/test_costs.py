from __future__ import annotations

from headwater.events import AttemptStarted, UsageReported
from headwater.events.messages import Usage
from headwater.web.ag_ui.costs import Costs
from tests.support.logs import of, stamped


def test_the_last_reports_are_added_up_by_model() -> None:
    measured = Usage(input_tokens=3, output_tokens=4, cached_input_tokens=2, reasoning_tokens=0)
    log = stamped(
        [
            AttemptStarted(step=1, attempt=1, provider="openai", model="big"),
            UsageReported(step=1, attempt=1, usage=Usage(input_tokens=1, output_tokens=1)),
            UsageReported(step=1, attempt=1, usage=measured),
            AttemptStarted(step=1, attempt=2, provider="groq", model="small"),
            UsageReported(step=1, attempt=2, usage=Usage(output_tokens=5, cache_write_tokens=6)),
            *of("below", AttemptStarted(step=1, attempt=1, provider="openai", model="big")),
            *of("below", UsageReported(step=1, attempt=1, usage=Usage(input_tokens=10, output_tokens=20))),
            *of("other", UsageReported(step=1, attempt=1, usage=Usage())),
        ]
    )
    costs = Costs()
    for event in log:
        costs.add(event)
    big = {
        **{"provider": "openai", "model": "big", "inputTokens": 13, "outputTokens": 24, "totalTokens": 37},
        **{"reasoningTokens": 0, "cachedInputTokens": 2},
    }
    small = {"provider": "groq", "model": "small", "outputTokens": 5}
    assert costs.entries(modern=True) == [big, {**small, "cacheWriteInputTokens": 6}]
    assert costs.entries(modern=False) == [big, small]
    costs.begin()
    assert costs.entries(modern=True) == []
