"""Every exception that headwater raises, as one tree, split by who is at fault and whether a retry makes sense.

    HeadwaterError                  .message .hint .response (partial) .retryable
    ├── UsageError                  yours: change the program
    │   ├── ConfigurationError      a setting, a name or a combination that cannot work
    │   │   ├── ModelNotNamed       no model was named anywhere
    │   │   ├── UnknownModel        the name matches no known provider
    │   │   ├── MissingKey          the provider needs a key and none was found
    │   │   ├── UnsupportedSetting  the provider does not support this setting
    │   │   ├── InvalidTool         the function cannot be used as a tool
    │   │   └── JournalMismatch     another version of headwater set up the journal
    │   ├── InvalidRecord           the data is not an event, message, thread or Response of headwater
    │   ├── ThreadBusy              two runs at once on one conversation
    │   ├── RunBusy                 somebody else continues the run of this file
    │   ├── HistoryInvalid          no provider accepts these messages (a call without its result): .ids
    │   ├── DefinitionChanged       the agent is not the one that wrote the log
    │   ├── UnknownQuestion         this run has no question with that id
    │   ├── AlreadyAnswered         someone answered it already: .by
    │   ├── AnswerInvalid           the answer does not fit the question
    │   ├── RunEnded                the run is over, so nothing waits for the answer
    │   ├── UnknownRun              the journal or the server has no run with that id
    │   ├── LogNotKept              the run's log was not kept, so it cannot be resumed
    │   └── LoopMisuse              a blocking call inside a running event loop, or async code outside one
    ├── ProviderError               theirs: .provider .status .request_id
    │   ├── InvalidRequest          400, 413, 422: the provider refused what was sent
    │   │   └── ContextTooLong      the conversation does not fit the model
    │   ├── AuthenticationFailed    401
    │   ├── PermissionDenied        403
    │   ├── QuotaExhausted          402, or a 429 that waiting will not fix
    │   ├── ModelNotFound           404
    │   ├── RateLimited             429                    retryable, .retry_after in seconds
    │   ├── Overloaded              503, 529, in-band      retryable
    │   ├── ServerError             other 5xx, 408, 409    retryable
    │   └── MalformedResponse       the bytes are not what the API promises
    ├── ConnectionFailed            the network: DNS, route, TLS, refused; retryable
    │   └── IncompleteStream        it stopped before its end marker; retryable
    ├── JournalUnavailable          the journal's store does not answer; retryable
    ├── MCPUnavailable              an MCP server cannot be started or reached; retryable
    ├── TimedOut                    a timeout expired: .clock .seconds
    │   ├── ConnectTimeout, FirstTokenTimeout, IdleTimeout, StepTimeout    retryable
    │   └── RunTimeout, ToolTimeout
    ├── LimitExceeded               a limit was exceeded: .limit .size
    │   ├── BudgetExceeded          the dollars, tokens, requests or tool calls of a Budget
    │   ├── MaxStepsReached         the agent loop ran too many steps
    │   ├── MaxHandoffsReached      too many handoffs
    │   └── MaxDepthReached         runs are nested too deeply
    ├── ModelMisbehaved             the model: its output cannot be used
    │   ├── OutputInvalid           the answer does not match the output type
    │   └── ToolCallInvalid         it kept calling tools with invalid arguments
    ├── GuardBlocked                a guard did not let something pass: .guard .on .note
    ├── ToolFailed                  a tool ended the run
    ├── Declined                    a person did not answer a tool's question
    ├── ItemsRestarted              the answer started again after items() had yielded some of it
    ├── Parked                      the run was parked; resume it from .log
    │   └── ApprovalNeeded          it waits for approval and nobody is there to answer: .pending
    ├── RunLost                     another process drives the run now
    ├── CrashLoop                   processes died one after another while they drove the run
    └── Cancelled                raised only where a cancelled run cannot report it otherwise

`base` has the base class; `usage`, `provider` and `run` have the others. This package owns the exceptions and their
wording; it must never format a request, a header or a key into a message.
"""

from headwater.errors.base import (
    HeadwaterError,
)
from headwater.errors.provider import (
    AuthenticationFailed,
    ConnectionFailed,
    ContextTooLong,
    IncompleteStream,
    InvalidRequest,
    MalformedResponse,
    ModelNotFound,
    Overloaded,
    PermissionDenied,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from headwater.errors.run import (
    ApprovalNeeded,
    BudgetExceeded,
    Cancelled,
    ConnectTimeout,
    CrashLoop,
    Declined,
    FirstTokenTimeout,
    GuardBlocked,
    IdleTimeout,
    ItemsRestarted,
    JournalUnavailable,
    LimitExceeded,
    MaxDepthReached,
    MaxHandoffsReached,
    MaxStepsReached,
    MCPUnavailable,
    ModelMisbehaved,
    OutputInvalid,
    Parked,
    RunLost,
    RunTimeout,
    StepTimeout,
    TimedOut,
    ToolCallInvalid,
    ToolFailed,
    ToolTimeout,
)
from headwater.errors.usage import (
    AlreadyAnswered,
    AnswerInvalid,
    ConfigurationError,
    DefinitionChanged,
    HistoryInvalid,
    InvalidRecord,
    InvalidTool,
    JournalMismatch,
    LogNotKept,
    LoopMisuse,
    MissingKey,
    ModelNotNamed,
    RunBusy,
    RunEnded,
    ThreadBusy,
    UnknownModel,
    UnknownQuestion,
    UnknownRun,
    UnsupportedSetting,
    UsageError,
)

__all__ = (
    "AlreadyAnswered",
    "AnswerInvalid",
    "ApprovalNeeded",
    "AuthenticationFailed",
    "BudgetExceeded",
    "Cancelled",
    "ConfigurationError",
    "ConnectTimeout",
    "ConnectionFailed",
    "ContextTooLong",
    "CrashLoop",
    "Declined",
    "DefinitionChanged",
    "FirstTokenTimeout",
    "GuardBlocked",
    "HeadwaterError",
    "HistoryInvalid",
    "IdleTimeout",
    "IncompleteStream",
    "InvalidRecord",
    "InvalidRequest",
    "InvalidTool",
    "ItemsRestarted",
    "JournalMismatch",
    "JournalUnavailable",
    "LimitExceeded",
    "LogNotKept",
    "LoopMisuse",
    "MCPUnavailable",
    "MalformedResponse",
    "MaxDepthReached",
    "MaxHandoffsReached",
    "MaxStepsReached",
    "MissingKey",
    "ModelMisbehaved",
    "ModelNotFound",
    "ModelNotNamed",
    "OutputInvalid",
    "Overloaded",
    "Parked",
    "PermissionDenied",
    "ProviderError",
    "QuotaExhausted",
    "RateLimited",
    "RunBusy",
    "RunEnded",
    "RunLost",
    "RunTimeout",
    "ServerError",
    "StepTimeout",
    "ThreadBusy",
    "TimedOut",
    "ToolCallInvalid",
    "ToolFailed",
    "ToolTimeout",
    "UnknownModel",
    "UnknownQuestion",
    "UnknownRun",
    "UnsupportedSetting",
    "UsageError",
)

for _name in __all__:  # tracebacks show the name that users import
    globals()[_name].__module__ = __name__
del _name
