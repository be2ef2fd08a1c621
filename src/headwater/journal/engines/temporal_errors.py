"""What a person is told when a Temporal server cannot be used: what is wrong, and what to do about it.

Owns the meaning of the texts of Temporal's client. It must never show a key or a certificate.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from temporalio.service import RPCError, RPCStatusCode

__all__ = ("Problem", "problem_of")


class Problem(NamedTuple):
    """`what` follows the name of the engine in a sentence."""

    what: str
    hint: str


_REFUSED: Final = (RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED)

_ADDRESS: Final = (
    "Check the address, and that the server runs. Keys and certificates are read from TEMPORAL_API_KEY,"
    " TEMPORAL_TLS_CLIENT_CERT_PATH and others."
)
_KEY: Final = (
    "Set TEMPORAL_API_KEY to a key that may use the namespace, or TEMPORAL_TLS_CLIENT_CERT_PATH and"
    " TEMPORAL_TLS_CLIENT_KEY_PATH to a certificate that may."
)
_CERTIFICATE: Final = (
    "Set TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH to the files of a certificate that the server"
    " accepts and of its key."
)
_AUTHORITY: Final = (
    "Set TEMPORAL_TLS_SERVER_CA_CERT_PATH to the certificate of the authority that has signed the server's, and"
    " TEMPORAL_TLS_SERVER_NAME to the name in it if that is not the one in the URL."
)
_NO_TLS: Final = "Set TEMPORAL_TLS=false: with TEMPORAL_API_KEY or a certificate TLS is used unless you do."

_KNOWN: Final = (
    (r'code: (?:Unauthenticated|PermissionDenied), message: "(?P<said>[^"]*)"', "does not accept this process", _KEY),
    (r"InvalidCertificate\((?P<said>\w+)", "has a certificate that is not trusted", _AUTHORITY),
    (r"AlertReceived\((?P<said>\w+)\)", "does not accept this process's certificate", _CERTIFICATE),
    (r"status: (?P<said>400 Bad Request)", "does not accept this process's certificate, or wants one", _CERTIFICATE),
    (r"InvalidContentType", "does not use TLS", _NO_TLS),
    (r"FRAME_SIZE_ERROR|connection closed", "closes the connection", "Set TEMPORAL_TLS=true if the server uses TLS."),
    (
        r"(?P<said>PrivateKeyParseError|CertificateParseError|KeyMismatch|Must have both client cert and private key)",
        "cannot be asked with this certificate and key",
        _CERTIFICATE,
    ),
)
"""What the client's texts contain, and what that means."""


def problem_of(error: Exception, *, patience: float) -> Problem:
    """Returns what is wrong. `patience` is how many seconds the server had to answer."""
    said = error.message if isinstance(error, RPCError) else str(error)
    if isinstance(error, RPCError) and error.status in _REFUSED:
        return Problem(f"does not accept this process: {said}", _KEY)
    for pattern, what, hint in _KNOWN:
        if (found := re.search(pattern, said)) is not None:
            why = found.groupdict().get("said")
            return Problem(f"{what}: {why}" if why else what, hint)
    first = said.splitlines()[0] if said else f"no answer within {patience:g} s"
    return Problem(f"does not answer: {first}", _ADDRESS)
