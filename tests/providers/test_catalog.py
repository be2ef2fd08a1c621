"""The table of providers: complete, without duplicates, and the only place that names providers."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import headwater
from headwater.providers.catalog import API_MODULES, PROVIDERS, TOKEN_SCOPES
from tests.providers.resolving import find


def test_every_example_resolves_to_its_provider() -> None:
    for provider in PROVIDERS.values():
        end = find(f"{provider.name}/{provider.example}").endpoint
        assert end.provider == provider.name
        assert end.api == provider.apis[0]
        assert end.base_url.startswith("http")
        assert not end.base_url.endswith("/")


def test_every_alias_is_the_provider_and_names_are_unique() -> None:
    names = [name for provider in PROVIDERS.values() for name in (provider.name, *provider.aliases)]
    assert len(names) == len(set(names))
    for provider in PROVIDERS.values():
        for alias in provider.aliases:
            assert find(f"{alias}/some/model").endpoint.provider == provider.name


def test_every_provider_has_existing_apis_and_key_variables() -> None:
    for provider in PROVIDERS.values():
        assert provider.apis
        assert set(provider.apis) <= set(API_MODULES)
        assert provider.key_variables or provider.token
        assert not provider.token or provider.token in TOKEN_SCOPES


def test_the_table_imports_no_api_module() -> None:
    program = (
        "import sys, headwater.providers.registry as r; r.resolve('claude-sonnet-5', api_key='k', env={});"
        f"print([m for m in {list(API_MODULES.values())} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_shared_modules_name_no_provider() -> None:
    root = Path(headwater.__file__).parent
    modules = [*(root / "providers").glob("*.py"), *(root / "backends").glob("*.py")]
    own = {"catalog.py", "addresses.py", "credentials.py"}  # the table and its functions
    names = {name for provider in PROVIDERS.values() for name in (provider.name, *provider.aliases)}
    found = [
        (module.name, node.value)
        for module in modules
        if module.name not in own
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names
    ]
    assert found == [("request.py", "azure"), ("request.py", "google")]  # whose tokens: a type, not a branch
