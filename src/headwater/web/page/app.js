// The page: puts the panes together and draws them, once a frame at most.
import { Component, render } from "./vendor/preact.mjs";
import { html } from "./html.js";
import { listen } from "./keys.js";
import { State } from "./state.js";
import { TopBar } from "./views/bar.js";
import { Compare } from "./views/compare.js";
import { Composer } from "./views/composer.js";
import { Help } from "./views/help.js";
import { Inspect } from "./views/inspect.js";
import { Lock } from "./views/lock.js";
import { Runs } from "./views/runs.js";
import { Scrub } from "./views/scrub.js";
import { Talk } from "./views/talk.js";
import { Timeline } from "./views/timeline.js";
import { Welcome } from "./views/welcome.js";

const TABS = [["talk", "Talk"], ["time", "Timeline"], ["look", "Inspect"], ["runs", "Runs"]];

class App extends Component {
  render({ state }) {
    const title = state.composing ? "headwater" : `${state.log.fold.root?.agent ?? "run"} · headwater`;
    if (document.title !== title) document.title = title;
    document.body.dataset.view = state.view;
    document.body.classList.toggle("saved", state.saved);
    return html`<a class="skip" href="#main">Skip to the run</a>
      <${TopBar} state=${state} />
      ${state.other || state.locked ? null : html`<nav class="tabs" aria-label="Views">${TABS.filter(([view]) => !(state.saved && view === "runs")).map(([view, word]) => html`<button type="button" aria-pressed=${String(state.view === view)} onClick=${() => { state.view = view; state.changed(); }}>${word}</button>`)}</nav>`}
      ${state.locked ? html`<${Lock} state=${state} />` : state.other ? html`<${Compare} state=${state} />` : this.run(state)}
      <${Help} state=${state} />`;
  }

  run(state) {
    return html`<main id="main" tabindex="-1" class=${state.composing ? "grid composing" : "grid"}>
      ${state.saved ? null : html`<${Runs} state=${state} />`}
      ${state.composing ? html`<${Welcome} state=${state} />` : html`<${Talk} state=${state} runId=${state.runId} />`}
      ${state.saved ? null : html`<${Composer} state=${state} />`}
      ${state.composing ? null : html`<${Timeline} state=${state} /><${Inspect} state=${state} /><${Scrub} state=${state} />`}
    </main>`;
  }
}

function begin() {
  try {
    const theme = localStorage.getItem("theme");
    if (theme) document.documentElement.dataset.theme = theme;
  } catch {
    // a page from disk may have no storage
  }
  const place = document.getElementById("app");
  let due = false;
  const draw = () => {
    due = false;
    state.tick();
    render(html`<${App} state=${state} />`, place);
  };
  const state = new State(() => {
    if (due) return;
    due = true;
    requestAnimationFrame(draw);
  });
  listen(state);
  draw();
  state.begin();
}

begin();
