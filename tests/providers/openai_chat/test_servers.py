"""The table of servers: unsupported settings are refused, and no row or field is unused."""

from __future__ import annotations

import msgspec
import pytest

from headwater import errors
from headwater.providers.openai_chat import QUIRKS
from headwater.providers.request import Quirks, Settings
from tests.providers.openai_chat.asking import TOOL, VALUES, written


@pytest.mark.parametrize("server", sorted(QUIRKS))
def test_unsupported_settings_are_refused_and_all_others_sent(server: str) -> None:
    assert QUIRKS[server].unsupported <= VALUES.keys()
    for name, value in VALUES.items():
        settings = Settings(**{name: value})
        if name in QUIRKS[server].unsupported:
            with pytest.raises(errors.UnsupportedSetting, match=name):
                written(server=server, settings=settings, tools=(TOOL,))
        else:
            field = QUIRKS[server].seed_field if name == "seed" else name
            assert written(server=server, settings=settings, tools=(TOOL,))[field] == value


def test_every_unsupported_setting_exists() -> None:
    known = {field.name for field in msgspec.structs.fields(Settings)}
    for server, quirks in QUIRKS.items():
        assert quirks.unsupported <= known, server


def test_every_server_and_every_quirk_is_used() -> None:
    usual = Quirks()
    assert [server for server, quirks in QUIRKS.items() if quirks == usual] == []
    idle = {
        field.name
        for field in msgspec.structs.fields(Quirks)
        if all(getattr(quirks, field.name) == getattr(usual, field.name) for quirks in QUIRKS.values())
    }
    # Settings that a program makes for its own server, and differences of servers of another API.
    assert idle == {"system_role", "reasoning_fields", "background"}
