// The keys.
import { Component } from "../vendor/preact.mjs";
import { html } from "../html.js";

const KEYS = [["N", "a new conversation or run"], ["/", "write"], ["Esc", "stop the run"], ["Space", "play, pause"], ["← →", "one event back, on"], ["A", "approve the call"], ["D", "deny it"], ["L", "go live"], ["?", "this list"]];

export class Help extends Component {
  componentDidUpdate() {
    const { state } = this.props;
    if (state.help && !this.dialog.open) this.dialog.showModal();
    if (!state.help && this.dialog.open) this.dialog.close();
  }

  render({ state }) {
    const close = () => {
      state.help = false;
      state.changed();
    };
    return html`<dialog class="help" ref=${(dialog) => (this.dialog = dialog)} onClose=${close} aria-label="Keys">
      <h2>Keys</h2><dl>${KEYS.map(([key, what]) => html`<dt><kbd>${key}</kbd></dt><dd>${what}</dd>`)}</dl>
      <button type="button" onClick=${close}>Close</button>
    </dialog>`;
  }
}
