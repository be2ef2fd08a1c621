// A question to a person: whether a tool may run, or a form that a tool wants filled in. Shows what is asked and hands
// the answer to the state; who may answer is the server's to say.
import { Component } from "../vendor/preact.mjs";
import { html } from "../html.js";
import { link } from "../markdown.js";
import { harmless, seconds } from "../words.js";

export class Ask extends Component {
  // Whoever has just sent a message, and writes none, is taken to the question, which is then read out: its keys would be
  // letters in the box.
  componentDidMount() {
    const box = document.activeElement;
    if (box.id === "say" && !box.value && this.props.state.log.isLive) this.element.focus({ preventScroll: true });
  }

  render({ question, run, state }) {
    const left = question.until !== null ? question.until - state.now() : null;
    const what = question.kind === "approval" ? `May I call ${question.name}?` : question.message;
    return html`<div class="ask" role="group" tabindex="-1" aria-label=${harmless(`${run.name} asks: ${what}`)} ref=${(element) => (this.element = element)}>
      ${question.kind === "approval" ? html`<${Approval} question=${question} state=${state} />` : html`<${Form} question=${question} state=${state} />`}
      ${left !== null ? html`<p class="muted num">lapses in ${seconds(left)}</p>` : null}
    </div>`;
  }
}

class Approval extends Component {
  change = () => this.setState({ changing: JSON.stringify(this.props.question.arguments, null, 2), wrong: "" });

  allow = () => {
    const given = { allowed: true, note: this.state.note || undefined, for_run: this.state.always || undefined };
    if (this.state.changing !== undefined) {
      try {
        given.arguments = JSON.parse(this.state.changing);
      } catch (problem) {
        return this.setState({ wrong: `This is not valid JSON: ${problem.message}` });
      }
    }
    this.props.state.decide(this.props.question, given);
    return undefined;
  };

  deny = () => this.props.state.decide(this.props.question, { allowed: false, note: this.state.note || undefined });

  render({ question, state }, { changing, wrong, note, always }) {
    const given = Object.entries(question.arguments);
    return html`<p><b>May I call </b><code>${harmless(question.name)}</code><b>?</b>${question.reason ? html` <span class="why">${harmless(question.reason)}</span>` : null}</p>
      ${changing === undefined
        ? html`<dl>${given.map(([name, value]) => html`<dt>${harmless(name)}</dt><dd>${harmless(typeof value === "string" ? value : JSON.stringify(value))}</dd>`)}</dl>`
        : html`<label class="field"><span>Arguments</span><textarea rows=${Math.min(12, changing.split("\n").length)} spellcheck="false" value=${changing}
            onInput=${(event) => this.setState({ changing: event.target.value, wrong: "" })}></textarea></label>`}
      ${wrong ? html`<p class="wrong" role="alert">${wrong}</p>` : null}
      ${state.saved
        ? null
        : html`<label class="field"><span>Note</span><input type="text" value=${note ?? ""} placeholder="What the model should know (optional)" onInput=${(event) => this.setState({ note: event.target.value })} /></label>
      <div class="row">
        <button type="button" class="yes" onClick=${this.allow}>Approve<kbd class="wide">A</kbd></button>
        ${changing === undefined ? html`<button type="button" onClick=${this.change}>Change …</button>` : null}
        <button type="button" onClick=${this.deny}>Deny<kbd class="wide">D</kbd></button>
        <label class="check"><input type="checkbox" checked=${always} onChange=${(event) => this.setState({ always: event.target.checked })} /> for the rest of the run</label>
      </div>`}`;
  }
}

class Form extends Component {
  fields() {
    const { properties } = this.props.question.schema;
    return properties && typeof properties === "object" ? Object.entries(properties) : null;
  }

  send = (event) => {
    event.preventDefault();
    const { question, state } = this.props;
    const fields = this.fields();
    try {
      const content = fields ? this.filled(fields) : JSON.parse(this.state.raw ?? '""');
      state.answer(question, { action: "accept", content });
    } catch (problem) {
      this.setState({ wrong: problem.message });
    }
  };

  filled(fields) {
    const content = {};
    for (const [name, schema] of fields) {
      const value = this.state[name] ?? schema.default;
      if (value === undefined || value === "") continue;
      content[name] = valueOf(value, schema);
    }
    return content;
  }

  render({ question, state }, { wrong, raw }) {
    const fields = this.fields();
    const required = new Set(question.schema.required ?? []);
    return html`<p><b>${harmless(question.message || `${question.name} asks`)}</b></p>
      ${question.url ? html`<p>${link(question.url, harmless(question.url))}</p>` : null}
      ${state.saved
        ? null
        : html`<form onSubmit=${this.send}>
        ${fields
          ? fields.map(([name, schema]) => html`<label class="field"><span>${harmless(schema.title ?? name)}${required.has(name) ? "" : " (optional)"}</span>
              ${this.input(name, schema, required.has(name))}</label>`)
          : Object.keys(question.schema).length || !question.url
            ? html`<label class="field"><span>Answer, as JSON</span><textarea rows="2" value=${raw ?? '""'} onInput=${(event) => this.setState({ raw: event.target.value, wrong: "" })}></textarea></label>`
            : null}
        ${wrong ? html`<p class="wrong" role="alert">${wrong}</p>` : null}
        <div class="row"><button class="yes">Answer</button><button type="button" onClick=${() => state.answer(question, { action: "decline" })}>Decline</button></div>
      </form>`}`;
  }

  input(name, schema, required) {
    const set = (value) => this.setState({ [name]: value, wrong: "" });
    const value = this.state[name] ?? schema.default ?? "";
    const choices = schema.enum ?? null;
    if (choices)
      return html`<select required=${required} onChange=${(event) => set(event.target.value)}><option value=""></option>${choices.map((one) => html`<option selected=${one === value}>${String(one)}</option>`)}</select>`;
    if (schema.type === "boolean") return html`<input type="checkbox" checked=${value === true} onChange=${(event) => set(event.target.checked)} />`;
    const kind = schema.type === "integer" || schema.type === "number" ? "number" : "text";
    return html`<input type=${kind} step=${schema.type === "integer" ? 1 : "any"} required=${required} value=${value} onInput=${(event) => set(event.target.value)} />`;
  }
}

function valueOf(value, schema) {
  if (schema.type === "integer" || schema.type === "number") return Number(value);
  if (schema.type === "object" || schema.type === "array") return typeof value === "string" ? JSON.parse(value) : value;
  if (schema.enum) return schema.enum.find((one) => String(one) === String(value)) ?? value;
  return value;
}
