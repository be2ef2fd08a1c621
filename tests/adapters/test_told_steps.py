from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.events import AttemptAccepted
from headwater.events.answers import tree_response
from headwater.events.messages import Usage
from headwater.testing import check_log
from tests.adapters.test_told import text, told, types
from tests.support.effort import tries


@settings(max_examples=tries(20, 500))
@given(pieces=st.lists(st.text(alphabet="ab \n", min_size=1), min_size=1), cut=st.integers(0, 20))
def test_how_text_is_split_changes_nothing_but_the_pieces(pieces: list[str], cut: int) -> None:
    whole = "".join(pieces)
    cut = min(cut, len(whole))
    answers = {str(tree_response(told(text(*some)))) for some in (pieces, [whole], [whole[:cut], whole[cut:]])}
    assert answers == {whole}


def test_an_interrupted_answer_is_kept_and_the_next_one_follows() -> None:
    log = told(text("One"), lambda run: run.cut_step(ConnectionError("reset")), text("One two"))
    check_log(log)
    response: Any = tree_response(log)
    assert (response, response.transcript) == ("One two", "One\n\nOne two")
    assert "warning" in types(log)


def test_the_provider_accepts_once_and_before_the_answer() -> None:
    log = told(lambda run: run.accepted("id-1", "model-1"), lambda run: run.accepted("id-2", "model-2"), text("Yes."))
    check_log(log)
    accepted = [(event.id, event.model) for event in log if isinstance(event, AttemptAccepted)]
    assert accepted == [("id-1", "model-1")]
    late = told(text("Yes."), lambda run: run.accepted("id-1", "model-1"))
    check_log(late)
    assert "attempt.accepted" not in types(late)


def test_the_last_report_of_a_steps_usage_counts() -> None:
    log = told(
        text("Yes."),
        lambda run: run.usage(Usage(input_tokens=1, output_tokens=1)),
        lambda run: run.usage(Usage(input_tokens=3, output_tokens=2)),
        lambda run: run.begin_step(),
        text("No."),
        lambda run: run.usage(Usage(input_tokens=10, output_tokens=20)),
    )
    check_log(log)
    response: Any = tree_response(log)
    assert (response.usage.input_tokens, response.usage.output_tokens) == (13, 22)


def test_reasoning_a_refusal_and_text_are_parts_of_a_step() -> None:
    log = told(
        lambda run: run.reasoning("Hm."),
        lambda run: run.refusal("No. "),
        text("But: ", "one"),
        lambda run: run.end_part(),
    )
    check_log(log)
    response: Any = tree_response(log)
    assert (response, response.reasoning, response.refusal) == ("But: one", "Hm.", "No. ")


def test_calls_whose_arguments_are_no_object_are_rejected_and_never_run() -> None:
    log = told(
        lambda run: run.begin_call("1", "weather"),
        lambda run: run.call_piece("1", '{"city": '),
        lambda run: run.end_call("1", "weather"),
        lambda run: run.tool_started("1"),
    )
    check_log(log)
    assert "call.rejected" in types(log)
    assert "tool.started" not in types(log)
