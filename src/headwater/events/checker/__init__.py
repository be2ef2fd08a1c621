"""The laws of the log, as code: what every log of events must satisfy so that its readers are right.

Theory of operation. A log is one tree of runs in one order. Each run lies between its `run.started` and its end, and
inside the run that it is part of; it proceeds step by step. The grammar, version 2:

    run        = run.started  ( message.added | step | child | waiting )*  successor?  end
    end        = run.finished | run.failed | run.cancelled
    step       = step.started  attempt+  step.finished  tools
    attempt    = attempt.started  attempt.accepted?
                 ( part | call | source | file | provider.item | usage.reported )*
                 ( attempt.failed  retracted? )?
    part       = text.started  text.delta*  text.ended        and the same for reasoning; parts overlap freely
    call       = call.started  call.delta*  ( call.ready | call.rejected )
    tools      = ( question?  tool )*                                                        side by side
    question   = approval.asked  approval.answered?           a refusal ends its call: no tool follows
    tool       = tool.started  ( tool.progress | child | input.asked  input.answered? )*  tool.finished
    child      = child.started  run?  child.finished          without a run: it was cancelled or could not start
    waiting    = run.waiting                                  until the next event of the run or a child run
    successor  = handoff  child

`message.received`, `guard.tripped`, `warning`, `custom`, `raw` and events of newer versions may appear anywhere.

`step.finished` comes as soon as the model's answer is complete, before any of its tools runs: the model's words are
recorded before anything acts on them, so that nothing is done twice if only the record is left. Hence the tools of a
step lie between its `step.finished` and the next `step.started`, and all of them have ended by then.

A run can stop anywhere; then everything open is ended, innermost first, and the run's end follows. So these rules
apply to failed and cancelled runs as they do to finished ones, and only `finish` detects a log that just stops.

A log that stopped can be resumed: `run.resumed` in the outermost run marks that for all runs below. Whatever was
running was interrupted. An open attempt is ended, with `attempt.failed(then="resume")`, and another may follow; a tool
that had started starts again, is asked about, or is finished with an error. Nothing else in the log may happen twice.

Each run follows the grammar that its `run.started` names. Grammar 1, that of headwater 0.1, has no resuming, no
questions except approvals, and no roles; those rules are not applied to it, and never will be.

`rules` has every rule by its name. `log` reads a log; `run` is one run, with its `steps`, its `tools` and its
`children`. They keep the state that they need to check the next event, and their own record of what was shown; they
compare the results with those of `fold`. They must never repair, guess or decide anything.
"""

from __future__ import annotations

from headwater.events.checker.log import LogChecker, check_log
from headwater.events.checker.rules import NEW_IN_GRAMMAR_2, RULES, LogError

__all__ = ("NEW_IN_GRAMMAR_2", "RULES", "LogChecker", "LogError", "check_log")
