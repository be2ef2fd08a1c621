"""A client for the protocol's own conformance suite: an agent that calls every tool of the server at a URL.

`npx conformance client --command "python -m tests.system.mcp.conformance_client" --suite all`. Signing in is done by a
"browser" that follows redirects: the command in BROWSER.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any
from urllib.parse import urlsplit

from headwater import MCP, Agent, Timeouts
from headwater.events import InputAsked
from headwater.providers.request import Request
from headwater.testing import Call, ScriptedModel
from headwater.tools.mcp.oauth import SignIn


def auth_for(scenario: str, context: dict[str, Any], url: str) -> Any:
    """What a user would pass as `auth=` in the scenario."""
    if not scenario.startswith("auth/"):
        return None
    if scenario == "auth/client-credentials-basic":
        from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider

        return ClientCredentialsOAuthProvider(
            server_url=url,
            storage=_Memory(),
            client_id=context["client_id"],
            client_secret=context["client_secret"],
        )
    if scenario == "auth/client-credentials-jwt":
        from mcp.client.auth.extensions.client_credentials import (
            PrivateKeyJWTOAuthProvider,
            SignedJWTParameters,
        )

        signed = SignedJWTParameters(
            issuer=context["client_id"],
            subject=context["client_id"],
            signing_algorithm=context.get("signing_algorithm", "ES256"),
            signing_key=context["private_key_pem"],
        )
        return PrivateKeyJWTOAuthProvider(
            server_url=url,
            storage=_Memory(),
            client_id=context["client_id"],
            assertion_provider=signed.create_assertion_provider(),
        )
    if scenario == "auth/cross-app-access-complete-flow":
        return _across_apps(url, context)
    if scenario == "auth/basic-cimd":
        return _provider(url, context, document="https://conformance-test.local/client-metadata.json")
    return _provider(url, context) if context.get("client_id") else "oauth"


def _provider(url: str, context: dict[str, Any], document: str | None = None) -> Any:
    """The SDK's own provider, for a client that is registered already or has a document of its own."""
    from mcp.client.auth import OAuthClientProvider
    from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata
    from pydantic import AnyUrl

    sign_in, tokens = SignIn(0), _Memory()
    back = [AnyUrl(f"http://127.0.0.1:{sign_in.port}/callback")]
    if context.get("client_id"):
        secret = context.get("client_secret")
        known = OAuthClientInformationFull(
            client_id=context["client_id"],
            client_secret=secret,
            redirect_uris=back,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
        )
        asyncio.run(tokens.set_client_info(known))
    return OAuthClientProvider(
        url,
        OAuthClientMetadata(client_name="conformance", redirect_uris=back),
        tokens,
        redirect_handler=sign_in.open,
        callback_handler=sign_in.code,
        client_metadata_url=document,
    )


def _across_apps(url: str, context: dict[str, Any]) -> Any:
    """The SDK's provider for an enterprise's own sign-in (SEP-990), whose grant a program gets where it signs in."""
    import httpx
    from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider

    async def grant(audience: str, resource: str) -> str:
        asked = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requested_token_type": "urn:ietf:params:oauth:token-type:id-jag",
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
            "subject_token": context["idp_id_token"],
            "client_id": context["idp_client_id"],
            "audience": audience,
            "resource": resource,
        }
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.post(context["idp_token_endpoint"], data=asked)
        return str(answer.raise_for_status().json()["access_token"])

    # A program is told the issuer by those who run it; the suite tells it only here.
    parts = urlsplit(url)
    described = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{parts.path}"
    issuer = httpx.get(described, trust_env=False).raise_for_status().json()["authorization_servers"][0]
    return IdentityAssertionOAuthProvider(
        server_url=url,
        storage=_Memory(),
        client_id=context["client_id"],
        client_secret=context["client_secret"],
        issuer=issuer,
        assertion_provider=grant,
        token_endpoint_auth_method="client_secret_basic",
    )


class _Memory:
    """Keeps tokens for the program; see the SDK's TokenStorage."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    async def get_tokens(self) -> Any:
        return self._kept.get("tokens")

    async def set_tokens(self, tokens: Any) -> None:
        self._kept["tokens"] = tokens

    async def get_client_info(self) -> Any:
        return self._kept.get("client")

    async def set_client_info(self, client_info: Any) -> None:
        self._kept["client"] = client_info


def arguments_of(schema: dict[str, Any]) -> dict[str, Any]:
    examples = {"number": 2, "integer": 2, "string": "x", "boolean": True, "object": {}, "array": []}
    return {name: examples[one.get("type", "string")] for name, one in schema.get("properties", {}).items()}


async def main(url: str, auth: Any) -> None:
    def answer(request: Request) -> Any:
        if any(message.role == "tool" for message in request.messages) or not request.tools:
            return ["done"]
        return [Call(tool.name, arguments_of(tool.parameters)) for tool in request.tools]

    server = MCP(url, name="it", auth=auth, timeouts=Timeouts(connect=25, tool=20))
    async with server:
        stream = Agent(model=ScriptedModel(answer), tools=[server]).run_stream("go")
        async for event in stream.events():
            if isinstance(event, InputAsked):
                stream.answer(event.input, {})
        print(stream.response.text)


if __name__ == "__main__":
    address = sys.argv[-1]
    scenario = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
    given = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    asyncio.run(main(address, auth_for(scenario, given, address)))
