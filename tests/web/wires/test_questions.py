from __future__ import annotations

from headwater.testing import sample_logs
from headwater.web.wires.questions import Questions, waits_before_answers, waits_of


def test_a_wait_is_where_only_people_are_left() -> None:
    counts = {}
    for name, log in sample_logs().items():
        questions = Questions()
        counts[name] = sum(questions.add(event) for event in log)
        assert questions.waits == waits_of(log) == counts[name]
        assert bool(questions.open) == (name in ("parked", "parked below")), name
    assert counts["approved"] == counts["input asked and answered"] == counts["parked below, and taken up"] == 1
    assert counts["resumed before an approval"] == 2
    assert counts["text"] == counts["of a newer version"] == counts["refused by a person"] == 0


def test_an_answer_is_found_behind_the_wait_that_it_ended() -> None:
    log = sample_logs()["approved"]
    assert waits_before_answers(log, ["ask-c2", "nobody"]) == 1
    assert waits_before_answers(log, ["nobody"]) is None
    assert waits_before_answers(sample_logs()["refused by a person"], ["ask-c2"]) == 0
