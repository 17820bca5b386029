import { isObject } from "../json.js";
import type { EventPayload, Position, Subscribed } from "./messages.js";

const TERMINAL_TYPES: ReadonlySet<string> = new Set(["task.completed", "task.failed", "task.cancelled"]);

/** How many topics of a channel that is held whole are taken up where they were left: the newest. */
const MAX_FOLLOWED = 500;

/** The server takes so many snapshots in one request. */
const MAX_SNAPSHOTS = 16;

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
  /** Topics that begin with a snapshot where they do not go on without a gap. */
  readonly #wanted = new Set<string>();
  /** Those whose snapshot is to come: their positions stay until then, so that a cut does not lose it. */
  readonly #awaited = new Set<string>();

  get named(): readonly string[] {
    return [...this.#named];
  }

  get isEmpty(): boolean {
    return !this.whole && this.#named.size === 0;
  }

  wantSnapshots(topics: readonly string[], wanted: boolean): void {
    for (const topic of topics) {
      if (wanted) {
        this.#wanted.add(topic);
      } else {
        this.#wanted.delete(topic);
      }
    }
  }

  /** What takes the topics that are held by name up again: those with snapshots apart, as many as the server takes. */
  requests(): readonly { topics: readonly string[]; since: Readonly<Record<string, Position>>; snapshot?: true }[] {
    const plain = this.named.filter((topic) => !this.#wanted.has(topic));
    const wanted = this.named.filter((topic) => this.#wanted.has(topic));
    const found = plain.length > 0 ? [{ topics: plain, since: this.#positionsOf(plain) }] : [];
    const parts = Array.from({ length: Math.ceil(wanted.length / MAX_SNAPSHOTS) }, (_, place) => {
      const topics = wanted.slice(place * MAX_SNAPSHOTS, (place + 1) * MAX_SNAPSHOTS);
      return { topics, since: this.#positionsOf(topics), snapshot: true as const };
    });
    return [...found, ...parts];
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
    for (const [topic, { epoch, offset, recovered }] of Object.entries(positions)) {
      const known = this.#positions.get(topic);
      this.#awaited.delete(topic);
      if (this.#wanted.has(topic) && epoch !== undefined && (known === undefined || !recovered)) {
        this.#awaited.add(topic);
      } else if (epoch !== undefined && offset !== undefined) {
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
    for (const topic of topics.length === 0 ? this.named : topics) {
      this.#named.delete(topic);
      this.#wanted.delete(topic);
      this.#awaited.delete(topic);
    }
    if (topics.length === 0) {
      this.whole = false;
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
    const isAskedAgain =
      event.event_type === "step.confirm" && known?.offset === event.offset && !this.#wasAsked(event);
    const isSnapshot = event.event_type === "snapshot" && this.#awaited.delete(event.topic);
    if (!isAhead && event.event_type !== "gap" && !isAskedAgain && !isSnapshot) {
      return false;
    }
    if (event.event_type === "step.confirm") {
      this.#noteAsked(event);
    }
    if (!this.#awaited.has(event.topic)) {
      this.#read(event.topic, { epoch: event.epoch, offset: event.offset });
    }
    if (TERMINAL_TYPES.has(event.event_type) && !this.#named.has(event.topic)) {
      this.#positions.delete(event.topic);
    }
    return true;
  }

  #positionsOf(topics: readonly string[]): Readonly<Record<string, Position>> {
    return Object.fromEntries([...this.#positions].filter(([topic]) => topics.includes(topic)));
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

function question(event: EventPayload): string {
  const step = isObject(event.data) ? event.data["step_id"] : undefined;
  return JSON.stringify([event.topic, step]);
}
