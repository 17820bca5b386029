import type { Report } from "../emitter.js";
import { isSubscribed } from "./messages.js";
import type { Subscriptions } from "./subscriptions.js";

/** Begins the ids of these requests, which the client makes of its own accord: the channel follows. */
const MARK = "mark-";

/** Asks now and then how far all of a channel was sent, so that the positions before that need not be kept. */
export class Marks {
  readonly #subscriptions: Subscriptions;
  readonly #transmit: (text: string) => void;
  readonly #report: Report;

  constructor(subscriptions: Subscriptions, transmit: (text: string) => void, report: Report) {
    this.#subscriptions = subscriptions;
    this.#transmit = transmit;
    this.#report = report;
  }

  /** Takes in the reply to one of its requests. False for any other message. */
  settle(id: unknown, type: unknown, payload: unknown): boolean {
    if (typeof id !== "string" || !id.startsWith(MARK)) {
      return false;
    }
    const reply = type === "subscribed" && isSubscribed(payload) ? payload : undefined;
    this.#subscriptions.endRenewal(id.slice(MARK.length), reply);
    return true;
  }

  /** Asks for a new mark of the channel where that is worth its request. */
  renew(channel: string): void {
    if (!this.#subscriptions.needsMark(channel)) {
      return;
    }
    this.#subscriptions.beginRenewal(channel);
    try {
      this.#transmit(JSON.stringify({ id: MARK + channel, type: "subscribe", payload: { channel, topics: [] } }));
    } catch (error) {
      // Not now: after some more topics it is asked for again.
      this.#subscriptions.endRenewal(channel);
      this.#report(error);
    }
  }
}
