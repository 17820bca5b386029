import type { Backoff } from "./backoff.js";
import { ClientError, ConnectionLostError } from "./errors.js";
import { cut, DISCONNECTED, type Ending, type LinkEvents, type OpenLink } from "./link.js";

/** Where a connection stands. `attempt` counts attempts in a row, the first of a connection is 0. */
export type ConnectionState =
  | { readonly name: "idle" }
  | { readonly name: "connecting"; readonly attempt: number }
  | { readonly name: "open" }
  | {
      readonly name: "waiting";
      readonly attempt: number;
      readonly delayMs: number;
      readonly code: number;
      readonly reason: string;
    }
  | { readonly name: "closed"; readonly code: number; readonly reason: string };

/** `retry`: whether a first attempt that fails is followed by others, as a cut is. */
export interface ConnectOptions {
  readonly retry?: boolean;
}

/** What the owner of a connection does for it. */
export interface ConnectionHooks<Link> {
  readonly open: OpenLink<Link>;
  /** Makes a new link ready for use. Must reject once `lost` was called; the signal says so too. */
  greet(signal: AbortSignal): Promise<void>;
  message(text: string): void;
  /** The link is gone: whatever waits for an answer will get none. */
  lost(error: ConnectionLostError): void;
  stateChanged(state: ConnectionState): void;
  /** Asks the other side for a sign of life, where it can be asked. */
  beat(link: Link): void;
}

export interface ConnectionOptions {
  readonly backoff: Backoff;
  readonly reconnect: boolean;
  /** How long one attempt to open a link may take. */
  readonly openTimeoutMs: number;
  /** After so long without a word a beat is asked for; after twice that the link is given up. */
  readonly silenceMs: number;
}

/** An open link that ends before this was no success: the delays go on growing. */
const STABLE_MS = 5_000;

/** One link at a time, opened again after it was cut. */
export class Connection<Link> {
  readonly #hooks: ConnectionHooks<Link>;
  readonly #options: ConnectionOptions;
  #state: ConnectionState = { name: "idle" };
  #link: Link | undefined;
  #controller: AbortController | undefined;
  #opening: Promise<void> = Promise.resolve();
  #retry: ReturnType<typeof setTimeout> | undefined;
  #beat: ReturnType<typeof setInterval> | undefined;
  #attempts = 0;
  #openedAt = 0;
  #heardAt = 0;

  constructor(hooks: ConnectionHooks<Link>, options: ConnectionOptions) {
    this.#hooks = hooks;
    this.#options = options;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The link that is there, greeted or not. */
  get link(): Link | undefined {
    return this.#link;
  }

  /**
   * Resolves once a link is open and greeted, rejects where this attempt fails; with `retry` others follow then. While
   * one is waited for, it is made at once.
   */
  connect(retry: boolean): Promise<void> {
    switch (this.#state.name) {
      case "open":
      case "connecting":
        return this.#opening;
      case "waiting":
        return this.#start(true);
      case "idle":
      case "closed":
        this.#attempts = 0;
        return this.#start(retry);
    }
  }

  /** Ends it for good; `connect` makes another. */
  disconnect(): void {
    if (this.#state.name !== "idle" && this.#state.name !== "closed") {
      this.#close(DISCONNECTED);
    }
  }

  #start(retry: boolean): Promise<void> {
    clearTimeout(this.#retry);
    const controller = new AbortController();
    this.#controller = controller;
    this.#enter({ name: "connecting", attempt: this.#attempts });
    this.#opening = this.#open(controller, retry);
    // Whoever calls `connect` gets this promise; everybody else is told by the state.
    this.#opening.catch(() => undefined);
    return this.#opening;
  }

  async #open(controller: AbortController, retry: boolean): Promise<void> {
    const late = new ConnectionLostError(cut("not connected in time"));
    const timeout = setTimeout(() => controller.abort(late), this.#options.openTimeoutMs);
    try {
      const link = await this.#hooks.open(this.#eventsOf(controller), controller.signal);
      clearTimeout(timeout);
      controller.signal.throwIfAborted();
      this.#link = link;
      await this.#hooks.greet(controller.signal);
      controller.signal.throwIfAborted();
    } catch (error) {
      clearTimeout(timeout);
      if (this.#controller === controller) {
        this.#failed(error, retry);
      }
      throw error;
    }
    this.#openedAt = Date.now();
    this.#heardAt = Date.now();
    this.#beat = setInterval(() => this.#checkSilence(), this.#options.silenceMs);
    this.#enter({ name: "open" });
  }

  #eventsOf(controller: AbortController): LinkEvents {
    return {
      message: (text) => {
        if (this.#controller === controller) {
          this.#heardAt = Date.now();
          this.#hooks.message(text);
        }
      },
      heard: () => {
        this.#heardAt = Date.now();
      },
      ended: (ending) => {
        if (this.#controller === controller) {
          this.#ended(ending);
        }
      },
    };
  }

  /** An attempt has come to nothing. */
  #failed(error: unknown, retry: boolean): void {
    const ending = endingOf(error);
    if (retry && ending.mayReconnect) {
      this.#wait(ending);
    } else {
      this.#close(ending);
    }
  }

  #ended(ending: Ending): void {
    if (this.#state.name !== "open") {
      // The greeting rejects by this, and the attempt with it.
      this.#drop(ending);
      return;
    }
    if (Date.now() - this.#openedAt >= STABLE_MS) {
      this.#attempts = 0;
    }
    if (this.#options.reconnect && ending.mayReconnect) {
      this.#wait(ending);
    } else {
      this.#close(ending);
    }
  }

  #wait(ending: Ending): void {
    this.#drop(ending);
    this.#attempts += 1;
    const delayMs = this.#options.backoff.delay(this.#attempts);
    this.#retry = setTimeout(() => void this.#start(true), delayMs);
    const { code, reason } = ending;
    this.#enter({ name: "waiting", attempt: this.#attempts, delayMs, code, reason });
  }

  #close(ending: Ending): void {
    clearTimeout(this.#retry);
    this.#drop(ending);
    this.#controller = undefined;
    this.#enter({ name: "closed", code: ending.code, reason: ending.reason });
  }

  /** The link is not to be used any more. */
  #drop(ending: Ending): void {
    clearInterval(this.#beat);
    this.#link = undefined;
    const error = new ConnectionLostError(ending);
    this.#controller?.abort(error);
    this.#hooks.lost(error);
  }

  #checkSilence(): void {
    const silent = Date.now() - this.#heardAt;
    if (silent >= 2 * this.#options.silenceMs) {
      this.#ended(cut("the other side is silent"));
    } else if (silent >= this.#options.silenceMs && this.#link !== undefined) {
      this.#askForLife(this.#link);
    }
  }

  #askForLife(link: Link): void {
    try {
      this.#hooks.beat(link);
    } catch {
      // A link that takes nothing any more stays silent, and is given up for that.
    }
  }

  #enter(state: ConnectionState): void {
    this.#state = state;
    this.#hooks.stateChanged(state);
  }
}

function endingOf(error: unknown): Ending {
  if (error instanceof ConnectionLostError) {
    return { code: error.code, reason: error.reason, mayReconnect: error.retryable };
  }
  const reason = error instanceof Error ? error.message : String(error);
  return { code: 1006, reason, mayReconnect: error instanceof ClientError && error.retryable };
}
