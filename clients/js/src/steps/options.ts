import type { Report } from "../emitter.js";
import type { WebSocketConstructor } from "../webSocketLink.js";

/** What both clients of the steps take beside their addresses; lengths of time in milliseconds. */
export interface StepsOptions {
  /** Whether to connect again after a cut. Default: true. */
  readonly autoReconnect?: boolean;
  /** The bound of the first delay before connecting again; it doubles with every attempt. Default: 3000. */
  readonly reconnectInterval?: number;
  /** Default: 30000. */
  readonly maxReconnectInterval?: number;
  /** A number in [0, 1) that the delays are drawn with. */
  readonly random?: () => number;
  /** Shown to the server, where it wants a credential. */
  readonly token?: string;
  /** How long opening a connection, its greeting, and the answer to a request may each take. Default: 15000. */
  readonly timeoutMs?: number;
  /** Gets what no promise tells: handlers that throw, messages that cannot be read. Default: console.error. */
  readonly onError?: Report;
}

export interface WebSocketClientOptions extends StepsOptions {
  readonly url: string;
  /** Where the platform has none, or another one is wanted. */
  readonly WebSocket?: WebSocketConstructor;
  /** After so long without a message the server is pinged, after twice that given up. Default: 25000. */
  readonly heartbeatMs?: number;
  /** Bytes that the network may be behind. Default: 1 MiB. */
  readonly maxBufferedBytes?: number;
}

export interface SSEClientOptions extends StepsOptions {
  readonly url: string;
  /** Where tasks are posted to. */
  readonly taskUrl: string;
  /** Where everything else is posted to. Default: `taskUrl` with `/command` as its last part. */
  readonly commandUrl?: string;
  /** Default: `same-origin`. */
  readonly credentials?: RequestCredentials;
  readonly fetch?: typeof fetch;
  /** The stream is given up after so long without a byte, heartbeats included. Default: 90000. */
  readonly silenceMs?: number;
}
