"""Bearer tokens for clouds without API keys: Azure's Entra ID and Google Cloud, through their own libraries.

Imported, like those libraries, when a token is first needed. A token must never appear in an error or a log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from headwater.errors import AuthenticationFailed, MissingKey
from headwater.providers.catalog import TOKEN_SCOPES

__all__ = ("authorizer",)


def authorizer(kind: Literal["azure", "google"]) -> Callable[[], Awaitable[dict[str, str]]]:
    """Returns a function that returns the authorization header of a request; the libraries cache the token until it
    expires."""
    credential: Any = None

    async def authorize() -> dict[str, str]:
        nonlocal credential
        try:
            if credential is None:
                credential = await asyncio.to_thread(_CREDENTIALS[kind])
            token = await asyncio.to_thread(_TOKENS[kind], credential)
        except (MissingKey, AuthenticationFailed):
            raise
        except Exception as error:
            raise AuthenticationFailed(
                f"{kind} provided no token: {type(error).__name__}.",
                hint="Log in with the cloud's own command-line tool, or pass api_key=.",
                provider=kind,
            ) from error
        return {"Authorization": f"Bearer {token}"}

    return authorize


def _azure_credential() -> Any:
    try:
        from azure.identity import DefaultAzureCredential  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise MissingKey(
            "No key for azure.",
            hint="Set AZURE_OPENAI_API_KEY, pass api_key=, or install azure-identity to use Entra ID.",
        ) from None
    return DefaultAzureCredential()


def _azure_token(credential: Any) -> str:
    token: str = credential.get_token(TOKEN_SCOPES["azure"]).token
    return token


def _google_credential() -> Any:
    try:
        import google.auth  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise MissingKey(
            "No key for vertex.", hint="Pass api_key= (an access token), or install google-auth to use your login."
        ) from None
    credential, _ = google.auth.default(scopes=[TOKEN_SCOPES["google"]])
    return credential


def _google_token(credential: Any) -> str:
    from google.auth.transport.requests import Request  # type: ignore[import-not-found, import-untyped, unused-ignore]

    if not credential.valid:
        credential.refresh(Request())
    token: str = credential.token
    return token


_CREDENTIALS: dict[str, Callable[[], Any]] = {"azure": _azure_credential, "google": _google_credential}
_TOKENS: dict[str, Callable[[Any], str]] = {"azure": _azure_token, "google": _google_token}
