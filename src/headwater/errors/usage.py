"""Errors in the program: wrong settings, tools, histories and answers. Only a change of the program helps."""

from __future__ import annotations

from typing import Any

from headwater.errors.base import HeadwaterError

__all__ = (
    "AlreadyAnswered",
    "AnswerInvalid",
    "ConfigurationError",
    "DefinitionChanged",
    "HistoryInvalid",
    "InvalidRecord",
    "InvalidTool",
    "JournalMismatch",
    "LogNotKept",
    "LoopMisuse",
    "MissingKey",
    "ModelNotNamed",
    "RunEnded",
    "RunBusy",
    "ThreadBusy",
    "UnknownModel",
    "UnknownQuestion",
    "UnknownRun",
    "UnsupportedSetting",
    "UsageError",
)


class UsageError(HeadwaterError):
    """The program has a mistake.

    Fix the program; trying again does not help.
    """


class ConfigurationError(UsageError):
    """A setting, a name or a combination of settings cannot work.

    The hint says what to write instead.
    """


class ModelNotNamed(ConfigurationError):
    """No model was named anywhere.

    Pass `model=`, or set the variable `HEADWATER_MODEL`.
    """


class UnknownModel(ConfigurationError):
    """The name matches no known provider.

    Write the provider before the model, as in `openai/gpt-5.4`; for a server of your own pass `base_url=`.
    """


class MissingKey(ConfigurationError):
    """The provider needs a key and none was found.

    Set the provider's variable, or pass `api_key=`. A local server needs no key.
    """


class UnsupportedSetting(ConfigurationError):
    """The provider does not support this setting; nothing was sent.

    Leave the setting out, correct its name, or choose a provider that supports it. Settings are never dropped silently.
    """


class InvalidTool(ConfigurationError):
    """The function cannot be used as a tool.

    It is raised when the agent is created, before any run. Change the function as the hint says.
    """


class JournalMismatch(ConfigurationError):
    """Another version of headwater set up the journal, and this version cannot use it.

    Run `headwater journal upgrade URL` if the journal is older; upgrade headwater if the journal is newer.
    """


class InvalidRecord(UsageError):
    """The data to read or write is not a valid event, message, thread or Response.

    Check the program that wrote it, and look for a truncated line.
    """


class ThreadBusy(UsageError):
    """A conversation takes one run at a time.

    Wait for the first run, or give each conversation a `Thread` of its own.
    """


class RunBusy(UsageError):
    """Somebody else continues the run of this file: another process, or another stream.

    Wait until that run ends or waits, then read the file again.
    """


class HistoryInvalid(UsageError):
    """The message history holds a call without its result, or a result without its call.

    Start the next input with the results of the calls that the client runs. A view must keep each call with its result.
    """

    ids: tuple[str, ...]
    """The ids of those calls."""

    def __init__(self, message: str, *, hint: str = "", response: Any = None, ids: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint, response=response)
        self.ids = tuple(ids)


class DefinitionChanged(UsageError):
    """The agent or workflow that resumes a log is declared differently from the one that wrote it.

    Use the declaration that wrote it, or `resume(log, on_changed="warn")`: the current declaration then applies from
    there on.
    """


class UnknownQuestion(UsageError):
    """This run has no question with that id.

    `stream.pending` lists the open questions with their ids.
    """


class AlreadyAnswered(UsageError):
    """The question was answered before, and that answer stands.

    Show who answered; there is nothing else to do.
    """

    by: str
    """Who answered, if known."""

    def __init__(self, message: str, *, hint: str = "", response: Any = None, by: str = "") -> None:
        super().__init__(message, hint=hint, response=response)
        self.by = by


class AnswerInvalid(UsageError):
    """The answer does not fit the question: arguments that the tool does not accept, or content of another type.

    Nothing was recorded: the question is still open, so ask the person again.
    """


class RunEnded(UsageError):
    """The run that asked is over, and nothing waits for the answer any more.

    Its question is void; start another run.
    """


class UnknownRun(UsageError):
    """The journal or the server has no run with that id.

    Check the id, and that the journal is the one that the run was started with. A server without a journal keeps a run
    for five minutes after its end, and loses its runs when it is restarted.
    """


class LogNotKept(UsageError):
    """The run's events were not kept, so it cannot be parked and resumed.

    Give the agent or the run `keep_log=True`. Events are always kept if a tool may ask people.
    """


class LoopMisuse(UsageError):
    """A blocking call was made inside a running event loop, or async code ran outside one.

    In async code write `await agent.run(…)` and `async for`; in sync code `agent.run(…)` and `for`.
    """
