"""Every rule has its sentence, and logs that violate it."""

from __future__ import annotations

from headwater.events.checker import NEW_IN_GRAMMAR_2, RULES
from tests.events.checker import test_children, test_run, test_steps, test_tools


def test_every_rule_of_grammar_2_is_tested() -> None:
    modules = (test_steps, test_tools, test_children, test_run)
    assert {rule for module in modules for rule, *_ in module.BREACHES} >= NEW_IN_GRAMMAR_2
    assert set(RULES) > NEW_IN_GRAMMAR_2


def test_a_rule_is_a_sentence() -> None:
    for name, said in RULES.items():
        assert name.isalpha()
        assert said[0].islower()
        assert not said.endswith(".")
