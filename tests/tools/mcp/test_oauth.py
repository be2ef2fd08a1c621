from __future__ import annotations

import asyncio
import stat
import webbrowser
from pathlib import Path

import httpx2
import pytest
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyUrl

from headwater.tools.mcp.oauth import SignIn, Tokens, signed_in


def test_tokens_are_kept_in_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"

    async def main() -> None:
        tokens = Tokens(path)
        assert (await tokens.get_tokens(), await tokens.get_client_info(), tokens.port) == (None, None, 0)
        await tokens.set_tokens(OAuthToken(access_token="sekret"))
        back = [AnyUrl("http://127.0.0.1:4321/callback")]
        await tokens.set_client_info(OAuthClientInformationFull(client_id="me", redirect_uris=back))
        again = Tokens(path)
        kept, client = await again.get_tokens(), await again.get_client_info()
        assert kept is not None
        assert client is not None
        assert (kept.access_token, client.client_id, again.port) == ("sekret", "me", 4321)

    asyncio.run(main())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_damaged_file_means_signing_in_again(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_text("{", "utf-8")
    assert asyncio.run(Tokens(path).get_tokens()) is None


async def came_back(query: str) -> object:
    sign_in = SignIn(0)
    await sign_in.open("https://example.org/authorize")
    async with httpx2.AsyncClient(trust_env=False) as browser:
        await browser.get(f"http://127.0.0.1:{sign_in.port}/favicon.ico")
        await browser.get(f"http://127.0.0.1:{sign_in.port}/callback?{query}")
    return await sign_in.code()


def test_the_browser_returns_with_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    result = asyncio.run(came_back("code=c&state=s"))
    assert (getattr(result, "code", ""), getattr(result, "state", "")) == ("c", "s")
    assert opened == ["https://example.org/authorize"]


def test_a_refusal_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda address: True)
    with pytest.raises(PermissionError, match="access_denied"):
        asyncio.run(came_back("error=access_denied"))


def test_a_registered_client_uses_the_same_port_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    async def main() -> None:
        first = signed_in("https://example.org/mcp")
        port = first.context.client_metadata.redirect_uris[0].port  # type: ignore[attr-defined]
        back = [AnyUrl(f"http://127.0.0.1:{port}/callback")]
        await first.context.storage.set_client_info(OAuthClientInformationFull(client_id="me", redirect_uris=back))  # type: ignore[attr-defined]
        again = signed_in("https://example.org/mcp")
        assert again.context.client_metadata.redirect_uris == back  # type: ignore[attr-defined]

    asyncio.run(main())
