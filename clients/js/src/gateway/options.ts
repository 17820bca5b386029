import type { Report } from "../emitter.js";
import type { WebSocketConstructor } from "../webSocketLink.js";

/** All optional; lengths of time in milliseconds. */
export interface GatewayOptions {
  /** Names this device: the server closes an older connection of the same one. The server invents one by default. */
  readonly deviceId?: string;
  /** Where the platform has none, or another one is wanted. */
  readonly WebSocket?: WebSocketConstructor;
  /** Whether to connect again after a cut. Default: true. */
  readonly autoReconnect?: boolean;
  /** The bound of the first delay before connecting again; it doubles with every attempt. Default: 500. */
  readonly reconnectBaseMs?: number;
  /** Default: 30000. */
  readonly reconnectCapMs?: number;
  /** A number in [0, 1) that the delays are drawn with. */
  readonly random?: () => number;
  /** Default: 15000. */
  readonly openTimeoutMs?: number;
  /** Default: 30000. */
  readonly requestTimeoutMs?: number;
  /** After so long without a message the server is pinged, after twice that given up. Default: 25000. */
  readonly heartbeatMs?: number;
  /** Requests that may wait for a reply. Default: 1000. */
  readonly maxPending?: number;
  /** Requests that may wait for the connection to come back. Default: 100. */
  readonly maxQueued?: number;
  /** Bytes that the network may be behind. Default: 1 MiB. */
  readonly maxBufferedBytes?: number;
  /** Gets what no promise tells: handlers that throw, messages that cannot be read. Default: console.error. */
  readonly onError?: Report;
}
