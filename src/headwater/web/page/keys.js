// The keyboard. A key acts only where nobody is writing, and never where it does something of its own.

const WRITES = new Set(["TEXTAREA", "INPUT", "SELECT"]);

export function listen(state) {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      if (state.help) return; // the dialog closes itself
      if (event.target.matches("textarea, input, select, .ask")) event.target.blur();
      else if (state.pickingOther || state.otherId) state.go(state.runId);
      else state.stop();
      return;
    }
    if (WRITES.has(event.target.tagName)) return;
    const act = ACTS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || (event.key === " " && event.target.closest("button, summary, a"))) return;
    if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && event.target.closest("pre, .scroll")) return;
    if (act(state) !== false) event.preventDefault();
  });
}

const ACTS = {
  n: (state) => state.go(null),
  "/": () => document.getElementById("say")?.focus(),
  "?": (state) => {
    state.help = true;
    state.changed();
  },
  " ": (state) => state.playPause(),
  l: (state) => state.goLive(),
  ArrowLeft: (state) => state.step(-1),
  ArrowRight: (state) => state.step(1),
  a: (state) => decide(state, true),
  d: (state) => decide(state, false),
};

function decide(state, allowed) {
  const question = state.log.fold.asked.find((one) => one.kind === "approval");
  if (!question || state.saved || !state.log.isLive) return false;
  state.decide(question, { allowed });
  return true;
}
