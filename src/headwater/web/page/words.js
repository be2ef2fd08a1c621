// How numbers, times and names are written. Pure; owns no state.

export function seconds(value) {
  if (value == null || !Number.isFinite(value)) return "";
  const whole = Math.max(0, value);
  if (whole < 9.95) return `${whole.toFixed(1)} s`;
  if (whole < 99.5) return `${Math.round(whole)} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${Math.floor(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function precise(value) {
  return value == null ? "" : `${Math.max(0, value).toFixed(2)} s`;
}

const NUMBER = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });

export function count(value) {
  return NUMBER.format(value);
}

export function many(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

export function money(dollars) {
  const value = Number(dollars);
  return value >= 1 ? `$${value.toFixed(2)}` : `$${value.toPrecision(2)}`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

export function clock(unix) {
  return CLOCK.format(unix * 1000);
}

// Characters that reorder a line or steer a terminal: made visible, so that no text reads as another than it is.
const STEERING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

export function harmless(text) {
  return text.replace(STEERING, (one) => (one === "\r" ? "" : "\ufffd"));
}

export function clip(text, length) {
  return text.length > length ? `${text.slice(0, length)} …` : text;
}

export function oneLine(text, length = 160) {
  return clip(harmless(String(text).slice(0, 4 * length)).replace(/\s+/g, " ").trim(), length);
}

// Arguments as a person reads them: `city: "Oslo", days: 3`.
export function argumentsLine(value) {
  if (typeof value === "string") return oneLine(value);
  if (!value || typeof value !== "object") return "";
  return oneLine(
    Object.entries(value)
      .map(([name, one]) => `${name}: ${JSON.stringify(one)}`)
      .join(", "),
  );
}

// What a message of a conversation says, without what is not text.
export function messageText(message) {
  return (message.content ?? [])
    .map((part) => (part.type === "text" ? part.text : part.type === "image" ? "[image]" : part.type === "file" ? `[${part.name || "file"}]` : ""))
    .filter(Boolean)
    .join("\n");
}

export function resultText(result) {
  if (typeof result === "string") return result;
  if (!Array.isArray(result)) return result == null ? "" : JSON.stringify(result);
  return messageText({ content: result });
}
