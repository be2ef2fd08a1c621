// Reads a request as JSON from standard input, asks the page's own modules, and prints the answer as JSON.
import { readFileSync } from "node:fs";

const request = JSON.parse(readFileSync(0, "utf8"));
const load = (path) => import(`${request.page}/${path}`);

const ASKED = {
  // What each run of a log comes to, and that every beginning of it can be folded.
  async fold({ logs }) {
    const { Fold } = await load("fold.js");
    const told = {};
    for (const [name, events] of Object.entries(logs)) {
      const fold = new Fold();
      for (const event of events) {
        fold.add(event);
        fold.rows();
        for (const run of fold.runs.values()) void [run.text, run.tokens, run.tokensPerSecond, run.hue];
      }
      told[name] = Object.fromEntries([...fold.runs].map(([id, run]) => [id, {
        text: run.text, state: run.state, path: run.path, tokens: run.usage?.output_tokens ?? null, model: run.model, started: run.started, ended: run.ended,
        firstToken: run.firstToken, bars: run.bars, questions: fold.asked.length, tools: [...run.calls.values()].map(({ key, name: tool, state, result, error }) => ({ key, tool, state, result, error })),
      }]));
    }
    return told;
  },
  // Going anywhere in a log shows what folding it up to there shows.
  async seek({ events, places }) {
    const { Log } = await load("log.js");
    const { Fold } = await load("fold.js");
    const log = new Log();
    log.push(events);
    const values = (name, value) => (value instanceof Map ? [...value] : name === "call" && typeof value === "object" ? undefined : value);
    const seen = (fold) => JSON.stringify([...fold.runs.values()], values);
    return places.filter((place) => {
      log.seek(place);
      const fold = new Fold();
      events.slice(0, place).forEach((event) => fold.add(event));
      return seen(log.fold) !== seen(fold);
    });
  },
  // For each text and its cuts: whether reading it as it grew gave the same elements as reading it at once.
  async blocks({ texts }) {
    const { Blocks } = await load("markdown.js");
    const plain = (one) => JSON.stringify(one, (name, value) => (name.startsWith("__") || name === "constructor" || name === "key" || name === "ref" ? undefined : typeof value === "function" ? value.name : value));
    return texts.filter(({ text, cuts }) => {
      const growing = new Blocks();
      let last = null;
      for (const cut of [...cuts, text.length]) last = growing.read(text.slice(0, cut));
      return plain(last.flat().filter((one) => one != null)) !== plain(new Blocks().read(text).flat().filter((one) => one != null));
    });
  },
  // What each text shows while it is being written: its words, and the kinds of elements they are in.
  async writing({ texts }) {
    const { Blocks } = await load("markdown.js");
    const words = (node) => (Array.isArray(node) ? node.map(words).join("") : typeof node === "string" ? node : node?.props ? words(node.props.children ?? node.props.text) : "");
    const kinds = (node) => (Array.isArray(node) ? node.flatMap(kinds) : node?.props ? [typeof node.type === "string" ? node.type : "", ...kinds(node.props.children)] : []);
    return texts.map((text) => {
      const made = new Blocks().read(text, true);
      return [words(made), kinds(made)];
    });
  },
  // Whether the elements of a hostile text hold a link or a picture that does something.
  async links({ texts }) {
    const { Blocks } = await load("markdown.js");
    const found = [];
    const walk = (node) => {
      if (Array.isArray(node)) node.forEach(walk);
      else if (node && typeof node === "object") {
        if (typeof node.type === "string") found.push([node.type, node.props?.href ?? node.props?.src ?? null]);
        walk(node.props?.children);
      }
    };
    texts.forEach((text) => walk(new Blocks().read(text)));
    return found;
  },
  async diff({ pairs }) {
    globalThis.addEventListener = () => {};
    globalThis.matchMedia = () => ({ addEventListener() {} });
    const { difference } = await load("views/compare.js");
    return pairs.map(([a, b]) => difference(a, b));
  },
};

console.log(JSON.stringify(await ASKED[request.ask](request)));
