"""Runs on another server: the address, the token, and what answers there."""

from __future__ import annotations

import json

from headwater import Remote, attach
from tests.system.error_messages.cases import Here, case
from tests.system.error_messages.server import Server


def refuses(server: Server, status: int, code: str, message: str) -> str:
    server.answers(status, json.dumps({"error": {"code": code, "message": message}}).encode())
    return f"http://{server.address}/runs/run_2f6c"


@case("The server has no such run")
def unknown_run(here: Here) -> None:
    """Check the id. A server keeps a run for five minutes after its end, and loses it when it is restarted."""
    attach(refuses(here.server, 404, "unknown_run", "There is no such run.")).result_sync()


@case("The server requires a token")
def no_token(here: Here) -> None:
    """`attach(url, token=…)`; on the command line set `HEADWATER_TOKEN`."""
    attach(refuses(here.server, 401, "unauthorized", "A token is required.")).result_sync()


@case("The address of a server where a run's is wanted")
def no_run(here: Here) -> None:
    """The id of a run is in `stream.run_id`, and in the answer of `POST /runs`."""
    attach("http://127.0.0.1:8000")


@case("The address of a run where a server's is wanted")
def no_server(here: Here) -> None:
    """`Remote` starts runs, `attach` reads one that there is."""
    Remote("http://127.0.0.1:8000/runs/run_2f6c")


@case("No headwater server answers there")
def something_else(here: Here) -> None:
    """Open the address in a browser. Behind a proxy the router may be mounted under a prefix."""
    here.server.answers(200, b"<html>Welcome</html>", **{"content-type": "text/html"})
    attach(f"http://{here.server.address}/runs/run_2f6c").result_sync()


@case("The server answers with a redirect")
def elsewhere(here: Here) -> None:
    """Write the address that it names, `https://` in place of `http://` in most cases."""
    here.server.answers(301, b"", location="https://agents.example/runs/run_2f6c")
    attach(f"http://{here.server.address}/runs/run_2f6c").result_sync()
