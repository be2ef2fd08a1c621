"""The probes that other libraries were measured with, asked of this one."""

from __future__ import annotations

import pytest

from tests.system.faults.probes import PROBES, Probe, ask

pytestmark = pytest.mark.xdist_group("measured")  # they measure time or memory: not two at once


@pytest.mark.parametrize("probe", PROBES, ids=[probe.question for probe in PROBES])
def test_a_probe_confirms_the_guarantee(probe: Probe) -> None:
    found = ask(probe)
    assert found.holds, found.said
