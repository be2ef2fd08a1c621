"""What an agent and a workflow are declared with for a journal, and that without one nothing of it is brought in."""

from __future__ import annotations

import subprocess
import sys

import pytest

from headwater import Agent, SequentialWorkflow
from headwater.errors import ConfigurationError
from headwater.testing import ScriptedModel


def test_mistakes_are_reported_at_the_declaration() -> None:
    with pytest.raises(ConfigurationError, match="webhook"):
        Agent(on_waiting="nowhere")
    with pytest.raises(ConfigurationError, match="unknown scheme"):
        Agent(journal="redis://localhost")
    with pytest.raises(ConfigurationError, match="context_from"):
        Agent(context_from=3)  # type: ignore[call-overload]
    member = Agent(model=ScriptedModel(["So."]))
    flow = SequentialWorkflow([member], journal="memory:", on_waiting=print, context_from=len)
    assert (flow.journal, flow.on_waiting, flow.context_from) == ("memory:", print, len)


def test_without_a_journal_none_of_it_is_imported() -> None:
    program = (
        "import sys\n"
        "from headwater import Agent\n"
        "Agent(model='offline').run('Hi')\n"
        "assert not [name for name in sys.modules if name.startswith(('headwater.durable', 'headwater.journal'))]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
