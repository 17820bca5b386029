/** Why a link is over, and whether another may be opened. */
export interface Ending {
  /** A WebSocket's close code, or the HTTP status of an event stream; 1006 where there is none. */
  readonly code: number;
  readonly reason: string;
  readonly mayReconnect: boolean;
}

/** What a link tells its owner. Nothing is told after `ended`. */
export interface LinkEvents {
  /** A text frame, or the data of an event. */
  message(text: string): void;
  /** Something came, though it is nothing to read: the other side lives. */
  heard(): void;
  ended(ending: Ending): void;
}

/** Opens a link. Rejects with a ConnectionLostError; the signal closes the link, at any time and without a word. */
export type OpenLink<Link> = (events: LinkEvents, signal: AbortSignal) => Promise<Link>;

/** The ending that the client itself has asked for. */
export const DISCONNECTED: Ending = { code: 1000, reason: "disconnected", mayReconnect: false };

/** The ending of a link that was cut. */
export function cut(reason: string): Ending {
  return { code: 1006, reason, mayReconnect: true };
}
