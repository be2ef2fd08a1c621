"""Results as a list, by name, and as JSON."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle

import pytest

from headwater import ConcurrentWorkflow, Response, Results, Usage
from headwater.backends.offline import Fail, Say
from headwater.errors import InvalidRecord, Overloaded
from tests.support.members import speaker


def results() -> Results:
    agents = [speaker("a"), speaker("b", "Two.\n\nParagraphs."), speaker("c", [Say("Half "), Fail(503)], retries=0)]
    return ConcurrentWorkflow(agents, on_error="collect").run("Go.")


def test_by_index_by_name_and_in_slices() -> None:
    found = results()
    assert len(found) == 3
    assert found[0] is found["a"] is found[-3]
    assert found[1:] == [found["b"], found["c"]]
    assert [str(response) for response in found] == ["a says hi there.", "Two.\n\nParagraphs.", "Half "]
    assert "a says hi there." in found
    for key, error in ((3, IndexError), ("d", KeyError)):
        with pytest.raises(error):
            found[key]
    with pytest.raises(KeyError, match="There is no member 'd'; the members are a, b, c"):
        found["d"]


def test_stored_as_json() -> None:
    found = results()
    again = Results.from_json(found.to_json())
    assert again == found
    assert (again.names, again.usage, again.duration, again.run_id) == (
        found.names,
        found.usage,
        found.duration,
        found.run_id,
    )
    assert again.text == found.text
    assert type(again.errors["c"]) is Overloaded
    assert Results.from_json(again.to_json().encode()).to_json() == found.to_json()
    for wrong in ('{"names": ["a"], "responses": []}', "[]", '{"v": 2, "names": [], "responses": []}'):
        with pytest.raises(InvalidRecord):
            Results.from_json(wrong)


def test_as_markdown() -> None:
    found = results()
    texts = {"a": "a says hi there.", "b": "Two.\n\nParagraphs.", "c": "Half "}
    assert found.to_dict() == texts
    assert json.loads(json.dumps(found.to_dict())) == texts
    assert json.loads(json.dumps(found)) == list(texts.values())
    assert str(found) == f"{found}" == found.text == found._repr_markdown_()
    assert str(found) == "## a\n\na says hi there.\n\n## b\n\nTwo.\n\nParagraphs.\n\n## c\n\nHalf "
    assert repr(found) == "Results(a, b, c)"


def test_a_single_text_has_no_header_and_empty_texts_no_section() -> None:
    assert str(ConcurrentWorkflow([speaker("a")]).run("Go.")) == "a says hi there."
    assert str(Results(["a", "b"], [Response("Hi."), Response("")])) == "Hi."
    assert str(Results([], [])) == ""


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda found: pickle.loads(pickle.dumps(found))])
def test_copies_are_complete(copied: type[Results]) -> None:
    found = results()
    again = copied(found)  # type: ignore[call-arg]
    assert type(again) is Results
    assert again == found
    assert again is not found
    for name in ("names", "usage", "duration", "run_id", "partial"):
        assert getattr(again, name) == getattr(found, name), name
    assert again["b"].usage == found["b"].usage
    assert isinstance(again["c"].error, Overloaded)


def test_an_error_can_be_pickled_with_its_results() -> None:
    agents = [speaker("a"), speaker("b", [Say("Half "), Fail(503)], retries=0)]
    with pytest.raises(Overloaded) as raised:
        ConcurrentWorkflow(agents).run("Go.")
    again = pickle.loads(pickle.dumps(raised.value))
    assert again.response.to_dict() == raised.value.response.to_dict()
    assert again.__notes__ == ["'b' was running in 'concurrent-workflow'."]


def test_awaiting_results_returns_them() -> None:
    async def main() -> None:
        found = await ConcurrentWorkflow([speaker("a"), speaker("b")]).run("Go.")
        assert await found is found

    asyncio.run(main())


def test_usage_of_all_members() -> None:
    assert Results(["a", "b"], [Response("", usage=Usage(output_tokens=n)) for n in (1, 2)]).usage.output_tokens == 3
    found = results()
    assert found.usage == sum((response.usage for response in found), Usage())
    assert found.duration > 0
