"""Which paths a gateway has, and who may ask."""

from __future__ import annotations

import asyncio

import pytest

from headwater.errors import ConfigurationError
from headwater.testing import ProviderSimulator
from headwater.web.gateway.routing import LIMITS, gateway_router
from headwater.web.http.guard import Guard
from tests.support.served import Served, served
from tests.web.gateway.names import ASK, name

TOKEN = "a-token-of-no-less-than-32-characters"


def test_an_unknown_path_is_reported_in_openais_form() -> None:
    async def test(server: Served) -> None:
        client = server.client
        for path in ("/v1/embeddings", "/v1/completions", "/v1/images/generations", "/v1/moderations", "/"):
            answer = await client.post(path, json={"model": "fast", "input": "x"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
            assert "/v1/chat/completions" in answer.json()["error"]["message"]
        answer = await client.post("/v1/audio/transcriptions", files={"file": b"x"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
        answer = await client.get("/v1/chat/completions")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
        assert (await client.get("/health")).json() == {"status": "ok"}
        assert (await client.get("/runs")).status_code == 404

    run(test)


def test_a_client_needs_the_token_and_the_servers_host_name() -> None:
    async def test(server: Served) -> None:
        client, key = server.client, {"authorization": f"Bearer {TOKEN}"}
        for path in ("/v1/models", "/v1/nothing"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        assert (await client.get("/v1/models", headers=key)).status_code == 200
        answer = await client.post("/v1/chat/completions", json={"model": "fast", **ASK}, headers=key)
        assert answer.json()["choices"][0]["message"]["content"] == "Here."
        assert (await client.get("/v1/models", headers={**key, "host": "evil.example"})).status_code == 421
        assert (await client.get("/v1/models", headers={**key, "origin": "https://evil.example"})).status_code == 403
        assert (await client.get("/health")).status_code == 200

    run(test, guard=Guard(hosts=["127.0.0.1"], token=TOKEN))


def run(test: object, guard: Guard | None = None) -> None:
    assert callable(test)

    async def main() -> None:
        with ProviderSimulator(lambda asked: "Here.") as provider:
            async with served(gateway_router(name("fast", provider.model()), guard=guard)) as server:
                await test(server)

    asyncio.run(main())


def test_a_request_may_be_longer_than_an_agents_and_a_gateway_needs_a_name() -> None:
    assert LIMITS.body_bytes > 4_000_000
    with pytest.raises(ConfigurationError):
        gateway_router()
