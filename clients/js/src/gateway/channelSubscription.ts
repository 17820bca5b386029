import { isObject } from "../json.js";
import type { EventPayload, Position, Subscribed } from "./messages.js";

const TERMINAL_TYPES: ReadonlySet<string> = new Set(["task.completed", "task.failed", "task.cancelled"]);

/** The events that ask something, and the member that names the question. */
const NAMED_BY: Readonly<Record<string, string>> = { "step.confirm": "step_id", "agent.client_tool_call": "call_id" };

/** How many topics of a channel that is held whole are taken up where they were left: the newest. */
const MAX_FOLLOWED = 500;

/** How many questions are remembered as asked: the newest. */
const MAX_ASKED = 100;

/** What is subscribed to in one channel, and how far each of its topics was read. */
export class ChannelSubscription {
  /** The whole channel is held, beside what is held by name. */
  whole = false;
  readonly #named = new Set<string>();
  /** In the order of the last event. */
  readonly #positions = new Map<string, Position>();
  readonly #asked = new Set<string>();

  get named(): readonly string[] {
    return [...this.#named];
  }

  get isEmpty(): boolean {
    return !this.whole && this.#named.size === 0;
  }

  /** The positions of those topics that are held by name, or only through the whole channel. */
  positions(kind: "named" | "followed"): Readonly<Record<string, Position>> {
    const wanted = [...this.#positions].filter(([topic]) => this.#named.has(topic) === (kind === "named"));
    return Object.fromEntries(wanted);
  }

  /** Takes up what a reply says. It comes before the events that it speaks of. Returns the topics that are gone. */
  subscribed({ topics, positions }: Subscribed): readonly (readonly [string, Position])[] {
    this.whole ||= topics.length === 0;
    for (const topic of topics) {
      this.#named.add(topic);
    }
    const gone: (readonly [string, Position])[] = [];
    for (const [topic, { epoch, offset }] of Object.entries(positions)) {
      const known = this.#positions.get(topic);
      if (epoch !== undefined && offset !== undefined) {
        this.#read(topic, { epoch, offset });
      } else if (known !== undefined) {
        this.#positions.delete(topic);
        gone.push([topic, known]);
      }
    }
    return gone;
  }

  /** What is held through the whole channel stays; no topics are all of it. */
  unsubscribed(topics: readonly string[]): void {
    for (const topic of topics) {
      this.#named.delete(topic);
    }
    if (topics.length === 0) {
      this.whole = false;
      this.#named.clear();
    }
    if (!this.whole) {
      for (const topic of this.#positions.keys()) {
        if (!this.#named.has(topic)) {
          this.#positions.delete(topic);
        }
      }
    }
  }

  /** Notes an event as read. False for one that was read before. */
  read(event: EventPayload): boolean {
    const known = this.#positions.get(event.topic);
    const isAhead = known === undefined || known.epoch !== event.epoch || event.offset > known.offset;
    // A gap stands in the place of what is lost, and an open question is asked again in the place of the newest event.
    const isAskedAgain = asksSomething(event) && known?.offset === event.offset && !this.#wasAsked(event);
    if (!isAhead && event.event_type !== "gap" && !isAskedAgain) {
      return false;
    }
    if (asksSomething(event)) {
      this.#noteAsked(event);
    }
    this.#read(event.topic, { epoch: event.epoch, offset: event.offset });
    if (TERMINAL_TYPES.has(event.event_type) && !this.#named.has(event.topic)) {
      this.#positions.delete(event.topic);
    }
    return true;
  }

  #read(topic: string, position: Position): void {
    this.#positions.delete(topic);
    this.#positions.set(topic, position);
    if (this.#positions.size - this.#named.size > MAX_FOLLOWED) {
      const oldest = [...this.#positions.keys()].find((name) => !this.#named.has(name));
      if (oldest !== undefined) {
        this.#positions.delete(oldest);
      }
    }
  }

  #wasAsked(event: EventPayload): boolean {
    return this.#asked.has(question(event));
  }

  #noteAsked(event: EventPayload): void {
    this.#asked.delete(question(event));
    this.#asked.add(question(event));
    if (this.#asked.size > MAX_ASKED) {
      for (const oldest of this.#asked) {
        this.#asked.delete(oldest);
        break;
      }
    }
  }
}

function asksSomething(event: EventPayload): boolean {
  return event.event_type in NAMED_BY;
}

function question(event: EventPayload): string {
  const name = isObject(event.data) ? event.data[NAMED_BY[event.event_type] ?? ""] : undefined;
  return JSON.stringify([event.topic, event.event_type, name]);
}
