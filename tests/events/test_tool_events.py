from __future__ import annotations

import msgspec

from headwater.events import ApprovalAsked, ToolStarted


def test_try_has_its_plain_name_on_the_wire() -> None:
    assert b'"try":2' in msgspec.json.encode(ToolStarted(step=1, call="c", name="f", try_=2))


def test_each_event_has_arguments_of_its_own() -> None:
    one, other = (ApprovalAsked(approval=key, call=key, name="f") for key in "ab")
    assert one.arguments == {} == other.arguments
    assert one.arguments is not other.arguments
