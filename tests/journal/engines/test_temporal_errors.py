"""What Temporal's client says, and what a person is told: no two causes that need different steps sound the same."""

from __future__ import annotations

import pytest
from temporalio.service import RPCError, RPCStatusCode

from headwater.journal.engines.temporal_errors import problem_of

CONNECT = "Failed client connect: Server connection error: tonic::transport::Error(Transport, ConnectError(Custom {} ))"
CALL = "Failed client connect: `get_system_info` call error after connection: Status { code: %s }"


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        (
            CALL % 'Unauthenticated, message: "Wrong key."',
            "this process: Wrong key.",
            "TEMPORAL_API_KEY",
        ),
        (CONNECT + "InvalidCertificate(UnknownIssuer)", "is not trusted: UnknownIssuer", "TLS_SERVER_CA_CERT_PATH"),
        (CONNECT + "AlertReceived(CertificateRequired)", "certificate: CertificateRequired", "TLS_CLIENT_CERT_PATH"),
        (
            CALL % "Internal, message: receiving response with status: 400 Bad Request",
            "or wants one",
            "CLIENT_KEY",
        ),
        (CONNECT + "InvalidMessage(InvalidContentType)", "does not use TLS", "TEMPORAL_TLS=false"),
        (CALL % 'Internal, source: Http2, GoAway(b"", FRAME_SIZE_ERROR)', "closes the connection", "TEMPORAL_TLS=true"),
        (CONNECT + "PrivateKeyParseError", "and key: PrivateKeyParseError", "CLIENT_KEY_PATH"),
        (
            "Must have both client cert and private key or neither",
            "and key: Must have",
            "CLIENT_KEY_PATH",
        ),
        ("tcp connect error\nmore", "does not answer: tcp connect error", "Check the address"),
        ("", "does not answer: no answer within 7 s", "Check the address"),
    ],
)
def test_each_cause_has_its_own_words_and_steps(text: str, what: str, hint: str) -> None:
    problem = problem_of(RuntimeError(text), patience=7.0)
    assert problem.what.endswith(what) or what in problem.what
    assert hint in problem.hint
    assert "\n" not in problem.what


@pytest.mark.parametrize("status", [RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED])
def test_a_call_that_is_refused_later_says_the_same_as_a_connection(status: RPCStatusCode) -> None:
    problem = problem_of(RPCError("Request unauthorized.", status, b""), patience=7.0)
    assert problem.what == "does not accept this process: Request unauthorized."
    assert "TEMPORAL_API_KEY" in problem.hint


def test_a_call_that_fails_otherwise_says_what_the_server_said() -> None:
    problem = problem_of(RPCError("Namespace agents is not found.", RPCStatusCode.NOT_FOUND, b""), patience=7.0)
    assert problem.what == "does not answer: Namespace agents is not found."
