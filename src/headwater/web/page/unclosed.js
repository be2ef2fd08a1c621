// What a text that is still being written has opened and not closed: it is drawn as if it were closed, so that no mark
// is shown that vanishes with the next words. Only the last words are changed, never what is whole.
import { Lexer } from "./vendor/marked.mjs";

const MARKS = /\*\*|__|~~|[*_]|`+/g;
const LAST_MARKS = /(?<!\\)[*_~`]+$/; // half of a mark, or one that has nothing in it yet
const HEAD = /^\|([^\n]*?)\|?\s*(\n[\s|:-]*)?$/; // the first row of a table, whose rule is not whole
const LAST_LINK = /!?\[([^\]\n]*)\]\([^)\n]*$/; // a link whose address is not whole

// Closes the last words of a token of marked, in place.
export function close(token) {
  if (token === undefined) return;
  if (token.type === "list") return close(token.items.at(-1));
  if (token.type === "table") return close(token.rows.at(-1)?.findLast((cell) => cell.text));
  if (token.type === "list_item" || token.type === "blockquote") return close(token.tokens.at(-1));
  if (!token.tokens) return;
  const [, head] = token.type === "paragraph" ? (HEAD.exec(token.text) ?? []) : [];
  if (head) {
    const header = head.split("|").map((text) => ({ tokens: Lexer.lexInline(text.trim()) }));
    return Object.assign(token, { type: "table", header, align: [], rows: [] });
  }
  const text = token.text.trimEnd().replace(LAST_LINK, "$1").replace(LAST_MARKS, "").trimEnd();
  const marks = missing(Lexer.lexInline(text));
  if (marks || text !== token.text) token.tokens = Lexer.lexInline(text + marks);
}

// The marks that close what is open, innermost first. marked leaves a mark that it finds no end for in the text.
function missing(tokens) {
  const open = [];
  for (const [at, token] of tokens.entries()) {
    if (token.type !== "text") continue;
    for (const { 0: mark, index } of token.raw.matchAll(MARKS)) {
      const before = token.raw[index - 1] ?? " ";
      const after = token.raw[index + mark.length] ?? (at + 1 < tokens.length ? "x" : " ");
      if (mark[0] === "`") return [...open, mark].reverse().join(""); // in code the others are text
      if (/\S/.test(after) && (mark.length === 2 || !/\w/.test(before))) open.push(mark);
    }
  }
  return open.reverse().join("");
}
