from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request

from headwater.web.runs.manager import Manager
from headwater.web.runs.waiting import run_to_its_end
from tests.support.members import paced
from tests.support.virtual import run_virtual


def request(leaves_after: float | None) -> Request:
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(leaves_after if leaves_after is not None else 10**6)
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "POST", "headers": [], "path": "/"}, receive)


def test_a_run_is_waited_for() -> None:
    async def main() -> None:
        manager = Manager([paced("a")])
        live = manager.start(None, "Go.", on_disconnect="cancel")
        assert await run_to_its_end(manager, live, request(None))
        assert live.state == "finished"
        assert not live.readings

    run_virtual(main())


def test_leaving_is_leaving() -> None:
    async def main() -> None:
        manager = Manager([paced("a", 100)])
        live = manager.start(None, "Go.", on_disconnect="cancel")
        assert not await run_to_its_end(manager, live, request(3.0))
        await live.task
        assert live.state == "cancelled"
        assert not manager._readings

    run_virtual(main())
