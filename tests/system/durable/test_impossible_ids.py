"""Ids from addresses that no run can have: on every route and in every store they are those of an unknown run."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx
import pytest
from starlette.routing import Route

from headwater import Agent
from headwater.cli import main
from headwater.testing import ScriptedModel
from headwater.web.http.site import Site
from headwater.web.routing import router_of
from tests.support.postgres import running_postgres

IDS: Final = ("a%00b", "x" * 600, "x" * 6000, "a%0a%1b%7f", "%ED%A0%80", "%FF", "%2e%2e", "%20", "%22'--")

STORES: Final[dict[str, Callable[[Path], str | None]]] = {
    "no journal": lambda folder: None,
    "memory": lambda folder: "memory:",
    "sqlite": lambda folder: f"sqlite:///{folder}/runs.db",
    "postgresql": lambda folder: running_postgres().database(),
}


@pytest.mark.xdist_group("postgres")
@pytest.mark.parametrize("store", STORES)
def test_no_route_fails_because_of_an_id(store: str, tmp_path: Path) -> None:
    agent = Agent(name="a", model=ScriptedModel(lambda request: "Hi."))

    async def ask_all() -> None:
        site = Site([agent], journal=STORES[store](tmp_path))
        router = router_of(site)
        paths = [route.path for route in router.routes if isinstance(route, Route) and "{" in route.path]
        assert {"/runs/{id}", "/runs/{id}/events", "/runs/{id}/cancel", "/runs/{id}/page.html"} <= {*paths}
        over = httpx.ASGITransport(app=router)
        async with httpx.AsyncClient(transport=over, base_url="http://127.0.0.1") as client:
            for name in IDS:
                for path in paths:
                    for method in ("GET", "POST", "DELETE"):
                        sent = {"content": b"{}", "headers": {"content-type": "application/json"}}
                        given = sent if method == "POST" else {}
                        answer = await client.request(method, re.sub(r"\{\w+\}", name, path), **given)  # type: ignore[arg-type]
                        assert answer.status_code < 500, (method, path, name)
                        assert "nternal" not in answer.text  # where the protocol has errors in a good answer
                assert (await client.get(f"/runs/{name}")).json()["error"]["code"] == "unknown_run"
                assert (await client.get(f"/runs?before={name}")).json()["error"]["code"] == "unknown_run"
                assert (await client.get(f"/runs?agent={name}")).json() == {"runs": []}
        await site.manager.shutdown()
        site.manager.close()

    asyncio.run(ask_all())


@pytest.mark.xdist_group("postgres")
@pytest.mark.parametrize("store", [store for store in STORES if store not in ("no journal", "memory")])
@pytest.mark.parametrize("id", ["x" * 600, "\udcff", "a\x1b[31m\n", " "])
def test_a_command_says_that_there_is_no_such_run(
    store: str, id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = STORES[store](tmp_path)
    assert url is not None
    assert main(["journal", "upgrade", url]) == 0
    capsys.readouterr()
    for command in ("show", "follow", "cancel", "export", "delete"):
        assert main(["runs", command, id, "--journal", url]) == 2
        said = capsys.readouterr().err
        assert "no run" in said
        assert "\x1b" not in said
