"""What a browser is sent for the page; tests/system/page opens it in one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import Depends, FastAPI, HTTPException, Request
from starlette.applications import Starlette
from starlette.routing import Mount

from headwater.web import api_router, router
from headwater.web.http.guard import Guard
from headwater.web.page.routes import PAGE_PATHS
from tests.support.members import speaker
from tests.support.served import Served, served

TOKEN = "a-token-that-nobody-would-ever-guess-1"


def asking(app: Any, ask: Callable[[Served], Awaitable[None]]) -> None:
    async def main() -> None:
        async with served(app) as server:
            await ask(server)

    asyncio.run(main())


@pytest.mark.parametrize("prefix", ["", "/deep/down"])
def test_the_page_and_its_files_work_under_any_prefix(prefix: str) -> None:
    async def ask(server: Served) -> None:
        index = await server.client.get(f"{prefix}/")
        assert index.status_code == 200
        assert "script-src 'self'" in index.headers["content-security-policy"]
        assert "trusted-types 'none'" in index.headers["content-security-policy"]
        assert "unsafe" not in index.headers["content-security-policy"]
        for name, kind in (("page.js", "text/javascript"), ("page.css", "text/css"), ("icon.svg", "image/svg+xml")):
            assert f'"page/{name}"' in index.text
            found = await server.client.get(f"{prefix}/page/{name}")
            assert found.status_code == 200
            assert found.headers["content-type"].startswith(kind)
            assert found.headers["x-content-type-options"] == "nosniff"
        assert (await server.client.get(f"{prefix}/page/none.js")).status_code == 404
        assert (await server.client.get(f"{prefix}/page/..%2f..%2fmanager.py")).status_code == 404

    app = router(speaker("a"))
    asking(Starlette(routes=[Mount(prefix, app=app)]) if prefix else app, ask)


def test_files_are_compressed_and_known_again() -> None:
    async def ask(server: Served) -> None:
        plain = await server.client.get("/page/page.js", headers={"accept-encoding": "identity"})
        packed = await server.client.get("/page/page.js", headers={"accept-encoding": "gzip"})
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert int(packed.headers["content-length"]) < 60_000
        assert plain.text == packed.text
        known = {"if-none-match": packed.headers["etag"]}
        assert (await server.client.get("/page/page.js", headers=known)).status_code == 304

    asking(router(speaker("a")), ask)


def test_a_token_is_traded_for_a_cookie_that_no_script_reads() -> None:
    async def ask(server: Served) -> None:
        assert (await server.client.get("/")).status_code == 200, "the page itself is for everyone"
        assert (await server.client.get("/agents")).status_code == 401
        assert (await server.client.post("/session", json={})).status_code == 401
        wrong = {"authorization": "Bearer wrong"}
        assert (await server.client.post("/session", json={}, headers=wrong)).status_code == 401
        traded = await server.client.post("/session", json={}, headers={"authorization": f"Bearer {TOKEN}"})
        assert traded.status_code == 204
        cookie = traded.headers["set-cookie"]
        assert TOKEN not in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Path=/;" in cookie
        given = {"cookie": cookie.split(";", 1)[0]}
        assert (await server.client.get("/agents", headers=given)).status_code == 200

    asking(router(speaker("a"), guard=Guard(token=TOKEN)), ask)


def test_without_a_token_there_is_no_cookie() -> None:
    async def ask(server: Served) -> None:
        answer = await server.client.post("/session", json={})
        assert answer.status_code == 204
        assert "set-cookie" not in answer.headers

    asking(router(speaker("a")), ask)


def test_a_run_is_saved_as_one_file_for_download() -> None:
    async def ask(server: Served) -> None:
        begun = (await server.client.post("/runs", json={"input": "Go."})).json()
        await server.client.get(begun["events"])
        saved = await server.client.get(f"/runs/{begun['run_id']}/page.html")
        assert saved.headers["content-disposition"] == f'attachment; filename="{begun["run_id"]}.html"'
        assert saved.headers["content-security-policy"] == "sandbox"
        log = json.loads(saved.text.split('id="log">', 1)[1].split("</script>", 1)[0])
        assert log[0]["type"] == "run.started"
        assert log[-1]["type"] == "run.finished"
        assert (await server.client.get("/runs/run_none/page.html")).status_code == 404

    asking(router(speaker("a")), ask)


def test_the_owner_check_applies_to_its_file_too() -> None:
    async def ask(server: Served) -> None:
        begun = (await server.client.post("/runs", json={"input": "Go."}, headers={"x-user": "ann"})).json()
        place = f"/runs/{begun['run_id']}/page.html"
        assert (await server.client.get(place, headers={"x-user": "bob"})).status_code == 404
        assert (await server.client.get(place, headers={"x-user": "ann"})).status_code == 200

    asking(router(speaker("a"), owner=lambda request: request.headers.get("x-user")), ask)


def test_it_can_be_left_out() -> None:
    async def ask(server: Served) -> None:
        for path, method in PAGE_PATHS.items():
            place = path.replace("{id}", "x").replace("{name}", "page.js")
            assert (await server.client.request(method, place, json={})).status_code == 404

    asking(router(speaker("a"), page=False), ask)


def test_fastapis_dependencies_hold_for_the_page() -> None:
    def key(request: Request) -> None:
        if request.headers.get("x-key") != "k":
            raise HTTPException(401, "No.")

    async def ask(server: Served) -> None:
        for path, method in PAGE_PATHS.items():
            place = f"/agents{path}".replace("{id}", "x").replace("{name}", "page.js")
            assert (await server.client.request(method, place, json={})).status_code == 401, place
        assert (await server.client.get("/agents/", headers={"x-key": "k"})).status_code == 200
        told = (await server.client.get("/openapi.json")).json()
        assert not {f"/agents{path}" for path in PAGE_PATHS} & {*told["paths"]}

    app = FastAPI()
    app.include_router(api_router(speaker("a")), prefix="/agents", dependencies=[Depends(key)])
    asking(app, ask)
