import { ProtocolError } from "../errors.js";
import { isObject, numberIn, stringIn } from "../json.js";

/** A place in a topic's log: all up to and including `offset` was seen. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** An event as handlers get it beside its data. */
export interface EventPayload<Data = unknown> {
  readonly channel: string;
  readonly topic: string;
  readonly event_type: string;
  readonly data: Data;
  readonly offset: number;
  readonly epoch: string;
  /** Milliseconds since 1970. */
  readonly timestamp?: number;
  /** The first of the events that were merged into this one. */
  readonly from?: number;
}

/** The data of the events that have a fixed form. More members may be there. */
export interface GatewayEvents {
  "task.started": { readonly task_id: string };
  "task.turn_started": { readonly task_id: string; readonly turn: number; readonly prompt: string };
  "task.turn_completed": { readonly task_id: string; readonly turn: number; readonly result: string };
  /** The agent goes on with the next appended turn. */
  "task.waiting": { readonly task_id: string; readonly turn: number };
  "task.completed": { readonly task_id: string; readonly result: string };
  "task.failed": { readonly task_id: string; readonly error: string };
  "task.cancelled": { readonly task_id: string; readonly reason: string };
  "agent.message": { readonly content: string };
  "agent.thinking": { readonly content: string };
  "agent.tool_call": { readonly call_id: string; readonly name: string; readonly arguments: unknown };
  "agent.tool_result": { readonly call_id: string; readonly name: string; readonly success: boolean };
  "step.confirm": { readonly step_id: string; readonly step_name: string; readonly reason: string };
  "step.confirmed": { readonly step_id: string; readonly approved: boolean };
  /** The task waits for one of the user's devices to carry this out. */
  "agent.client_tool_call": {
    readonly call_id: string;
    readonly name: string;
    readonly arguments: unknown;
    readonly expires_at: number;
  };
  "agent.client_tool_result": { readonly call_id: string; readonly success: boolean; readonly by: string | null };
  /** All that the topic's events come to, in place of them. */
  snapshot: TaskSnapshot | SessionSnapshot;
  /** Events that will not come. `to` is null where the rest of the topic is gone. */
  gap: { readonly from: number; readonly to: number | null; readonly reason: string };
}

type Members = Readonly<Record<string, unknown>>;

/** A task as its events tell it: texts by the keys of their pieces; steps, calls and open questions by their ids. */
export interface TaskSnapshot {
  readonly state: string;
  readonly turn: number;
  readonly prompt: string;
  readonly started: Members;
  readonly messages: Readonly<Record<string, string>>;
  readonly thinking: Readonly<Record<string, string>>;
  readonly plan: unknown;
  readonly steps: Readonly<Record<string, Members>>;
  readonly tool_calls: Readonly<Record<string, Members>>;
  readonly confirmations: Readonly<Record<string, Members>>;
  readonly client_tool_calls: Readonly<Record<string, Members>>;
  readonly artifacts: readonly unknown[];
  readonly ending: Members;
  readonly others: Members;
}

/** A conversation: its newest messages; of the runs that go on what was asked, and the answer so far. */
export interface SessionSnapshot {
  readonly messages: readonly unknown[];
  readonly asked: Members;
  readonly answers: Readonly<Record<string, string>>;
  readonly others: Members;
}

export interface AuthResult {
  readonly success: true;
  readonly user_id: string;
  readonly device_id: string;
}

/** Where the subscription to one topic starts, or under `*` that to all others; a topic that is gone has no position. */
export type TopicStart = Partial<Position> & { readonly recovered?: boolean };

export interface Subscribed {
  readonly channel: string;
  readonly topics: readonly string[];
  readonly success: boolean;
  readonly positions: Readonly<Record<string, TopicStart>>;
  /** Only where `since` was asked for: whether every topic of it goes on without a gap. */
  readonly recovered?: boolean;
}

export interface Unsubscribed {
  readonly channel: string;
  readonly topics: readonly string[];
  readonly success: boolean;
}

/** A task's answer to an action. A refusal is an answer too, and no error. */
export type TaskResult =
  | {
      readonly success: true;
      readonly task_id: string;
      readonly action: string;
      readonly state?: string;
      /** `<epoch>:<offset>` of the task's topic: after a creation it is before the first event. */
      readonly position?: string;
      readonly turn?: number;
    }
  | {
      readonly success: false;
      readonly task_id: string;
      readonly action: string;
      readonly code?: string;
      readonly message: string;
      /** Of a question that was answered before: by whom, and with what. */
      readonly details?: Readonly<Record<string, unknown>>;
    };

/** What came of a tool call that a client was asked to carry out. */
export type ToolOutcome = { readonly result: unknown } | { readonly error: string };

export interface ExecStarted {
  readonly session_id: string;
  readonly exec_id: string;
}

/** What a new task is made of. */
export interface NewTask {
  readonly agent: string;
  readonly prompt: string;
  readonly session_id?: string;
  readonly context?: Readonly<Record<string, unknown>>;
}

export function isEventPayload(value: unknown): value is EventPayload {
  return (
    isObject(value) &&
    ["channel", "topic", "event_type"].every((name) => typeof value[name] === "string") &&
    typeof value["offset"] === "number" &&
    typeof value["epoch"] === "string"
  );
}

export function isAuthResult(value: unknown): value is AuthResult {
  return isObject(value) && typeof value["user_id"] === "string" && typeof value["device_id"] === "string";
}

export function isSubscribed(value: unknown): value is Subscribed {
  return isObject(value) && isObject(value["positions"]) && isUnsubscribed(value);
}

export function isUnsubscribed(value: unknown): value is Unsubscribed {
  return isObject(value) && typeof value["channel"] === "string" && Array.isArray(value["topics"]);
}

export function isTaskResult(value: unknown): value is TaskResult {
  return isObject(value) && typeof value["success"] === "boolean" && typeof value["task_id"] === "string";
}

export function isExecStarted(value: unknown): value is ExecStarted {
  return isObject(value) && stringIn(value, "session_id") !== undefined && stringIn(value, "exec_id") !== undefined;
}

/** The error of a reply of type `error`, or of a refused authentication. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs: number | undefined;
}

export function refusal(payload: unknown, code: string): Refusal {
  const said = isObject(payload) ? payload : {};
  return {
    code: stringIn(said, "code") ?? code,
    message: stringIn(said, "message") ?? "refused without a reason",
    retryAfterMs: numberIn(said, "retry_after_ms"),
  };
}

/** The reply as what it must be. Throws a ProtocolError for anything else. */
export function expectReply<Reply>(reply: unknown, isReply: (value: unknown) => value is Reply): Reply {
  if (!isReply(reply)) {
    throw new ProtocolError(`an unexpected reply: ${JSON.stringify(reply)}`);
  }
  return reply;
}
