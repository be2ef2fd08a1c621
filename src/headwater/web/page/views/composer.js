// Where a person writes: the task of a new run, a word to agents at work, the next message of a conversation.
import { html } from "../html.js";
import { harmless } from "../words.js";
import { Paced } from "./paced.js";
import { named } from "./parts.js";

const TALLEST = 240; // pixels of the text area, from where it scrolls

export class Composer extends Paced {
  static every = 250;

  typed = (event) => {
    this.props.state.draft = event.target.value;
    this.fit();
    this.setState({});
  };

  fit() {
    this.area.style.height = "auto";
    const wanted = this.area.scrollHeight + 2;
    this.area.style.height = `${Math.min(wanted, TALLEST)}px`;
    this.area.style.overflowY = wanted > TALLEST ? "auto" : "hidden";
  }

  keyed = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.send(event);
    }
  };

  send = (event) => {
    event.preventDefault();
    this.props.state.send().then(() => {
      this.fit();
      this.area.focus();
    });
  };

  pasted = (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) {
      event.preventDefault();
      this.props.state.attach(files);
    }
  };

  dropped = (event) => {
    event.preventDefault();
    this.props.state.attach([...event.dataTransfer.files]);
  };

  render({ state }) {
    const { fold } = state.log;
    const working = !state.composing && fold.root && !fold.over;
    const addressee = working ? state.addressee : null;
    const flow = state.composing || fold.root?.isWorkflow;
    const label = flow && !working ? "Your task" : working ? "Say something to the agents at work" : "Your next message";
    const place = working ? "Send a message …" : flow ? "A task …" : "Reply …";
    return html`<form class="composer" onSubmit=${this.send} onDrop=${this.dropped} onDragOver=${(event) => event.preventDefault()}>
      ${state.problem ? html`<p class="wrong" role="alert">${harmless(state.problem.message)}${state.problem.hint ? ` ${harmless(state.problem.hint)}` : ""}</p>` : null}
      ${state.attached.length ? html`<ul class="attached">${state.attached.map((one, at) => html`<li><span>${harmless(one.name)}</span><button type="button" class="icon" aria-label=${`Take ${one.name} away`} onClick=${() => state.detach(at)}>×</button></li>`)}</ul>` : null}
      <div class="write">
        <textarea id="say" rows="1" aria-label=${label} ref=${(area) => (this.area = area)} placeholder=${place} value=${state.draft} onInput=${this.typed} onKeyDown=${this.keyed} onPaste=${this.pasted}></textarea>
        <label class="icon attach" title="Attach images or files"><span class="hide">Attach images or files</span>
          <svg viewBox="0 0 16 16" aria-hidden="true"><path d="M10.8 4.7 6.1 9.4a1.5 1.5 0 0 0 2.1 2.1l5-5a3 3 0 0 0-4.2-4.2l-5.2 5.2a4.4 4.4 0 0 0 6.2 6.2l3.6-3.6" /></svg>
          <input type="file" class="hide" multiple onChange=${(event) => { state.attach([...event.target.files]); event.target.value = ""; }} /></label>
        <button class="send" disabled=${!state.draft.trim() && !state.attached.length}>${working ? "Say" : flow ? "Run" : "Send"}</button>
      </div>
      <p class="hint muted">
        ${working
          ? html`<span>Sent before the next step${addressee ? " of" : ""}</span>${addressee ? html`<span class="chip">${named(addressee)}</span>` : null}`
          : html`<span>to ${harmless(state.composing ? state.agent : (fold.root?.agent ?? ""))}</span>`}
        ${state.composing || working ? null : html`<button type="button" class="quiet small" onClick=${() => state.go(null)}>${state.anew}</button>`}
        <span class="grow"></span><kbd class="wide">Enter</kbd></p>
    </form>`;
  }
}
