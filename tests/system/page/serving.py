"""The scene's agents behind a real server, in a thread of its own, for a browser that the test drives."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from headwater.web.http.guard import Guard
from headwater.web.routing import router
from headwater.web.server import config

__all__ = ("serving",)


@contextmanager
def serving(*members: Any, token: str | None = None, prefix: str = "", **options: Any) -> Iterator[str]:
    """The address of a server of `members`, under `prefix`; it is stopped afterwards. `options` are the router's."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    app: Any = router(*members, guard=Guard(token=token), **options)
    if prefix:
        app = Starlette(routes=[Mount(prefix, app=app)])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server = uvicorn.Server(config(app, host="127.0.0.1", port=port, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],), name="the server")
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}{prefix}/"
        finally:
            server.should_exit = server.force_exit = True
            thread.join()
