import { RefusedError } from "../errors.js";
import { pause } from "../pause.js";
import type { EventPayload } from "./messages.js";
import type { Resumption, Subscriptions } from "./subscriptions.js";

const FINAL_CODES: ReadonlySet<string> = new Set(["NOT_FOUND", "FORBIDDEN", "INVALID_CHANNEL", "INVALID_PAYLOAD"]);

/**
 * Subscribes a new connection to all that the one before held. What is refused for good is given up with a `gap`; any
 * other failure is thrown, and the connection with it.
 */
export async function resume(
  subscriptions: Subscriptions,
  ask: (request: Resumption) => Promise<void>,
  tell: (event: EventPayload) => void,
  signal: AbortSignal,
): Promise<void> {
  for (const request of subscriptions.resumptions()) {
    for (const part of await refusedParts(request, ask, signal)) {
      subscriptions.lose(part.request, part.code).forEach(tell);
    }
  }
}

interface RefusedPart {
  readonly request: Resumption;
  readonly code: string;
}

/** One topic that is gone has the whole request refused: then each of them is asked for by itself. */
async function refusedParts(
  request: Resumption,
  ask: (request: Resumption) => Promise<void>,
  signal: AbortSignal,
): Promise<readonly RefusedPart[]> {
  const code = await refusalOf(request, ask, signal);
  if (code === undefined) {
    return [];
  }
  if (request.topics.length <= 1) {
    return [{ request, code }];
  }
  const parts: RefusedPart[] = [];
  for (const topic of request.topics) {
    const position = request.since[topic];
    const alone = { ...request, topics: [topic], since: position === undefined ? {} : { [topic]: position } };
    parts.push(...(await refusedParts(alone, ask, signal)));
  }
  return parts;
}

async function refusalOf(
  request: Resumption,
  ask: (request: Resumption) => Promise<void>,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    await ask(request);
    return undefined;
  } catch (error) {
    if (error instanceof RefusedError && FINAL_CODES.has(error.code)) {
      return error.code;
    }
    if (error instanceof RefusedError && error.retryAfterMs !== undefined) {
      // What this connection was told to repeat must not be repeated on the next one.
      await pause(error.retryAfterMs, signal);
      return refusalOf(request, ask, signal);
    }
    throw error;
  }
}
