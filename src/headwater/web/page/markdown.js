// Markdown as it streams: text in, elements out. marked cuts the text into tokens; every token becomes an element here,
// and no HTML is ever parsed. Blocks that are whole are drawn once and kept; only what is open is read again.
import { cloneElement, Component } from "./vendor/preact.mjs";
import { lexer } from "./vendor/marked.mjs";
import { html } from "./html.js";
import { close } from "./unclosed.js";
import { harmless } from "./words.js";

const OPEN_BLOCKS = 2; // how many blocks at the end may still change their kind: a table's head is a paragraph first

const DEFINES = /^[ >]{0,6}\[[^\]\n]*(?:\n[^\]\n]+)*\]:/m; // the definition of a link: [name]: address

const LINKS = /^(https?:|mailto:)/i;
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };

// The blocks of a growing text. `read` may be called with any longer text; what it returns equals reading it at once.
// While the text is being written (`open`), marks that have no end yet are drawn as if they had.
export class Blocks {
  constructor() {
    this.closed = []; // elements of whole blocks
    this.length = 0; // how much of the text they are
  }

  read(text, open = false) {
    // A definition changes blocks that stand before it. Texts with one are rare: those are read as a whole each time.
    if (DEFINES.test(text)) return read(text, open).map(block);
    const rest = text.slice(this.length);
    const tokens = read(rest, open);
    let closing = tokens.length;
    for (let kept = 0; closing > 0 && kept < OPEN_BLOCKS; ) {
      closing -= 1;
      if (tokens[closing].type !== "space") kept += 1;
    }
    const whole = tokens.slice(0, closing);
    const raw = whole.reduce((sum, token) => sum + token.raw.length, 0);
    // marked may have read tabs or carriage returns as something else: then lengths mean nothing, so nothing is closed.
    if (whole.length && rest.startsWith(whole.map((token) => token.raw).join(""))) {
      for (const token of whole) if (token.type !== "space") this.closed.push(block(token, this.closed.length));
      this.length += raw;
      return [...this.closed, ...tokens.slice(closing).map((token, at) => block(token, this.closed.length + at))];
    }
    return [...this.closed, ...tokens.map((token, at) => block(token, this.closed.length + at))];
  }
}

export class Prose extends Component {
  constructor() {
    super();
    this.blocks = new Blocks();
  }

  shouldComponentUpdate(next) {
    return next.text !== this.props.text || next.open !== this.props.open;
  }

  render({ text, open }) {
    if (text.length < this.blocks.length) this.blocks = new Blocks();
    return html`<div class=${open ? "prose cursor" : "prose"} dir="auto">${this.blocks.read(harmless(text), open)}</div>`;
  }
}

function read(text, open) {
  const tokens = lexer(text);
  if (open) close(tokens.at(-1));
  return tokens;
}

export function elements(text) {
  return read(harmless(text)).map(block);
}

const WITHIN = new Set(["strong", "em", "del", "code", "a", "span", "br"]);

// The same elements with what `say` makes of each of their texts, in order; it is told "\n" where a block ends.
export function retold(node, say) {
  if (Array.isArray(node)) return node.map((one) => retold(one, say));
  if (typeof node === "string") return say(node);
  if (!node?.props) return node;
  const told = node.type === Code ? cloneElement(node, { told: say(node.props.text) }) : cloneElement(node, null, retold(node.props.children, say));
  if (!WITHIN.has(node.type)) say("\n");
  return told;
}

// --- tokens to elements

function block(token, key) {
  switch (token.type) {
    case "space":
      return null;
    case "heading":
      return html`<${`h${Math.min(6, token.depth + 2)}`} key=${key} class="d${token.depth}">${inline(token.tokens)}<//>`;
    case "paragraph":
      return html`<p key=${key}>${inline(token.tokens)}</p>`;
    case "text":
      return html`<span key=${key}>${token.tokens ? inline(token.tokens) : plain(token.text)}</span>`;
    case "code":
      return html`<${Code} key=${key} text=${token.text} language=${(token.lang ?? "").split(/\s/, 1)[0]} />`;
    case "blockquote":
      return html`<blockquote key=${key}>${token.tokens.map(block)}</blockquote>`;
    case "list":
      return token.ordered
        ? html`<ol key=${key} start=${token.start === "" ? 1 : token.start}>${token.items.map(item)}</ol>`
        : html`<ul key=${key} class=${token.items.some((one) => one.task) ? "tasks" : null}>${token.items.map(item)}</ul>`;
    case "table":
      return html`<div key=${key} class="scroll" tabindex="0"><table>
        <thead><tr>${token.header.map((cell, at) => html`<th scope="col" class=${side(token.align[at])}>${inline(cell.tokens)}</th>`)}</tr></thead>
        <tbody>${token.rows.map((row) => html`<tr>${row.map((cell, at) => html`<td class=${side(token.align[at])}>${inline(cell.tokens)}</td>`)}</tr>`)}</tbody>
      </table></div>`;
    case "hr":
      return html`<hr key=${key} />`;
    case "checkbox":
      return null; // its item draws it
    case "def":
      return null;
    default: // HTML, and whatever a newer marked knows, is shown as it was written
      return html`<p key=${key}>${token.raw.trimEnd()}</p>`;
  }
}

function side(align) {
  return align === "right" ? "right" : align === "center" ? "center" : null;
}

function item(token, key) {
  const box = token.task ? html`<span class="box" aria-label=${token.checked ? "done" : "to do"}>${token.checked ? "☑" : "☐"}</span>` : null;
  return html`<li key=${key}>${box}${token.tokens.map(block)}</li>`;
}

function inline(tokens) {
  return (tokens ?? []).map((token) => {
    switch (token.type) {
      case "text":
      case "escape":
        return token.tokens ? inline(token.tokens) : plain(token.text);
      case "strong":
        return html`<strong>${inline(token.tokens)}</strong>`;
      case "em":
        return html`<em>${inline(token.tokens)}</em>`;
      case "del":
        return html`<del>${inline(token.tokens)}</del>`;
      case "codespan":
        return html`<code>${token.text}</code>`;
      case "br":
        return html`<br />`;
      case "link":
        return link(token.href, inline(token.tokens));
      case "image": // nothing is fetched from elsewhere because a model says so
        return link(token.href, plain(token.text || "picture"));
      case "checkbox":
        return null;
      default:
        return token.raw;
    }
  });
}

export function link(href, inner) {
  if (!LINKS.test(href ?? "")) return html`<span class="dead">${inner}</span>`;
  return html`<a href=${href} target="_blank" rel="noopener noreferrer nofollow">${inner}</a>`;
}

function plain(text) {
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]+));/gi, (whole, decimal, hex, name) => {
    if (name) return ENTITIES[name.toLowerCase()] ?? whole;
    const code = decimal ? Number(decimal) : Number.parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff ? harmless(String.fromCodePoint(code)) : "\ufffd";
  });
}

class Code extends Component {
  copy = () => {
    navigator.clipboard?.writeText(this.props.text).then(() => {
      this.setState({ copied: true });
      setTimeout(() => this.setState({ copied: false }), 1500);
    });
  };

  shouldComponentUpdate(next, state) {
    return next.text !== this.props.text || next.told !== this.props.told || state.copied !== this.state.copied;
  }

  render({ text, told, language }, { copied }) {
    return html`<figure class="code">
      <figcaption><span>${language}</span><button type="button" class="quiet small" onClick=${this.copy}>${copied ? "Copied" : "Copy"}</button></figcaption>
      <pre tabindex="0"><code>${told ?? text}</code></pre>
    </figure>`;
  }
}
