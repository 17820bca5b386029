import { ConnectionLostError } from "./errors.js";
import { EventStreamParser, type StreamEvent } from "./eventStreamParser.js";
import { cut, type LinkEvents } from "./link.js";

/** How an event stream is opened and what is made of it. */
export interface EventStreamTarget {
  readonly fetch: typeof fetch;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly credentials: RequestCredentials;
  /** Called before the data of the event is told. */
  readonly event: (event: StreamEvent) => void;
  /** Milliseconds that the server wants its clients to wait before they come back. */
  readonly retry: (ms: number) => void;
}

/** An open event stream; there is nothing to be done with it. */
export interface EventStreamLink {
  readonly url: string;
}

/**
 * By `fetch` and not by EventSource: that one hides the status of a refusal, sends no credential, and would come back on
 * its own beside the connection's back-off.
 */
export async function openEventStream(
  target: EventStreamTarget,
  events: LinkEvents,
  signal: AbortSignal,
): Promise<EventStreamLink> {
  const body = await request(target, signal);
  void read(body, target, events, signal);
  return { url: target.url };
}

async function request(target: EventStreamTarget, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const { fetch, url, credentials } = target;
  const headers = { accept: "text/event-stream", ...target.headers };
  let response: Response;
  try {
    response = await fetch(url, { headers, credentials, signal, cache: "no-store" });
  } catch (error) {
    signal.throwIfAborted();
    throw new ConnectionLostError(cut(String(error)));
  }
  const type = response.headers.get("content-type") ?? "";
  if (response.status !== 200 || !type.startsWith("text/event-stream") || response.body === null) {
    await response.body?.cancel();
    const { status: code, statusText: reason } = response;
    throw new ConnectionLostError({ code, reason, mayReconnect: mayReconnect(code) });
  }
  return response.body;
}

/** A failure of the server may pass, and so may its being busy; what it refuses it will refuse again. */
function mayReconnect(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}

async function read(
  body: ReadableStream<Uint8Array>,
  target: EventStreamTarget,
  events: LinkEvents,
  signal: AbortSignal,
): Promise<void> {
  let reason = "the stream has ended";
  try {
    await readEvents(body, target, events);
  } catch (error) {
    reason = String(error);
  }
  if (!signal.aborted) {
    events.ended(cut(reason));
  }
}

async function readEvents(
  body: ReadableStream<Uint8Array>,
  target: EventStreamTarget,
  events: LinkEvents,
): Promise<void> {
  const parser = new EventStreamParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    events.heard();
    for (const event of parser.feed(decoder.decode(chunk.value, { stream: true }))) {
      target.event(event);
      events.message(event.data);
    }
    if (parser.retryMs !== undefined) {
      target.retry(parser.retryMs);
    }
  }
}
