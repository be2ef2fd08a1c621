"""`headwater doctor`: what it finds, what it advises, and that it keeps secrets."""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from headwater.cli import main
from tests.cli.commands import EVERYWHERE, OPENAI_LIST, FixedServer, serving, terminal

posix = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")

Found = dict[str, list[tuple[str, str, str]]]


def found(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, Found]:
    """The exit code, and level, text and advice by subject."""
    code = main(["doctor", "--json", *options])
    by_subject: Found = {}
    for one in json.loads(capsys.readouterr().out):
        by_subject.setdefault(one["subject"], []).append((one["level"], one["text"], one["advice"]))
    return code, by_subject


def test_a_bare_machine_is_in_order_but_for_the_key(
    bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, by_subject = found(capsys)
    assert code == 0
    assert {subject for subject, all_of in by_subject.items() if any(one[0] != "ok" for one in all_of)} == {"keys"}
    assert set(by_subject) >= {"python", "packages", "model", "keys", "tls", "proxy", "terminal"}
    ((_, packages, _),) = by_subject["packages"]
    assert [name for name in ("aiohttp", "msgspec", "pydantic", "rich") if name not in packages] == []
    assert by_subject["keys"][0][2].startswith("Set OPENAI_API_KEY")


def test_packages_that_are_missing_or_too_old(bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    needed = ["aiohttp>=99.1", "headwater-nowhere>=1.2", "msgspec>=0.19", 'pytest>=99; extra == "dev"']
    bare.setattr("importlib.metadata.requires", lambda name: needed)
    code, by_subject = found(capsys)
    assert code == 1
    old, missing, present = by_subject["packages"]
    assert old[0] == "fail"
    assert old[1].endswith("is older than 99.1")
    assert old[2] == "Run pip install --upgrade 'aiohttp>=99.1'."
    assert missing == ("fail", "headwater-nowhere is missing", "Run pip install 'headwater-nowhere>=1.2'.")
    assert "pytest" not in present[1]


def test_a_source_tree_that_is_not_installed(bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def nowhere(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    bare.setattr("importlib.metadata.requires", nowhere)
    code, by_subject = found(capsys)
    assert (code, by_subject["packages"][0][0]) == (0, "warn")


@pytest.mark.parametrize(
    ("value", "level", "text"),
    [
        ("sk-fine-1", "ok", "OPENAI_API_KEY is set"),
        ("sk-1 ", "fail", "The key for openai (OPENAI_API_KEY) holds a space."),
        ("'sk-1'", "fail", "The key for openai (OPENAI_API_KEY) holds quotation marks."),
        ("your-api-key-here", "fail", "No key for openai: OPENAI_API_KEY holds a placeholder."),
        (" ", "warn", "OPENAI_API_KEY is set and empty"),
    ],
)
def test_keys_are_checked_and_never_shown(
    value: str, level: str, text: str, bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare.setenv("OPENAI_API_KEY", value)
    code, by_subject = found(capsys)
    assert [one[:2] for one in by_subject["openai"]] == [(level, text)]
    assert code == (1 if level == "fail" else 0)
    assert "sk-1" not in str(by_subject)


def test_the_address_of_a_key_is_shown(bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    bare.setenv("OPENAI_API_KEY", "sk-1")
    bare.setenv("OPENAI_BASE_URL", "http://gateway.example/v1")
    bare.setenv("ANTHROPIC_API_KEY", "sk-2")
    bare.setenv("ANTHROPIC_BASE_URL", "http://localhost:4000")
    _, by_subject = found(capsys)
    assert by_subject["openai"] == [
        (
            "warn",
            "OPENAI_API_KEY is set, asked at http://gateway.example/v1",
            "The key goes there unencrypted: use https.",
        )
    ]
    assert by_subject["anthropic"][0][0] == "ok"


@pytest.mark.parametrize(
    ("name", "level", "text"),
    [
        ("offline", "ok", "HEADWATER_MODEL is offline"),
        ("ollama/llama3.2", "ok", "HEADWATER_MODEL is ollama/llama3.2"),
        ("openai/gpt-5.4", "fail", "HEADWATER_MODEL is 'openai/gpt-5.4': No key for openai."),
        ("nonsense", "fail", "HEADWATER_MODEL is 'nonsense': Unknown model 'nonsense'."),
    ],
)
def test_the_model_by_default_can_be_asked(
    name: str, level: str, text: str, bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare.setenv("HEADWATER_MODEL", name)
    code, by_subject = found(capsys)
    assert by_subject["model"][0][:2] == (level, text)
    assert code == (1 if level == "fail" else 0)


def test_certificates_that_are_not_there(
    bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bare.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    code, by_subject = found(capsys)
    assert (code, by_subject["tls"][0][0]) == (1, "fail")
    assert by_subject["tls"][0][2] == "Correct SSL_CERT_FILE, or unset it."


def test_no_certificates_at_all(bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bare.setitem(sys.modules, "truststore", None)
    empty = tmp_path / "empty.pem"
    empty.touch()
    bare.setenv("SSL_CERT_FILE", str(empty))
    bare.setenv("SSL_CERT_DIR", str(tmp_path / "certs"))
    (tmp_path / "certs").mkdir()
    code, by_subject = found(capsys)
    assert (code, by_subject["tls"][0][0]) == (1, "fail")
    assert "no trusted certificates" in by_subject["tls"][0][1]


def test_the_systems_certificates_do_without_truststore(
    bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare.setitem(sys.modules, "truststore", None)
    _, by_subject = found(capsys)
    assert by_subject["tls"][0][0] == "ok"


def test_a_proxy_is_shown_without_its_password(bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    bare.setenv("HTTPS_PROXY", "http://user:secret@proxy.example:3128")
    bare.setenv("HTTP_PROXY", "user:secret@proxy.example:3128")
    bare.setenv("ALL_PROXY", "socks5://proxy.example:1080")
    bare.setenv("NO_PROXY", "intranet.example")
    code, by_subject = found(capsys)
    told = {text: (level, advice) for level, text, advice in by_subject["proxy"]}
    assert told["https addresses through http://proxy.example:3128"] == ("ok", "")
    assert told["http addresses through proxy.example:3128"] == ("ok", "")
    assert (
        told["all addresses through socks5://proxy.example:1080, a socks5 proxy, which is not supported"][0] == "fail"
    )
    assert told["requests to servers on this machine go through the proxy too"][1].startswith("Add localhost,127.0.0.1")
    assert code == 1
    assert "secret" not in str(by_subject)


def test_local_servers_are_shown(
    nothing_local: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], closed: str
) -> None:
    answers = FixedServer({"/v1/models": (200, OPENAI_LIST), "/empty/models": (200, '{"data": []}')})
    with serving(answers) as url:
        nothing_local.setenv("VLLM_BASE_URL", f"{url}/v1")
        nothing_local.setenv("LMSTUDIO_BASE_URL", f"{url}/empty")
        nothing_local.setenv("LLAMACPP_BASE_URL", f"{closed}/v1")
        nothing_local.delenv(EVERYWHERE["ollama"])
        code, by_subject = found(capsys)
    assert by_subject["vllm"] == [("ok", f"{url}/v1: running: llama-3.1-8b, qwen3", "")]
    assert by_subject["lmstudio"] == [("warn", f"{url}/empty: running, without a model", "")]
    named = ("fail", f"{closed}/v1: not running", "Start it, or correct LLAMACPP_BASE_URL.")
    assert by_subject["llamacpp"] == [named]
    assert code == 1


def test_the_network_is_touched_only_when_asked(
    bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], closed: str
) -> None:
    answers = FixedServer({})
    with serving(answers) as url:
        bare.setenv("OPENAI_API_KEY", "sk-1")
        bare.setenv("OPENAI_BASE_URL", f"{url}/v1")
        bare.setenv("GROQ_API_KEY", "gsk-1")
        bare.setenv("GROQ_BASE_URL", closed)
        code, by_subject = found(capsys)
        assert (code, answers.asked, "network" in by_subject) == (0, [], False)
        code, by_subject = found(capsys, "--network")
    assert code == 1
    assert by_subject["network"][0] == ("ok", f"openai: {url}/v1 answers", "")
    assert by_subject["network"][1][:2][0] == "fail"
    assert "sk-1" not in str(answers.asked)


def test_without_a_key_no_connection_is_tried(bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _, by_subject = found(capsys, "--network")
    assert by_subject["network"][0][0] == "warn"


def test_lines_are_for_people(bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok    python       3.")
    assert f"warn  {'keys':<12} none is set" in "\n".join(lines)
    assert [line for line in lines if line.startswith(f"{'':19}-> Set OPENAI_API_KEY")]


@posix
def test_on_a_terminal_lines_fit_and_have_colors() -> None:
    with terminal("doctor") as shown:
        assert shown.end() == 0
        assert b"\x1b[32mok  \x1b[0m  python" in shown.output
        assert "ok    terminal     xterm-256color, 80 columns, utf-8, with colors" in shown.text
        assert [line for line in shown.text.splitlines() if not line.startswith(("ok", "warn", "fail", " " * 19))] == []


@posix
@pytest.mark.parametrize(
    ("env", "text"),
    [
        ({"TERM": "dumb"}, "warn  terminal     TERM is dumb: answers are plain text"),
        ({"NO_COLOR": "1"}, "ok    terminal     xterm-256color, 80 columns, utf-8, without colors"),
    ],
)
def test_a_terminal_is_described(env: dict[str, str], text: str) -> None:
    with terminal("doctor", env=env) as shown:
        assert shown.end() == 0
        assert text in shown.text
