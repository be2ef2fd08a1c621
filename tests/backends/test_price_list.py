"""`backends.price_list`: the cost of recorded answers equals the figure of genai-prices itself."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest

from headwater import Model, Usage
from headwater.backends import price_list
from headwater.backends.http import HTTPBackend
from headwater.backends.price_list import listing
from headwater.providers.catalog import API_MODULES, PRICE_FLAVORS
from headwater.providers.pricing import Pricing
from headwater.testing import ScriptedModel
from tests.support.recordings import Recording, decode, recordings

_RECORDED_AS = {"anthropic": "anthropic-messages"}
"""What the recordings call an API, where it is not our name."""


def _base_url(recording: Recording) -> str:
    url = urlsplit(recording.document["request"]["url"])
    return f"{url.scheme}://{url.netloc}{url.path}"


def _asked_for(recording: Recording) -> str:
    body = recording.document["request"]["body"]
    named = body.get("model") if isinstance(body, dict) else None
    return str(named) if named else urlsplit(recording.document["request"]["url"]).path.rsplit("/", 1)[-1].split(":")[0]


def _own_figure(usage: Usage, model: str, url: str, flavors: tuple[str, ...], at: datetime) -> Decimal | None:
    """What genai-prices says when it is asked directly, by its public functions."""
    from genai_prices import calc_price, extract_usage

    report = {"usage": usage.raw, "usageMetadata": usage.raw, "model": model}
    for flavor in flavors:
        try:
            read = extract_usage(report, provider_api_url=url, api_flavor=flavor).usage
            figure = calc_price(read, model, provider_api_url=url, genai_request_timestamp=at)
        except (LookupError, ValueError):
            continue
        return figure.total_price
    return None


@pytest.mark.parametrize("installed", [True, False])
@pytest.mark.parametrize(
    ("model", "listable"), [(Model("openai/gpt-99", api_key="k"), True), (Model("ollama/llama"), False)]
)
def test_the_list_is_offered_where_it_can_help(
    model: Model, listable: bool, installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(price_list, "_installed", lambda: installed)
    hint = price_list.how_to_price(model.backend, None)
    assert hint.startswith(f'Pass it: prices={{"{model.backend.provider}/{model.backend.model}": Price(')
    assert ("headwater[cost]" in hint) == (listable and not installed)


@pytest.mark.parametrize("api", PRICE_FLAVORS)
def test_every_recording_costs_what_genai_prices_says(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = recordings(_RECORDED_AS.get(api, api))
    if not found:
        pytest.skip(f"no recordings of {api}: set HEADWATER_SHARED")
    module: Any = importlib.import_module(API_MODULES[api])
    at = datetime(2026, 11, 30, tzinfo=UTC)

    class Clock:
        now = staticmethod(lambda _zone: at)

    monkeypatch.setattr(price_list, "datetime", Clock)
    tally: Counter[str] = Counter()
    for recording in found:
        url, asked = _base_url(recording), _asked_for(recording)
        decoder = module.Decoder()
        decoder.pricing, decoder.asked_model = Pricing(None, partial(price_list._listed, url, api)), asked
        decode(decoder, [recording.body])
        usage = decoder.usage
        if usage is None or usage.raw is None:
            continue
        if usage.cost is not None and _provider_says(usage):
            tally["said by the provider"] += 1
            continue
        flavors = PRICE_FLAVORS[api]
        figures = (_own_figure(usage, model, url, flavors, at) for model in (decoder.model, asked) if model)
        figure = next((one for one in figures if one is not None), None)
        if figure is None:
            tally["unknown to genai-prices"] += 1
            continue
        assert usage.cost == figure, (recording.name, json.dumps(usage.raw))
        tally["equal"] += 1
    assert tally["equal"] >= 5, tally


def _provider_says(usage: Usage) -> bool:
    from headwater.providers.pricing import provider_cost

    return provider_cost(usage.raw or {}) is not None


def test_only_real_providers_are_looked_up() -> None:
    at_home = Model("openai/gpt-5.4", base_url="http://127.0.0.1:1/v1", api_key="k").backends[0]
    assert listing(at_home) is None
    assert listing(ScriptedModel(["Hi."])) is None
    remote = Model("openai/gpt-4o", api_key="k").backends[0]
    assert isinstance(remote, HTTPBackend)
    look_up = listing(remote)
    assert look_up is not None
    rates = look_up("gpt-4o")
    assert rates is not None
    assert rates.cost(Usage(input_tokens=1_000_000, output_tokens=1_000_000)) == rates.of_input(
        1_000_000
    ) + 1_000_000 * rates.of_output(1_000_000)
    assert rates.cost(Usage(input_tokens=10, cached_input_tokens=20)) is None, "counts that contradict each other"
    assert look_up("no-such-model") is None


def test_without_the_package_the_cost_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_list, "_installed", lambda: False)
    assert listing(Model("openai/gpt-4o", api_key="k").backends[0]) is None
