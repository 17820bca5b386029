import { OverloadedError, RefusedError, RequestTimeoutError } from "../errors.js";
import { refusal } from "./messages.js";

type Send = (text: string) => void;

interface Pending {
  readonly resolve: (payload: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly timeout: ReturnType<typeof setTimeout>;
  /** What is still to be sent. */
  text: string | undefined;
}

/** Lengths of time in milliseconds. */
export interface RequestLimits {
  readonly timeoutMs: number;
  /** Requests that may wait, sent or not. */
  readonly maxPending: number;
  /** Requests that may wait unsent. */
  readonly maxQueued: number;
}

/** Requests that wait for their replies. Full-policy: one too many is rejected. */
export class Requests {
  readonly #pending = new Map<string, Pending>();
  readonly #limits: RequestLimits;
  #last = 0;

  constructor(limits: RequestLimits) {
    this.#limits = limits;
  }

  /** Sends a request, or keeps it for `flush` where `send` is undefined. Resolves with the payload of its reply. */
  make(type: string, payload: unknown, send: Send | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#checkRoom(send === undefined);
      this.#last += 1;
      const id = `msg-${this.#last}`;
      const text = JSON.stringify({ id, type, payload, timestamp: Date.now() });
      send?.(text);
      const timeout = setTimeout(() => this.#take(id)?.reject(new RequestTimeoutError()), this.#limits.timeoutMs);
      this.#pending.set(id, { resolve, reject, timeout, text: send === undefined ? text : undefined });
    });
  }

  /** Sends what was kept. */
  flush(send: Send): void {
    for (const [id, pending] of this.#pending) {
      const { text } = pending;
      if (text !== undefined) {
        pending.text = undefined;
        try {
          send(text);
        } catch (error) {
          this.#take(id)?.reject(error);
        }
      }
    }
  }

  /** Whether it was the reply to a request. */
  settle(id: unknown, type: unknown, payload: unknown): boolean {
    const pending = typeof id === "string" ? this.#take(id) : undefined;
    if (pending === undefined) {
      return false;
    }
    if (type === "error") {
      const { code, message, retryAfterMs } = refusal(payload, "ERROR");
      pending.reject(new RefusedError(code, message, retryAfterMs));
    } else {
      pending.resolve(payload);
    }
    return true;
  }

  /** Rejects those whose reply will not come. */
  rejectSent(error: Error): void {
    for (const [id, { text }] of this.#pending) {
      if (text === undefined) {
        this.#take(id)?.reject(error);
      }
    }
  }

  rejectAll(error: Error): void {
    for (const id of this.#pending.keys()) {
      this.#take(id)?.reject(error);
    }
  }

  #checkRoom(unsent: boolean): void {
    const { maxPending, maxQueued } = this.#limits;
    if (this.#pending.size >= maxPending) {
      throw new OverloadedError(`${maxPending} requests wait for a reply`);
    }
    if (unsent && [...this.#pending.values()].filter(({ text }) => text !== undefined).length >= maxQueued) {
      throw new OverloadedError(`${maxQueued} requests wait for the connection`);
    }
  }

  #take(id: string): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(pending?.timeout);
    return pending;
  }
}
