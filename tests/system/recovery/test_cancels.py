"""Three hundred of the cuts of `cancels`; see there for ten thousand."""

from __future__ import annotations

import pytest

from tests.system.recovery.cancels import SHAPES, WAYS, cut_runs

pytestmark = [
    pytest.mark.xdist_group("measured"),  # they measure time or memory: not two at once
    pytest.mark.usefixtures("small_heap"),  # it collects garbage again and again
]


@pytest.mark.timeout(240)
def test_cut_runs_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    report = cut_runs(300, seed=20261120)
    assert report.failures == []
    assert report.cuts.keys() == WAYS.keys()
    assert report.shapes.keys() == SHAPES.keys()
    assert report.cuts.total() == 300
    assert report.ended_before.total() < 100, "most are cut amid their work"
