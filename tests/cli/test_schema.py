"""`--schema`: a JSON Schema of the line or of a file, and what is told where it is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.cli.schema import schema_of
from headwater.errors import UsageError

PORT = '{"properties": {"port": {"type": "string"}}}'


def test_it_is_the_text_or_the_files_content(tmp_path: Path) -> None:
    (tmp_path / "port.json").write_text(f"\n{PORT}\n", encoding="utf-8")
    assert schema_of(f" {PORT}") == schema_of(f"{tmp_path}/port.json") == {"properties": {"port": {"type": "string"}}}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{port}", "--schema is not valid JSON: Expecting property name"),
        ('{"name": "string"}', "--schema is not a JSON Schema: it has 'name'. Write {"),
        ("{}", "--schema is not a JSON Schema: it has nothing."),
        ("nowhere.json", "--schema nowhere.json cannot be read: No such file or directory."),
        ("list.json", "--schema list.json is a JSON list, not an object."),
        ("bytes.json", "--schema bytes.json cannot be read: it is not text."),
    ],
)
def test_invalid_input_is_reported(given: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError) as caught:
        schema_of(given)
    assert str(caught.value).startswith(told)
