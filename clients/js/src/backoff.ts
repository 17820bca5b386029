/** How long to wait before each attempt to connect again, in milliseconds. */
export interface BackoffOptions {
  /** The bound of the first delay; it doubles with every attempt. */
  readonly baseMs: number;
  /** The bound that no delay goes beyond. */
  readonly capMs: number;
  /** A number in [0, 1). Tests give their own. */
  readonly random?: () => number;
}

/** Exponential back-off with full jitter: clients that lost the same server come back spread over the whole delay. */
export class Backoff {
  baseMs: number;
  readonly #capMs: number;
  readonly #random: () => number;

  constructor({ baseMs, capMs, random = Math.random }: BackoffOptions) {
    this.baseMs = baseMs;
    this.#capMs = capMs;
    this.#random = random;
  }

  /** Milliseconds before attempt `attempt`, the first of which is 1. */
  delay(attempt: number): number {
    return this.#random() * Math.min(this.#capMs, this.baseMs * 2 ** (attempt - 1));
  }
}
