"""A conversation with an agent or a workflow: its messages, its usage, and how a message is answered.

Owns the state between two answers. `prompt` owns the input, `run` the answering of one message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headwater.agents.runnable import Runnable
    from headwater.cli.output import Outlet, Watching
    from headwater.runtime.thread import Thread

__all__ = ("Conversation",)


class Conversation:
    """An agent, the messages so far, and their usage.

    `at_terminal`: whether input is a terminal, so that an error or Ctrl-C ends an answer and not the conversation.
    """

    def __init__(
        self, agent: Runnable, out: Outlet, watching: Watching, *, thread: Thread, at_terminal: bool = False
    ) -> None:
        from headwater.events.messages import Usage

        self.agent = agent
        self.thread = thread
        self.usage: Usage = Usage()
        """The usage of all answers."""
        self.last_answer: Any = None
        """The last answer, a Response or Results; None before the first."""
        self.after_answer: Callable[[], None] = lambda: None
        """Called after every answer, also a failed one."""
        self.before_last: tuple[str, tuple[Any, ...], str] | None = None
        """The last message, the conversation before it, and the agent that had answered last."""
        self.saved: set[str] = set()
        """The files that /save has written, which it may overwrite."""
        self.out = out
        self.at_terminal = at_terminal
        self.shown: bool = at_terminal and out.isatty()
        """Whether input and output are a terminal."""
        self.failed: bool = False
        """Whether an answer has failed."""
        self._watching = watching

    def answer(self, message: str) -> None:
        """Asks, and shows the answer. Raises UsageError, KeyboardInterrupt without a terminal, and output errors."""
        from headwater.cli.output import tell
        from headwater.cli.people import asker_for, has_approver, nobody_here
        from headwater.cli.run import ask
        from headwater.cli.wording import for_the_command_line
        from headwater.errors import HeadwaterError, UsageError

        self.before_last = (message, self.thread.messages, self.thread.agent)
        if self.shown:
            self.out.write("\n")
        try:
            how: dict[str, Any] = {"asker": asker_for(self.agent)}
            if how["asker"] is None and not has_approver(self.agent):
                how["approver"] = nobody_here
            self._count(ask(self.agent, message, self.out, self._watching, thread=self.thread, **how))
        except KeyboardInterrupt as stopped:
            self._count(getattr(stopped, "response", None))
            if not self.at_terminal:
                raise
        except UsageError:
            raise  # further messages would fail in the same way
        except HeadwaterError as error:
            self._count(error.response)
            self.out.check()
            self.failed = True
            tell(for_the_command_line(str(error)))
        finally:
            self.after_answer()

    def leave_room(self) -> None:
        """Writes an empty line before the next prompt. Raises output errors."""
        if self.shown:
            self.out.write("\n")
            self.out.flush()
            self.out.check()

    def _count(self, response: Any) -> None:
        if response is not None:
            self.last_answer = response
            self.usage += response.usage
