"""A server of HTTP/1.1 that does what it is told and no more, over real sockets."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest

from headwater.testing import (
    Faulty,
    ProviderSimulator,
    Stall,
)
from headwater.testing.received import Received
from headwater.testing.served_answer import Answer, Broken, Pause, Step
from headwater.testing.server import HTTPRequestHead, Server


def test_a_request_may_come_in_chunks_and_ask_first() -> None:
    with ProviderSimulator(["Hi."]) as provider, socket.create_connection(("127.0.0.1", provider.port)) as sock:
        head = "POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
        sock.sendall(head.encode())
        assert sock.recv(100).startswith(b"HTTP/1.1 100")
        for piece in (b'{"stream"', b": true}", b""):
            sock.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        assert sock.recv(100).startswith(b"HTTP/1.1 200 OK")
        assert provider.wait_requests(1)


def test_a_port_in_use_is_reported() -> None:
    with ProviderSimulator(["Hi."]) as provider, pytest.raises(OSError, match="in use"):
        ProviderSimulator(["Hi."], port=provider.port).start()


def test_leaving_closes_the_connections_that_are_open() -> None:
    with ProviderSimulator([Faulty("Hello.", Stall("head"))]) as provider:
        sock = socket.create_connection(("127.0.0.1", provider.port))
        sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 16\r\n\r\n" + b'{"stream": true}')
        assert provider.wait_requests(1)
    sock.settimeout(5)
    try:
        assert sock.recv(1) == b""
    except ConnectionResetError:
        pass
    finally:
        sock.close()


# --- the server alone, told what to do


@contextmanager
def serving(*answers: Answer) -> Iterator[tuple[Server, list[tuple[HTTPRequestHead, bytes, Received]]]]:
    """A server that gives these answers, one a request; what it was asked."""
    asked: list[tuple[HTTPRequestHead, bytes, Received]] = []
    due = iter(answers)

    def respond(head: HTTPRequestHead, body: bytes, connection: int) -> tuple[Received, Answer]:
        one = Received(
            api="none",
            method=head.method,
            path=head.path,
            query=head.query,
            headers=head.headers,
            json={},
            model="",
            connection=connection,
        )
        asked.append((head, body, one))
        return one, next(due)

    server = Server(respond)
    server.start()
    try:
        yield server, asked
    finally:
        server.stop()


def test_steps_are_carried_out_one_by_one_and_the_answer_ends_cleanly() -> None:
    steps: list[Step] = [b"One ", b"", Pause(0.0), b"two."]
    with serving(Answer(steps=iter(steps), status=418, headers={"X-Mine": "1"})) as (server, asked):
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("POST", "/a%20b?x=1&y=", b"body", {"X-Yours": "2"})
        response = connection.getresponse()
        assert (response.status, response.getheader("X-Mine"), response.read()) == (418, "1", b"One two.")
        connection.close()
        ((head, body, received),) = asked
        assert (head.method, head.path, head.query, body) == ("POST", "/a b", {"x": "1", "y": ""}, b"body")
        assert head.headers["x-yours"] == "2"
        assert received.wait_over()
        assert (received.sent, received.pieces, received.gone, received.status) == (8, 2, False, 418)


def test_a_status_that_has_no_name_is_a_status() -> None:
    with serving(Answer(steps=iter([b""]), status=599)) as (server, _):
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/")
        assert connection.getresponse().status == 599
        connection.close()


@pytest.mark.parametrize("how", ["reset", "hang up"])
@pytest.mark.parametrize("before", [True, False], ids=["before the head", "in the body"])
def test_a_connection_breaks_as_requested(how: Literal["reset", "hang up"], before: bool) -> None:
    broken = Broken(how)
    answer = Answer(steps=iter([b"One "]), before=(broken,)) if before else Answer(steps=iter([b"One ", broken]))
    with serving(answer) as (server, asked):
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/")
        with pytest.raises((http.client.HTTPException, ConnectionError)) as caught:
            connection.getresponse().read()
        connection.close()
        if how == "reset":
            assert isinstance(caught.value, ConnectionResetError) or before is False
        assert asked[0][2].wait_over()
        assert not asked[0][2].gone, "it was the server that broke it"


def test_a_client_that_goes_away_is_seen_while_nothing_is_sent() -> None:
    with serving(Answer(steps=iter([b"One ", Pause(None)]))) as (server, asked):
        sock = socket.create_connection(("127.0.0.1", server.port))
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert sock.recv(10)
        sock.close()
        assert asked[0][2].wait_gone()


def test_connections_are_kept_and_counted() -> None:
    with serving(*(Answer(steps=iter([b"x"])) for _ in range(3))) as (server, asked):
        for _ in range(2):
            connection = http.client.HTTPConnection("127.0.0.1", server.port)
            for _ in range(2 if not asked else 1):
                connection.request("GET", "/")
                connection.getresponse().read()
            connection.close()
        assert [received.connection for _, _, received in asked] == [1, 1, 2]
        assert server.connections == 2


def test_a_server_that_was_never_started_can_be_stopped() -> None:
    Server(lambda head, body, number: pytest.fail("nobody asks")).stop()
