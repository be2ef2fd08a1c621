from __future__ import annotations

from headwater.web.mcp.tools import offered
from tests.support.members import speaker


def test_no_two_tools_have_one_name() -> None:
    names = [speaker("a b"), speaker("a_b"), speaker("a?b"), speaker("x" * 80), speaker("x" * 81)]
    tools = offered(names)
    assert [*tools] == ["a_b", "a_b_2", "a_b_3", "x" * 64, "x" * 60 + "_2"]
    assert [tool.member for tool in tools.values()] == [one.name for one in names]


def test_a_schema_is_a_members_own() -> None:
    tools = offered([speaker("a", output_type=dict[str, int]), speaker("b", output_type=int), speaker("c")])
    assert [tool.wrapped for tool in tools.values()] == [False, True, False]
    assert tools["a"].output is not None
    assert tools["c"].output is None
