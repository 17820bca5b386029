import { ChannelSubscription, type Loss } from "./channelSubscription.js";
import type { EventPayload, Position, Subscribed, Unsubscribed } from "./messages.js";

/** One request that takes subscriptions up again where they were left. */
export interface Resumption {
  readonly channel: string;
  /** Empty: the whole channel. */
  readonly topics: readonly string[];
  readonly since: Readonly<Record<string, Position>>;
  readonly snapshot?: true;
}

/** What the client is subscribed to, as the server's replies say, and how far it has read. */
export class Subscriptions {
  readonly #channels = new Map<string, ChannelSubscription>();

  /** Whether these topics begin with snapshots, from the next reply on. */
  wantSnapshots(channel: string, topics: readonly string[], wanted: boolean): void {
    const held = this.#channels.get(channel) ?? new ChannelSubscription();
    this.#channels.set(channel, held);
    held.wantSnapshots(topics, wanted);
  }

  /** Returns a `gap` for each topic that there was a position of and that cannot be taken up. */
  subscribed(reply: Subscribed): readonly EventPayload[] {
    const channel = this.#channels.get(reply.channel) ?? new ChannelSubscription();
    this.#channels.set(reply.channel, channel);
    return channel.subscribed(reply).map((loss) => gap(reply.channel, loss));
  }

  unsubscribed({ channel, topics }: Unsubscribed): void {
    const held = this.#channels.get(channel);
    held?.unsubscribed(topics);
    if (held?.isEmpty) {
      this.#channels.delete(channel);
    }
  }

  /** Notes an event as read. False for one that was read before. */
  read(event: EventPayload): boolean {
    return this.#channels.get(event.channel)?.read(event) ?? true;
  }

  /** Whether the channel has so many positions that a new mark is worth its request. */
  needsMark(channel: string): boolean {
    return this.#channels.get(channel)?.needsMark ?? false;
  }

  beginRenewal(channel: string): void {
    this.#channels.get(channel)?.beginRenewal();
  }

  /** The reply to the request for a new mark, or none. */
  endRenewal(channel: string, reply?: Subscribed): void {
    this.#channels.get(channel)?.endRenewal(reply);
  }

  /** The connection is gone, and what was asked on it. */
  endRenewals(): void {
    this.#channels.forEach((held) => held.endRenewal());
  }

  /** What a new connection has to ask for. */
  resumptions(): readonly Resumption[] {
    const requests: Resumption[] = [];
    for (const [channel, held] of this.#channels) {
      if (held.named.length > 0) {
        requests.push(...held.requests().map((request) => ({ channel, ...request })));
      }
      if (held.whole) {
        requests.push({ channel, topics: [], since: held.positions("all") });
      }
    }
    return requests;
  }

  /** Gives up topics that the server does not let the client have any more. Returns a `gap` for each. */
  lose({ channel, topics, since }: Resumption, reason: string): readonly EventPayload[] {
    this.unsubscribed({ channel, topics, success: true });
    return topics.map((topic) => gap(channel, { topic, from: since[topic] ?? { epoch: "", offset: 0 }, reason }));
  }
}

function gap(channel: string, { topic, from, at, reason }: Loss): EventPayload {
  // Numbers of two lives cannot be told as one range.
  const first = at !== undefined && at.epoch !== from.epoch ? 1 : from.offset + 1;
  const data = { from: first, to: at?.offset ?? null, reason };
  return { channel, topic, event_type: "gap", data, ...(at ?? from) };
}
