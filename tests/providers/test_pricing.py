"""`providers.pricing`: the arithmetic, which source counts, and the figures that providers report themselves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from headwater import File, Message, Price, Text, ToolResult, Usage
from headwater.errors import ConfigurationError
from headwater.events.messages import Image
from headwater.providers.pricing import Pricing, Rates, input_bytes, own_price, provider_cost


def test_a_price_counts_each_kind_of_token_once() -> None:
    price = Price(input=2.5, output=15, cached="0.25", cache_write=Decimal("3.125"))
    usage = Usage(input_tokens=1000, output_tokens=10, cached_input_tokens=600, cache_write_tokens=100)
    assert price.cost(usage) == Decimal("0.0013625")
    assert Price(input=0.1, output=0.2).cost(usage) == Decimal("0.000102"), (
        "0.1 is a tenth, and the cache costs as much"
    )
    assert price.of_input(1_000_000) == Decimal("2.5")
    assert price.of_output(0) * 1_000_000 == 15
    assert price.cost(Usage()) is None
    assert Price(input=0, output=0).cost(usage) == 0


@pytest.mark.parametrize("wrong", [-1, float("nan"), "much", True, float("inf")])
def test_a_price_is_a_number(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="amount of dollars"):
        Price(input=wrong, output=1)


def test_the_programs_price_comes_first_then_the_providers_figure_then_the_list() -> None:
    own, listed = Price(input=1, output=1), Price(input=3, output=3)
    asked: list[str] = []

    def look_up(model: str) -> Rates | None:
        asked.append(model)
        return listed if model == "m" else None

    said, told = Usage(input_tokens=1_000_000, cost=Decimal(7)), Usage(input_tokens=1_000_000)
    assert Pricing(own, look_up).priced(said, "m").cost == 1
    assert not asked
    pricing = Pricing(None, look_up)
    assert pricing.priced(said, "m").cost == 7
    assert pricing.priced(told, "m-2026", "m").cost == 3
    assert pricing.priced(told, "m-2026", "m").cost == 3
    assert asked == ["m-2026", "m"], "each model is looked up once"
    assert pricing.priced(told, "other").cost is None, "unknown is not 0"
    assert Pricing(own).priced(Usage(output_tokens=5), "m", unreported_input=1_000_000).cost == Decimal("1.000005")


def test_prices_are_found_by_provider_and_model_or_by_the_model() -> None:
    one, two = Price(input=1, output=1), Price(input=2, output=2)
    prices = {"azure/gpt-5.4": one, "gpt-5.4": two}
    assert own_price(prices, "azure", "gpt-5.4") is one
    assert own_price(prices, "openai", "gpt-5.4") is two
    assert own_price(prices, "openai", "gpt-4") is None


@pytest.mark.parametrize(
    ("report", "dollars"),
    [
        ({"cost_in_usd_ticks": 5_596_400}, "0.00055964"),  # xAI
        ({"cost_in_usd_ticks": 0}, None),  # its models on Azure
        ({"cost": 5.952e-05, "is_byok": False}, "0.00005952"),  # OpenRouter
        ({"cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.02}}, "0.021"),
        ({"cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": None}}, "0.001"),
        ({"cost": "0.003561"}, "0.003561"),  # a gateway
        ({"cost": 0}, "0"),  # a free model
        ({"cost": {"request_cost": 0.005, "total_cost": 0.00501}}, "0.00501"),  # Perplexity
        ({"cost": {"diem": 0.1}}, None),
        ({"cost": "free"}, None),
        ({"cost": -1}, None),
        ({"cost": True}, None),
        ({"cost": None}, None),
        ({}, None),
    ],
)
def test_the_providers_own_figure(report: dict[str, Any], dollars: str | None) -> None:
    assert provider_cost(report) == (None if dollars is None else Decimal(dollars))


def test_the_size_of_an_input_does_not_depend_on_the_bytes_of_pictures() -> None:
    picture = Image(data=b"\x89PNG" + b"0" * 100_000, media_type="image/png")
    document = File(data=b"%PDF-" + b"0" * 100_000, media_type="application/pdf", name="a.pdf")
    words = Message.user("x" * 1000)
    assert 1000 <= input_bytes((words,)) < 1100
    assert input_bytes((Message.user("", picture, document),)) < 10_000
    result = ToolResult(id="1", name="look", content=(Text(text="x" * 1000), picture))
    assert 5000 <= input_bytes((Message.tool(result),)) < 6000
    assert input_bytes((), ({"name": "a"},)) > 10
