import { ConnectionLostError, OverloadedError } from "./errors.js";
import { DISCONNECTED, type Ending, type LinkEvents } from "./link.js";

/** What is used of a WebSocket: a browser's, Node's own, and that of npm's `ws` all fit. */
export interface WebSocketLike {
  readonly bufferedAmount: number;
  send(data: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { readonly code: number; readonly reason: string }) => void): void;
}

export type WebSocketConstructor = new (url: string) => WebSocketLike;

/** Close codes after which the same client would only be closed again. */
const FINAL_CODES: ReadonlySet<number> = new Set([
  1000, // the server has ended it in good order
  1002, // a malformed frame
  1003, // a kind of frame that is not taken
  1007, // text that is not UTF-8
  1008, // against a policy
  1009, // a message over the limit
  1010, // an extension that the server lacks
  4401, // not authenticated: another credential is needed
  4409, // the same device has connected again, and would be put out in its turn
]);

/** Whether to connect again after this close code. */
export function mayReconnect(code: number): boolean {
  return !FINAL_CODES.has(code);
}

/** The constructor given, or the one that the platform has. Throws a TypeError where it has none. */
export function webSocketConstructor(given: WebSocketConstructor | undefined): WebSocketConstructor {
  const found = given ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
  if (found === undefined) {
    throw new TypeError(
      "this platform has no WebSocket: give one as the option `WebSocket`, such as that of npm's `ws`",
    );
  }
  return found;
}

/** How a WebSocket is opened: `maxBufferedBytes` is how far the network may be behind. */
export interface WebSocketTarget {
  readonly Constructor: WebSocketConstructor;
  readonly url: string;
  readonly maxBufferedBytes: number;
}

export function openWebSocket(
  { Constructor, url, maxBufferedBytes }: WebSocketTarget,
  events: LinkEvents,
  signal: AbortSignal,
): Promise<WebSocketLink> {
  return new Promise((resolve, reject) => {
    const socket = new Constructor(url);
    let opened = false;
    const end = (ending: Ending): void => {
      signal.removeEventListener("abort", abort);
      if (opened) {
        events.ended(ending);
      } else {
        reject(new ConnectionLostError(ending));
      }
    };
    const abort = (): void => {
      reject(signal.reason instanceof Error ? signal.reason : new ConnectionLostError(DISCONNECTED));
      socket.close(1000);
    };
    signal.addEventListener("abort", abort, { once: true });
    socket.addEventListener("open", () => {
      opened = true;
      resolve(new WebSocketLink(socket, maxBufferedBytes));
    });
    socket.addEventListener("message", ({ data }) => {
      if (typeof data === "string" && !signal.aborted) {
        events.message(data);
      }
    });
    // A failed socket is closed right after: the reason is told there. Without a listener `ws` would throw.
    socket.addEventListener("error", () => undefined);
    socket.addEventListener("close", ({ code, reason }) => {
      if (!signal.aborted) {
        end({ code, reason, mayReconnect: mayReconnect(code) });
      }
    });
  });
}

/** An open WebSocket. */
export class WebSocketLink {
  readonly #socket: WebSocketLike;
  readonly #maxBufferedBytes: number;

  constructor(socket: WebSocketLike, maxBufferedBytes: number) {
    this.#socket = socket;
    this.#maxBufferedBytes = maxBufferedBytes;
  }

  /** Throws an OverloadedError where the network is behind by too much already. */
  send(text: string): void {
    if (this.#socket.bufferedAmount + text.length > this.#maxBufferedBytes) {
      throw new OverloadedError(`more than ${this.#maxBufferedBytes} bytes wait to be sent`);
    }
    this.#socket.send(text);
  }
}
