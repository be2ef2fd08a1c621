from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from tests.support.scheduling import UNIT, UnitScheduling, units


class Node:
    """Stands for a process: keeps which tests it was sent, by number, a list for each message."""

    shutting_down = False

    def __init__(self) -> None:
        self.gateway = SimpleNamespace(id="a process")
        self.sent: list[list[int]] = []

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        self.sent.append([*indices])

    def shutdown(self) -> None:
        self.shutting_down = True


class Config:
    """The two settings that a scheduler reads: the processes, and whether long units come first."""

    option = SimpleNamespace(loadscopereorder=True)

    def getvalue(self, name: str) -> list[str]:
        return {"tx": ["2*popen"]}[name]


def test_a_unit_is_consecutive_tests_of_one_file() -> None:
    tests = [f"a.py::test[{n}]" for n in range(UNIT + 1)] + ["b.py::test"]
    assert list(units(tests).values()) == ["a.py#0"] * UNIT + ["a.py#1", "b.py#0"]


def test_every_test_is_sent_once_and_a_group_to_one_process() -> None:
    tests = [f"a.py::test[{n}]" for n in range(5 * UNIT)] + [f"b.py::test[{n}]@group" for n in range(2 * UNIT)]
    nodes: list[Any] = [Node(), Node()]
    config: Any = Config()
    scheduler = UnitScheduling(config)
    for node in nodes:
        scheduler.add_node(node)
    for node in nodes:
        scheduler.add_node_collection(node, tests)
    scheduler.schedule()
    assert [len(sent) for node in nodes for sent in node.sent] == [2 * UNIT, UNIT]
    done = [0, 0]
    while scheduler.has_pending:
        for number, node in enumerate(nodes):
            sent = [index for indices in node.sent for index in indices]
            if done[number] < len(sent):
                scheduler.mark_test_complete(node, sent[done[number]])
                done[number] += 1
    assert sorted(index for node in nodes for indices in node.sent for index in indices) == list(range(len(tests)))
    assert all(node.shutting_down for node in nodes)
