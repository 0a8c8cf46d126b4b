/** One server-sent event. `id` is empty for an event that has none of its own. */
export interface Frame {
  id: string;
  event: string;
  data: string;
}

/** Reads server-sent events out of text that comes in pieces of any size. */
export class SseParser {
  /** What the server asked to wait before coming back, in milliseconds. */
  retry: number | undefined;
  #rest = "";
  #begun = false;
  #id = "";
  #event = "";
  #data: string[] = [];

  /** Takes a piece and returns the events that it completes. */
  push(piece: string): Frame[] {
    const text = this.#rest + (this.#begun ? piece : piece.replace(/^\uFEFF/, ""));
    this.#begun ||= piece !== "";
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line: string): Frame[] {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return [];
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    this.#field(name, value);
    return [];
  }

  #field(name: string, value: string): void {
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#event = value;
    else if (name === "id" && !value.includes("\u0000")) this.#id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }

  #dispatch(): Frame[] {
    const frame = { id: this.#id, event: this.#event || "message", data: this.#data.join("\n") };
    const complete = this.#data.length > 0;
    this.#id = "";
    this.#event = "";
    this.#data = [];
    return complete ? [frame] : [];
  }
}
