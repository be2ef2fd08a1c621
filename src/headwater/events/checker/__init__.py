"""The laws of the log, as code: what a log of events must be for everyone who reads one to be right.

Theory of operation. A log is one tree of runs in one order. Each run stands between its `run.started` and its end, and
inside the run that it is part of; it goes from step to step. The picture, for grammar 2:

    run        = run.started  ( message.added | step | child | waiting )*  successor?  end
    end        = run.finished | run.failed | run.cancelled
    step       = step.started  attempt+  step.finished  tools
    attempt    = attempt.started  attempt.accepted?
                 ( part | call | source | file | provider.item | usage.reported )*
                 ( attempt.failed  retracted? )?
    part       = text.started  text.delta*  text.ended        and the same for reasoning; parts overlap freely
    call       = call.started  call.delta*  ( call.ready | call.rejected )
    tools      = ( question?  tool )*                                                        side by side
    question   = approval.asked  approval.answered?           one that is refused ends its call: no tool follows
    tool       = tool.started  ( tool.progress | child | input.asked  input.answered? )*  tool.finished
    child      = child.started  run?  child.finished          without a run: it was stopped, or could not begin
    waiting    = run.waiting                                  until the next event of the run or of one below
    successor  = handoff  child

`message.received`, `guard.tripped`, `warning`, `custom`, `raw` and what a newer writer knows may stand anywhere.

`step.finished` comes as soon as the model's answer is whole, before any of its tools runs: what a model said is on
record before anything is done because of it, so that nothing is done twice when the record is all that is left. Hence
the tools of a step stand between its `step.finished` and the next `step.started`, and all of them have ended by then.

A run can break off anywhere; then what is open is ended, innermost first, and the run's end follows. So these rules
hold for failed and cancelled runs as they do for finished ones, and a log that only stops is told by `finish` alone.

A log that stopped can be taken up: `run.resumed` in the outermost run says so for all runs below. What was at work is
then at work no more. An open attempt is ended, with `attempt.failed(then="resume")`, and another may follow; a tool
that had begun starts again, is asked about, or is finished with an error. Nothing else in the log may happen twice.

Each run keeps the rules of the grammar that its `run.started` names. In grammar 1, which is headwater 0.1's, there is
no going on, no question but for an approval, and no role; those rules are not applied to it, and never will be.

`rules` has every rule by its name. `log` reads a log; `run` is one run, which knows its `steps`, its `tools` and its
`children`. They keep what they need to judge the next event, and their own account of what was shown; what the events
come to they ask `fold`. They must never mend, guess or decide anything.
"""

from __future__ import annotations

from headwater.events.checker.log import LogChecker, check_log
from headwater.events.checker.rules import NEW_IN_GRAMMAR_2, RULES, LogError

__all__ = ("NEW_IN_GRAMMAR_2", "RULES", "LogChecker", "LogError", "check_log")
