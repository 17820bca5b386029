import type { Ending } from "./link.js";

/** What every promise of this package rejects with. */
export abstract class ClientError extends Error {
  /** Whether the same may succeed later, unchanged. */
  abstract readonly retryable: boolean;

  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** The connection is over: what was under way may or may not have been carried out. */
export class ConnectionLostError extends ClientError {
  readonly retryable: boolean;
  /** The WebSocket's close code, or the HTTP status of an event stream. */
  readonly code: number;
  readonly reason: string;

  constructor(ending: Ending) {
    super(`the connection is over: ${ending.code}${ending.reason && ` ${ending.reason}`}`);
    this.retryable = ending.mayReconnect;
    this.code = ending.code;
    this.reason = ending.reason;
  }
}

/** There is no connection, and none is being made. */
export class NotConnectedError extends ClientError {
  readonly retryable = true;

  constructor() {
    super("not connected");
  }
}

/** No reply came in time. */
export class RequestTimeoutError extends ClientError {
  readonly retryable = true;

  constructor() {
    // The text of the class in the gateway's own document.
    super("Request timeout");
  }
}

/** Too much waits already: requests without a reply, or bytes that the network has not taken. */
export class OverloadedError extends ClientError {
  readonly retryable = true;
}

/** The server refused. `code` is its error's code, or an HTTP status. */
export class RefusedError extends ClientError {
  readonly code: string;
  /** Milliseconds after which trying again is sensible, where the server says so. */
  readonly retryAfterMs: number | undefined;

  constructor(code: string, message: string, retryAfterMs?: number) {
    super(message);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }

  get retryable(): boolean {
    return this.code === "RATE_LIMITED" || this.code === "429" || this.code.startsWith("5");
  }
}

/** The server said something that its protocol does not have. */
export class ProtocolError extends ClientError {
  readonly retryable = false;
}
