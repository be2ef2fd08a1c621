from __future__ import annotations

import asyncio

import pytest

from headwater.backends.offline import Fail, ScriptedModel
from headwater.errors import Overloaded, RateLimited
from headwater.providers.request import OutputSpec
from headwater.testing import ProviderSimulator
from headwater.web.gateway.model import ServedModel
from headwater.web.gateway.target import Target
from headwater.web.problems import Problem
from tests.web.gateway.names import name


def test_models_of_a_chain_are_asked_in_order_and_at_once() -> None:
    busy = ScriptedModel([Fail(Overloaded("busy"))])
    sound = ScriptedModel(["Here."])
    served = ServedModel("fast", [Target(busy), Target(sound)])
    assert served.description == f"{Target(busy).name}, then {Target(sound).name}"
    assert asyncio.run(read(served)) == "Here."
    assert (len(busy.requests), len(sound.requests)) == (1, 1)


async def read(served: ServedModel) -> str:
    return "".join([text async for text in served.run_stream("Go.").text()])


def test_one_model_alone_is_tried_again() -> None:
    model = ScriptedModel([Fail(RateLimited("busy", retry_after=0)), "Here."])
    assert asyncio.run(read(ServedModel("fast", [Target(model)]))) == "Here."


def test_tools_settings_and_the_shape_go_to_the_model() -> None:
    model = ScriptedModel(["Here."])
    shape = OutputSpec(name="port", schema={"type": "object"})
    served = ServedModel("fast", [Target(model)])

    async def main() -> None:
        await served.run_stream("Go.", output=shape, settings={"temperature": 0.5}).result()

    asyncio.run(main())
    assert (model.requests[0].output, model.requests[0].settings.temperature) == (shape, 0.5)


def test_a_setting_that_one_of_them_does_not_take_is_refused_before() -> None:
    with ProviderSimulator([]) as provider:
        served = name("fast", provider.model("openai-chat"), provider.model("anthropic"))
        served.check(["max_tokens", "user", "extra"])
        with pytest.raises(Problem, match=r"claude-sonnet-5.*takes no seed") as refused:
            served.check(["seed"])
    assert refused.value.param == "seed"
    assert 'drop = ["seed"]' in refused.value.hint
