"""The address of an engine: what it names, and that it cannot carry a secret."""

from __future__ import annotations

import pytest

from headwater.errors import ConfigurationError
from headwater.journal.engines.engine import temporal_address


@pytest.mark.parametrize(
    ("url", "target", "namespace"),
    [
        ("temporal://h", "h:7233", "default"),
        ("temporal://h:1/", "h:1", "default"),
        ("temporal://[::1]:7/night.a1b2", "[::1]:7", "night.a1b2"),
    ],
)
def test_a_temporal_server_by_its_address(url: str, target: str, namespace: str) -> None:
    assert temporal_address(url) == (target, namespace)


@pytest.mark.parametrize("url", ["temporal://", "temporal://u:sesame@h", "temporal://h/n?api_key=sesame", "redis://h"])
def test_an_address_without_a_server_is_refused_and_no_secret_is_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is not the URL of one") as refused:
        temporal_address(url)
    assert "sesame" not in str(refused.value)
