"""Bearer tokens through fakes of the clouds' own libraries, which would need a login."""

from __future__ import annotations

import asyncio
import sys
import types
from typing import Any

import pytest

from headwater.backends.credentials import authorizer
from headwater.errors import AuthenticationFailed, MissingKey
from headwater.providers.catalog import TOKEN_SCOPES

TOKEN = "token-planted-0123456789"


def module(monkeypatch: pytest.MonkeyPatch, name: str, **content: Any) -> None:
    made = types.ModuleType(name)
    vars(made).update(content)
    monkeypatch.setitem(sys.modules, name, made)
    parent, _, child = name.rpartition(".")
    if parent in sys.modules:
        monkeypatch.setattr(sys.modules[parent], child, made, raising=False)


class Azure:
    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.asked: list[str] = []

    def get_token(self, scope: str) -> Any:
        assert scope == TOKEN_SCOPES["azure"]
        return types.SimpleNamespace(token=TOKEN)


class Google:
    def __init__(self) -> None:
        self.valid = False
        self.token = ""
        self.refreshed = 0

    def refresh(self, request: Any) -> None:
        self.refreshed += 1
        self.valid, self.token = True, TOKEN


def test_azures_token_is_in_the_header_and_its_login_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    module(monkeypatch, "azure")
    module(monkeypatch, "azure.identity", DefaultAzureCredential=Azure)
    authorize = authorizer("azure")

    async def main() -> None:
        for _ in range(3):
            assert await authorize() == {"Authorization": f"Bearer {TOKEN}"}

    before = Azure.made
    asyncio.run(main())
    assert Azure.made - before == 1


def test_googles_token_is_refreshed_only_after_it_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    credential = Google()
    asked: list[Any] = []

    def default(scopes: list[str]) -> tuple[Google, str]:
        asked.append(scopes)
        return credential, "project"

    module(monkeypatch, "google")
    module(monkeypatch, "google.auth", default=default)
    module(monkeypatch, "google.auth.transport")
    module(monkeypatch, "google.auth.transport.requests", Request=object)
    authorize = authorizer("google")

    async def main() -> None:
        for _ in range(2):
            assert await authorize() == {"Authorization": f"Bearer {TOKEN}"}
        credential.valid = False
        await authorize()

    asyncio.run(main())
    assert credential.refreshed == 2
    assert asked == [[TOKEN_SCOPES["google"]]]


@pytest.mark.parametrize(
    ("kind", "library", "hint"), [("azure", "azure", "azure-identity"), ("google", "google", "google-auth")]
)
def test_without_the_library_the_error_says_what_to_install(
    kind: Any, library: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (library, f"{library}.identity", f"{library}.auth"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it fails
    with pytest.raises(MissingKey) as caught:
        asyncio.run(_once(kind))
    assert hint in caught.value.hint


def test_a_failed_login_is_reported_only_by_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(Azure):
        def get_token(self, scope: str) -> Any:
            raise PermissionError(f"the token {TOKEN} is too old")

    module(monkeypatch, "azure")
    module(monkeypatch, "azure.identity", DefaultAzureCredential=Failing)
    with pytest.raises(AuthenticationFailed, match=r"azure provided no token: PermissionError\.") as caught:
        asyncio.run(_once("azure"))
    assert TOKEN not in str(caught.value)
    assert caught.value.provider == "azure"


async def _once(kind: Any) -> dict[str, str]:
    return await authorizer(kind)()
