// The field for the server's token, in the place of everything that needs one.
import { Component } from "../vendor/preact.mjs";
import { html } from "../html.js";
import { harmless } from "../words.js";

export class Lock extends Component {
  componentDidMount() {
    this.field.focus();
  }

  enter = (event) => {
    event.preventDefault();
    const { state } = this.props;
    state.enter(this.field.value.trim()).then(() => this.field?.select());
  };

  render({ state }) {
    const wrong = state.wrong ? "This is not the token of this server." : state.problem?.message;
    return html`<main id="main" tabindex="-1" class="talk"><form class="body" onSubmit=${this.enter}>
      <h2 class="title">This server asks for a token</h2>
      <p>It was started with <code>--token</code> or <code>HEADWATER_TOKEN</code>.</p>
      <label class="field"><span>Token</span><input type="password" autocomplete="off" required ref=${(field) => (this.field = field)} /></label>
      ${wrong ? html`<p class="wrong" role="alert">${harmless(wrong)}</p>` : null}
      <div class="row"><button>Open</button></div>
    </form></main>`;
  }
}
