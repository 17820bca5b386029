/** One event of a stream: its data, and the last id that the stream had until then. */
export interface StreamEvent {
  readonly data: string;
  readonly id: string | undefined;
}

/** Characters that one event may have: a stream without an end of line would fill the memory. */
const MAX_CHARACTERS = 1 << 24;

/** Reads a text as server-sent events, piece by piece. The names of events are left aside. */
export class EventStreamParser {
  /** Milliseconds that the server wants its clients to wait before they come back. */
  retryMs: number | undefined;
  #rest = "";
  #data: string[] = [];
  #characters = 0;
  #id: string | undefined;
  #first = true;

  /** The events that end in this piece. Throws a RangeError for one that is too long. */
  feed(piece: string): readonly StreamEvent[] {
    const text = this.#rest + (this.#first ? piece.replace(/^\uFEFF/, "") : piece);
    this.#first &&= piece === "";
    // A CR at the end may be half of a CRLF.
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    const events = lines.flatMap((line) => this.#line(line));
    if (this.#rest.length + this.#characters > MAX_CHARACTERS) {
      throw new RangeError("an event of the stream is too long");
    }
    return events;
  }

  #line(line: string): readonly StreamEvent[] {
    if (line === "") {
      return this.#dispatch();
    }
    const [, name = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/su.exec(line) ?? [];
    if (name === "data") {
      this.#data.push(value);
      this.#characters += value.length;
    } else if (name === "id" && !value.includes("\0")) {
      this.#id = value;
    } else if (name === "retry" && /^\d+$/.test(value)) {
      this.retryMs = Number(value);
    }
    return [];
  }

  #dispatch(): readonly StreamEvent[] {
    if (this.#data.length === 0) {
      return [];
    }
    const event = { data: this.#data.join("\n"), id: this.#id };
    this.#data = [];
    this.#characters = 0;
    return [event];
  }
}
