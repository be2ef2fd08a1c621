from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headwater.adapters.package import imported
from headwater.errors import ConfigurationError


def test_a_missing_package_says_what_to_install() -> None:
    with pytest.raises(ConfigurationError, match=r"no_such_framework is not installed\. .*pip install \"no-such\""):
        imported("no_such_framework.agents", "no-such")


def test_what_a_package_itself_misses_is_its_own_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needs_another.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        imported("needs_another", "needs-another")


def test_the_adapters_import_no_framework() -> None:
    program = (
        "import sys, headwater.adapters;"
        "print(*{'agents', 'langgraph', 'langchain_core', 'pydantic_ai', 'openai'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""
