"""A conversation with an agent or a workflow: what was said, what it has cost, and how a message is answered.

Owns what is between two answers. How a message is typed is `prompt`'s, how it is answered `run`'s.
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
    """Who answers, what was said, and what it has cost.

    `at_terminal`: whether a person types, so that an error or Ctrl-C ends an answer and not the conversation.
    """

    def __init__(
        self, agent: Runnable, out: Outlet, watching: Watching, *, thread: Thread, at_terminal: bool = False
    ) -> None:
        from headwater.events.messages import Usage

        self.agent = agent
        self.thread = thread
        self.usage = Usage()
        """What all answers have cost."""
        self.last_answer: Any = None
        """The last answer, a Response or Results, where there is one."""
        self.after_answer: Callable[[], None] = lambda: None
        """Called when an answer has ended, in whatever way."""
        self.before_last: tuple[str, tuple[Any, ...], str] | None = None
        """The last message; what was said before it, and who had answered last."""
        self.saved: set[str] = set()
        """The files that /save has written here, which it may write again."""
        self.out = out
        self.at_terminal = at_terminal
        self.shown = at_terminal and out.isatty()
        """Whether a person types and reads on one terminal."""
        self.failed = False
        """Whether an answer has failed."""
        self._watching = watching

    def answer(self, message: str) -> None:
        """Ask, and show the answer. Raises UsageError, KeyboardInterrupt where nobody types, what writing met."""
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
            raise  # no further message would fare better
        except HeadwaterError as error:
            self._count(error.response)
            self.out.check()
            self.failed = True
            tell(for_the_command_line(str(error)))
        finally:
            self.after_answer()

    def leave_room(self) -> None:
        """Leave an empty line before the next prompt. Raises what writing met."""
        if self.shown:
            self.out.write("\n")
            self.out.flush()
            self.out.check()

    def _count(self, response: Any) -> None:
        if response is not None:
            self.last_answer = response
            self.usage += response.usage
