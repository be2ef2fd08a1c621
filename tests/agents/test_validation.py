from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headwater import Agent, Message, Model, Response, Settings, Timeouts
from headwater.agents import validation
from headwater.errors import ConfigurationError, HeadwaterError, UnsupportedSetting
from headwater.providers.request import Secret
from headwater.workflows import SequentialWorkflow

BAD: Any = 3


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (lambda: validation.whole("max_steps", True), "max_steps is True. Give a whole number of at least 1."),
        (lambda: validation.whole("retries", -1, least=0), "retries is -1. Give a whole number of at least 0."),
        (lambda: validation.choice("how", "x", ("a", "b", "c")), 'how is \'x\'. Give "a", "b" or "c".'),
        (lambda: validation.items("fallback", {"a": 1}, "…"), "fallback is {'a': 1}. Give a list: fallback=[…]."),
        (lambda: validation.items("fallback", 3, "…"), "fallback is 3. Give a list: fallback=[…]."),
        (lambda: validation.callback("on_event", "x" * 99), "on_event is of type str. Give the function itself"),
        (lambda: validation.approval(3), "approval is 3. Give True, a reason, or a function of the call."),
        (lambda: Agent(model="offline", approval=BAD), "approval is 3. Give True, a reason, or a function"),
        (lambda: Agent(model="offline", approver=BAD), "approver is 3. Give the function itself"),
        (lambda: Agent(model="offline", view=BAD), "view is 3. Give the function itself"),
        (lambda: Agent(model="offline", compact=0), "compact is 0. Give a number of tokens, or Compaction(…)"),
        (lambda: Agent(model="offline", compact=True), "compact is True. Give a number of tokens"),
        (lambda: Agent(model="offline").as_tool(approval=BAD), "approval is 3. Give True"),
        (lambda: Agent(model="offline").run("Hi", approver=BAD), "approver is 3. Give the function itself"),
        (lambda: SequentialWorkflow([Agent(model="offline")], name="w", approver=BAD), "approver is 3."),
        (lambda: SequentialWorkflow([Agent(model="offline")], name="w").run("Hi", approver=BAD), "approver is 3."),
        (lambda: validation.messages([None]), "history contains None, not only messages."),
        (lambda: validation.messages([["a"]]), "history contains a list, not only messages."),
        (lambda: validation.messages([1]), "history contains an int, not only messages."),
        (lambda: validation.messages(3), "history is 3. Give response.messages"),
        (lambda: validation.secret(b"k"), "api_key is of type bytes. Give a string."),
        (lambda: validation.address(3), "base_url is of type int. Give a string."),
        (lambda: validation.header_values({"a": 3}), "The header 'a' cannot be sent."),
        (lambda: validation.header_values({"a": "x\r\ny"}), "The header 'a' cannot be sent."),
        (lambda: validation.header_values({"a": ""}), "The header 'a' cannot be sent."),
        (lambda: validation.header_values({3: "a"}), "The header 3 cannot be sent."),
        (lambda: validation.header_values("a"), "headers is of type str."),
        (lambda: validation.fitting_settings({"top_p": "x"}), "top_p is 'x'. Give a number."),
        (lambda: validation.fitting_settings({"top_k": 0.5}), "top_k is 0.5. Give a whole number."),
        (lambda: validation.fitting_settings({"user": 3}), "user is 3. Give a string."),
        (lambda: validation.fitting_settings({"store": "yes"}), "store is 'yes'. Give True or False."),
        (lambda: validation.fitting_settings({"stop": [3]}), "stop is [3]. Give a list of strings."),
        (lambda: validation.fitting_settings({"extra": ["x"]}), "extra is of type list. Give a dict."),
        (lambda: validation.fitting_settings({"verbosity": 3}), 'verbosity is 3. Give "low", "medium" or "high".'),
        (
            lambda: validation.fitting_settings({"temperature": 0.5, "reasoning": "very"}),
            'reasoning is \'very\'. Give "none", "minimal", "low", "medium", "high", "xhigh", True, False '
            "or a whole number.",
        ),
    ],
)
def test_a_wrong_value_is_reported_by_its_name(check: Callable[[], Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check()
    assert str(caught.value).startswith(said)
    assert caught.value.hint


def test_a_valid_value_is_returned() -> None:
    clocks = Timeouts(run=3)
    said = (Message.user("Hello"),)
    assert validation.whole("x", 3) == 3
    assert validation.choice("x", None, ("a",)) is None
    assert validation.choice("x", "a", ("a",)) == "a"
    assert validation.callback("x", print) is print
    assert validation.timeouts(clocks) is clocks
    assert validation.timeouts(None) is None
    assert validation.items("x", None, "…") == ()
    assert validation.items("x", iter("ab"), "…") == ("a", "b")
    assert validation.messages(list(said)) == said
    assert validation.messages(None) == ()
    assert validation.secret(None) is None
    assert validation.secret("k") == Secret("k")
    assert validation.header_values(None) == {}
    assert validation.header_values({"a": "b"}) == {"a": Secret("b")}
    assert validation.fitting_settings({"temperature": 1, "stop": ("x",)}) == Settings(temperature=1.0, stop=("x",))


def test_the_nearest_name_is_suggested() -> None:
    error = validation.unknown("instrucions", {"instructions", "tools"})
    assert isinstance(error, UnsupportedSetting)
    assert error.hint.startswith("Did you mean instructions=?")
    assert validation.unknown("max_token").hint.startswith("Did you mean max_tokens=?")
    assert "Did you mean" not in validation.unknown("zzz").hint
    assert validation.unknown("tools", hint="Elsewhere.").hint == "Elsewhere."


def test_a_response_is_not_a_history() -> None:
    with pytest.raises(HeadwaterError, match=r"history=response\.messages"):
        validation.messages(Response("Hello"))


def test_an_object_whose_init_failed_has_a_repr() -> None:
    for half in (Agent.__new__(Agent), Model.__new__(Model)):
        assert repr(half) == f"{type(half).__name__}(…)"
