"""An address is shown without anything that may be secret, whatever way it is written, and whoever speaks of it."""

from __future__ import annotations

import asyncio
import traceback

import pytest

from headwater.errors import HeadwaterError
from headwater.journal.addresses import is_postgres_url, shown, without_address
from headwater.journal.opening import check_url, open_journal

SECRETS = ("sesame", "s3s@me", "s3s%40me", "geheim")


@pytest.mark.parametrize(
    ("address", "is_shown"),
    [
        ("memory:", "memory:"),
        ("temporal://h:7233/agents.a1b2", "temporal://h:7233/agents.a1b2"),
        ("temporal://u:sesame@h/n", "temporal://…"),
        ("temporal://h/n?api_key=sesame", "temporal://…"),
        ("sqlite:////var/lib/runs.db", "sqlite:////var/lib/runs.db"),
        ("runs.db", "runs.db"),
        ("postgresql://h/db", "postgresql://h/db"),
        ("postgresql://u@h:5432/db", "postgresql://u@h:5432/db"),
        ("postgresql://u:sesame@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u:sesame:?#geheim@h/db", "postgresql://u:***@h/db"),
        ("postgres://u:s3s%40me@h1:1,[::1]:2/db", "postgres://u:***@h1:1,[::1]:2/db"),
        (
            "postgresql://u:p@h/db?sslmode=require&password=sesame",
            "postgresql://u:***@h/db?sslmode=require&password=***",
        ),
        ("postgresql://h/db?passfile=/sesame&sslpassword=geheim", "postgresql://h/db?passfile=***&sslpassword=***"),
        ("postgresql:///db?host=%2Fvar%2Frun&sesame", "postgresql:///db?host=%2Fvar%2Frun&***"),
        ("postgresql://u:s3s@me@h/db", "postgresql://…"),
        ("postgresql://u:sesame/geheim@h/db", "postgresql://…"),
        ("postgresql://u:sesame", "postgresql://…"),
        ("postgresql://u@h/db#sesame", "postgresql://…"),
        ("mysql://u:sesame@h/db?x=geheim", "mysql://…"),
        ("host=h password='sesame geheim' user=u", "…"),
        (r"password='ses\'ame: sesame' host=h", "…"),
        ("https://hooks.example.org/services/sesame?token=geheim", "https://hooks.example.org/…"),
        ("https://u:sesame@hooks.example.org:8443", "https://hooks.example.org:8443"),
        ("http://[sesame", "http://…"),
    ],
)
def test_only_harmless_parts_are_shown(address: str, is_shown: str) -> None:
    assert shown(address) == is_shown


@pytest.mark.parametrize(
    ("said", "address", "is_left"),
    [
        ('cannot read "postgresql://[::1/db?password=sesame"', "postgresql://[::1/db?password=sesame", None),
        (
            'invalid percent-encoded token: "s%zzsame"',
            "postgresql://u:s%zzsame@h/db",
            'invalid percent-encoded token: "…"',
        ),
        ('password "no" is wrong', "postgresql://u:no@h/db", 'password "…" is wrong'),
        ("no host s3s@me", "postgresql://u:s3s%40me@h/db", "no host …"),
        ("no page /services/sesame/geheim", "https://h/services/sesame/geheim", None),
        ("the disk is full", "sqlite:///runs.db", "the disk is full"),
    ],
)
def test_a_drivers_message_has_none_of_its_secrets(said: str, address: str, is_left: str | None) -> None:
    left = without_address(said, address)
    assert not any(secret in left for secret in SECRETS)
    assert is_left in (None, left)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:sesame@127.0.0.1:1/db",
        "postgresql://127.0.0.1:1/db?password=sesame",
        "postgresql://127.0.0.1:1/db?password=sesame&connect_timeout=abc",
        "postgresql://127.0.0.1:1/db?unheard=geheim",
        "postgresql://127.0.0.1:1/db?sslpassword=sesame&sslmode=abc",
        "postgresql://u:%zzsesame@h/db",
        "postgresql://[::1/db?password=sesame",
        "postgresql://u:s3s@me@h/db",
        "postgresql://u:sesame/x@h/db",
        "host=h password='sesame geheim'",
        r"password='ses\'ame: sesame' host=h",
        "mysql://u:sesame@h/db",
        "memory:sesame@geheim",
        "sqlite://u:sesame@h/x",
    ],
)
def test_no_error_of_opening_a_journal_contains_a_secret(url: str) -> None:
    async def main() -> None:
        log = await open_journal(url)
        await log.close()

    with pytest.raises(HeadwaterError) as raised:
        asyncio.run(main())
    told = f"{raised.value.message} {raised.value.hint} {''.join(traceback.format_exception(raised.value))}"
    said = [line for line in told.splitlines() if "parametrize" not in line]
    assert not any(secret in line for line in said for secret in SECRETS), said


def test_a_password_that_postgresql_would_read_as_a_host_is_refused_before_it_connects() -> None:
    with pytest.raises(HeadwaterError, match="%40"):
        check_url("postgresql://u:s3s@me@h/db")
    assert is_postgres_url("postgresql://u:s3s%40me@h1:1,h2:2/db?sslmode=require")
