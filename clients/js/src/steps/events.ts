import { RefusedError } from "../errors.js";
import { isObject, type JsonObject, numberIn, stringIn } from "../json.js";
import type { StepsFrame } from "./frames.js";
import { decodePlan, type Plan, resultOf, type Step, type StepResult, stepOf } from "./plan.js";

export interface Status {
  /** `idle`, `planning`, `executing`, `waiting`, `complete` or `error`. */
  readonly state: string;
  readonly message: string;
}

export interface TaskOutcome {
  readonly success: boolean;
  readonly taskId?: string;
  readonly output?: unknown;
  /** What the agent gives beside its output, for programs. */
  readonly data?: unknown;
  readonly summary?: string;
  readonly error?: string;
  readonly cancelled?: boolean;
  /** Milliseconds. */
  readonly duration?: number;
}

export interface Tool {
  readonly name: string;
  readonly description?: string;
  readonly category?: string;
  readonly parameters?: unknown;
}

export interface WaitingToolCall {
  readonly callId: string;
  readonly name: string;
  readonly arguments: unknown;
  readonly expiresAt?: number;
}

/** What handlers of each type of event get. The frame itself always comes last. */
export interface StepsEvents {
  connected: [clientId: string | undefined, frame: StepsFrame];
  status: [status: Status, frame: StepsFrame];
  "plan:created": [plan: Plan, frame: StepsFrame];
  "plan:updated": [plan: Plan, frame: StepsFrame];
  "step:start": [step: Step, frame: StepsFrame];
  /** `progress` is percent. */
  "step:progress": [step: Step, progress: number, message: string, frame: StepsFrame];
  "step:complete": [step: Step, result: StepResult, frame: StepsFrame];
  "step:error": [step: Step, error: string, frame: StepsFrame];
  "task:complete": [result: TaskOutcome, frame: StepsFrame];
  "task:error": [error: string, frame: StepsFrame];
  "waiting:confirmation": [step: Step, reason: string, frame: StepsFrame];
  /** One of the user's devices is to carry this out; `expiresAt` is in milliseconds since 1970. */
  "waiting:tool": [call: WaitingToolCall, frame: StepsFrame];
  "tools:list": [tools: readonly Tool[], frame: StepsFrame];
  /** The server has refused a request, or failed. */
  error: [error: RefusedError, frame: StepsFrame];
}

/** What a frame's handlers get, but for the frame. `plan` is that of the frame's task, the frame taken into it. */
export function argumentsOf(frame: StepsFrame, plan: Plan | undefined): readonly unknown[] {
  const { data, type } = frame;
  switch (type) {
    case "connected":
      return [stringIn(data, "clientId")];
    case "status":
      return [statusOf(data)];
    case "plan:created":
    case "plan:updated":
      return [plan ?? { steps: [] }];
    case "step:start":
      return [stepOf(plan, frame)];
    case "step:progress":
      return [stepOf(plan, frame), numberIn(data, "progress") ?? 0, stringIn(data, "message") ?? ""];
    case "step:complete":
      return [stepOf(plan, frame), resultOf(frame)];
    case "step:error":
      return [stepOf(plan, frame), stringIn(data, "error") ?? ""];
    case "task:complete":
      return [outcomeOf(data)];
    case "task:error":
      return [stringIn(data, "error") ?? ""];
    case "waiting:confirmation":
      return [stepOf(plan, frame), stringIn(data, "reason") ?? ""];
    case "waiting:tool":
      return [toolCallOf(data)];
    case "tools:list":
      return [toolsOf(data)];
    case "error":
      return [errorOf(data)];
    default:
      return [data];
  }
}

/** The plan that a frame leaves behind, undefined where it brings none. */
export function newPlan(frame: StepsFrame): Plan | undefined {
  return frame.type === "plan:created" || frame.type === "plan:updated" ? decodePlan(frame.data) : undefined;
}

export function statusOf(data: JsonObject): Status {
  return { state: stringIn(data, "state") ?? "", message: stringIn(data, "message") ?? "" };
}

export function outcomeOf(data: JsonObject): TaskOutcome {
  // The server says null where there is none.
  const { error, ...rest } = data;
  return { ...rest, success: data["success"] === true, ...(typeof error === "string" && { error }) };
}

export function toolsOf(data: JsonObject): readonly Tool[] {
  const tools: unknown[] = Array.isArray(data["tools"]) ? data["tools"] : [];
  return tools.filter(isObject).map((tool) => ({ ...tool, name: stringIn(tool, "name") ?? "" }));
}

function toolCallOf(data: JsonObject): WaitingToolCall {
  const expiresAt = numberIn(data, "expiresAt");
  return {
    callId: stringIn(data, "callId") ?? "",
    name: stringIn(data, "name") ?? "",
    arguments: data["arguments"],
    ...(expiresAt !== undefined && { expiresAt }),
  };
}

export function errorOf(data: JsonObject): RefusedError {
  return new RefusedError(stringIn(data, "code") ?? "ERROR", stringIn(data, "message") ?? "refused without a reason");
}
