import type { ToolOutcome } from "../gateway/messages.js";
import { isObject, type JsonObject, numberIn, parseObject, stringIn } from "../json.js";

/** A message of the server, as it is on the wire. */
export interface StepsFrame {
  readonly type: string;
  readonly data: JsonObject;
  /** The task that it is about, where it is about one: a client sees all tasks of its user. */
  readonly taskId: string | undefined;
  /** Where a new connection takes up what follows. */
  readonly eventId: string | undefined;
  /** Milliseconds since 1970. */
  readonly timestamp: number | undefined;
  /** The request that it answers. */
  readonly requestId: string | undefined;
}

/** The form of a position in the server's log, which tells it from the echoed name of a request. */
const POSITION = /^[\w-]{1,64}:\d{1,18}$/;

/** Undefined for a text that is no frame. */
export function decodeFrame(text: string): StepsFrame | undefined {
  const frame = parseObject(text);
  const type = frame && stringIn(frame, "type");
  if (frame === undefined || type === undefined) {
    return undefined;
  }
  const data = isObject(frame["data"]) ? frame["data"] : {};
  const id = stringIn(frame, "id");
  const isPosition = id !== undefined && POSITION.test(id);
  return {
    type,
    data,
    taskId: stringIn(data, "taskId") ?? stringIn(frame, "taskId"),
    eventId: stringIn(frame, "eventId") ?? (isPosition ? id : undefined),
    timestamp: numberIn(frame, "timestamp"),
    requestId: isPosition ? undefined : id,
  };
}

/** What a client can ask for. */
export type StepsCommand =
  | { readonly type: "task:submit"; readonly data: { readonly task: string; readonly context: JsonObject } }
  | { readonly type: "task:cancel"; readonly data?: { readonly taskId: string } }
  | {
      readonly type: "step:confirm";
      readonly data: { readonly stepId: string; readonly approved: boolean; readonly taskId?: string };
    }
  | {
      readonly type: "tool:result";
      readonly data: ToolOutcome & { readonly callId: string; readonly taskId?: string };
    }
  | { readonly type: "get:tools"; readonly id?: string };
