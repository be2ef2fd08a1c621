"""Which printer shows a run, and that none is imported before it is chosen."""

from __future__ import annotations

import subprocess
import sys

import pytest

from headwater.terminal.dashboard.dashboard import Dashboard
from headwater.terminal.line_printer import LinePrinter
from headwater.terminal.printers import dashboard, printer
from headwater.terminal.section_printer import SectionPrinter
from headwater.testing import sample_logs


def test_one_agent_has_lines_several_have_sections() -> None:
    assert isinstance(printer("writer", live=True), LinePrinter)
    assert isinstance(printer("writer", live=False, several=True), SectionPrinter)
    assert isinstance(dashboard("team", ["ann", "bob"]), Dashboard)


@pytest.mark.parametrize("live", [True, False])
def test_what_is_chosen_shows_the_run(live: bool, capsys: pytest.CaptureFixture[str]) -> None:
    for several in (False, True):
        show = printer("writer", live=live, several=several)
        for event in sample_logs()["text"]:
            show(event)
        assert "It is sunny in Paris." in capsys.readouterr().out


def test_choosing_imports_no_printer_but_the_one() -> None:
    program = (
        "import sys\n"
        "from headwater.terminal.printers import printer\n"
        "assert not [name for name in sys.modules if name.startswith(('rich', 'headwater.terminal.line'))]\n"
        "printer('writer', live=True)\n"
        "assert 'headwater.terminal.line_printer' in sys.modules\n"
        "assert 'headwater.terminal.section_printer' not in sys.modules\n"
        "assert 'headwater.terminal.dashboard.dashboard' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
