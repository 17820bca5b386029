import { isObject } from "../json.js";
import type { EventPayload, Position, Subscribed } from "./messages.js";

/** Stands for all topics of a channel: its position is a mark, up to which all was read of those without a position. */
const WHOLE = "*";

/** The events that ask something, and the member that names the question. */
const NAMED_BY: Readonly<Record<string, string>> = { "step.confirm": "step_id", "agent.client_tool_call": "call_id" };

/** How many topics of a channel that is held whole have a position: those that spoke last. */
const MAX_FOLLOWED = 500;

/** After so many more topics a new mark is asked for, which stands for their positions. */
const RENEWED = 128;

/** The server takes so many snapshots in one request. */
const MAX_SNAPSHOTS = 16;

/** How many questions are remembered as asked: the newest. */
const MAX_ASKED = 100;

/** What will not come of a topic, or of them all: where it was read to, where it goes on, and why. */
export interface Loss {
  readonly topic: string;
  readonly from: Position;
  readonly at?: Position;
  readonly reason: string;
}

/**
 * What is subscribed to in one channel, and how far each of its topics was read. Should more topics speak than are
 * remembered before there is a new mark, the one there is is of no use.
 */
export class ChannelSubscription {
  /** The whole channel is held, beside what is held by name. */
  whole = false;
  readonly #named = new Set<string>();
  /** In the order of the last event. */
  readonly #positions = new Map<string, Position>();
  readonly #asked = new Set<string>();
  /** The topics that have spoken since a new mark was asked for. */
  #fresh: Set<string> | undefined;
  #renewedAt = RENEWED;
  #hasForgotten = false;

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

  /** The positions of the topics that are held by name, or of all, and the mark for the others. */
  positions(kind: "named" | "all"): Readonly<Record<string, Position>> {
    const wanted = [...this.#positions].filter(([topic]) =>
      kind === "named" ? this.#named.has(topic) : topic !== WHOLE || !this.#hasForgotten,
    );
    return Object.fromEntries(wanted);
  }

  /** Takes up what a reply says. It comes before the events that it speaks of. */
  subscribed({ topics, positions }: Subscribed): readonly Loss[] {
    this.whole ||= topics.length === 0;
    for (const topic of topics) {
      this.#named.add(topic);
    }
    const losses: Loss[] = [];
    for (const [topic, { epoch, offset, recovered }] of Object.entries(positions)) {
      const known = this.#positions.get(topic);
      this.#awaited.delete(topic);
      if (this.#wanted.has(topic) && epoch !== undefined && (known === undefined || !recovered)) {
        this.#awaited.add(topic);
      } else if (epoch !== undefined && offset !== undefined) {
        if (topic === WHOLE && known !== undefined && this.#hasForgotten) {
          this.#hasForgotten = false;
          losses.push({ topic, from: known, at: { epoch, offset }, reason: "forgotten" });
          this.#read(topic, { epoch, offset });
        } else if (recovered !== false || known === undefined) {
          // Else the old position stands until the gap itself has come: a cut in between must not hide it.
          this.#read(topic, { epoch, offset });
        }
      } else if (known !== undefined) {
        this.#positions.delete(topic);
        losses.push({ topic, from: known, reason: "gone" });
      }
    }
    return losses;
  }

  /** Whether there are so many positions that a new mark is worth its request. */
  get needsMark(): boolean {
    const followed = this.#positions.size - this.#named.size;
    return this.whole && this.#fresh === undefined && followed >= this.#renewedAt && this.#positions.has(WHOLE);
  }

  /** A new mark is asked for. What comes from now on may be behind it. */
  beginRenewal(): void {
    this.#fresh = new Set();
  }

  /** The reply: all was sent up to its mark, but for the topics that it names. Without a mark all stays as it is. */
  endRenewal(reply?: Subscribed): void {
    const told = reply?.positions ?? {};
    if (told[WHOLE] !== undefined) {
      for (const topic of [...this.#positions.keys()]) {
        if (this.#named.has(topic) || this.#fresh?.has(topic) === true || topic in told) {
          continue;
        }
        this.#positions.delete(topic);
      }
      for (const [topic, { epoch, offset }] of Object.entries(told)) {
        if (epoch !== undefined && offset !== undefined && (topic === WHOLE || !this.#positions.has(topic))) {
          this.#positions.set(topic, { epoch, offset });
        }
      }
      this.#hasForgotten = false;
    }
    this.#fresh = undefined;
    this.#renewedAt = this.#positions.size - this.#named.size + RENEWED;
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
    const isAskedAgain = asksSomething(event) && known?.offset === event.offset && !this.#wasAsked(event);
    const isSnapshot = event.event_type === "snapshot" && this.#awaited.delete(event.topic);
    if (!isAhead && event.event_type !== "gap" && !isAskedAgain && !isSnapshot) {
      return false;
    }
    if (asksSomething(event)) {
      this.#noteAsked(event);
    }
    this.#fresh?.add(event.topic);
    if (!this.#awaited.has(event.topic)) {
      this.#read(event.topic, { epoch: event.epoch, offset: event.offset });
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
      const oldest = [...this.#positions.keys()].find((name) => name !== WHOLE && !this.#named.has(name));
      if (oldest !== undefined) {
        this.#positions.delete(oldest);
        this.#hasForgotten = this.#positions.has(WHOLE);
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
