from __future__ import annotations

from http import HTTPStatus

import pytest

from headwater.web.problems import STATUS, Problem


@pytest.mark.parametrize("code", STATUS)
def test_each_code_has_a_status_of_an_error(code: str) -> None:
    problem = Problem(code, "It is so.")
    assert problem.status == HTTPStatus(problem.status) >= 400
    assert problem.body() == {"error": {"code": code, "message": "It is so."}}


def test_a_hint_is_included_if_there_is_one() -> None:
    assert Problem("bad_json", "No.", hint="Yes.").body()["error"]["hint"] == "Yes."


def test_an_unknown_code_is_not_a_problem() -> None:
    with pytest.raises(KeyError):
        Problem("anything", "It is so.")
