import { isObject, type JsonObject, numberIn, stringIn } from "../json.js";
import type { StepsFrame } from "./frames.js";

/** One step. `status` is `pending`, `running`, `waiting`, or how it has ended. */
export interface Step {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly description?: string;
  readonly type?: string;
  /** Percent. */
  readonly progress?: number;
  /** The last word about its progress, or why it waits or has failed. */
  readonly message?: string;
  readonly result?: StepResult;
}

export interface StepResult {
  readonly status: string;
  readonly output?: unknown;
  /** Milliseconds. */
  readonly duration?: number;
}

export interface Plan {
  readonly steps: readonly Step[];
}

/** The plan in a frame, or undefined where it holds none. */
export function decodePlan(data: JsonObject): Plan | undefined {
  const plan = data["plan"];
  if (!isObject(plan) || !Array.isArray(plan["steps"])) {
    return undefined;
  }
  return { ...plan, steps: plan["steps"].filter(isObject).map(decodeStep) };
}

/** The plan after a frame about one of its steps; the same plan after any other. */
export function advance(plan: Plan, frame: StepsFrame): Plan {
  const change = changeOf(frame);
  const stepId = stringIn(frame.data, "stepId");
  if (change === undefined || !plan.steps.some((step) => step.id === stepId)) {
    return plan;
  }
  return { ...plan, steps: plan.steps.map((step) => (step.id === stepId ? { ...step, ...change } : step)) };
}

/** The step that a frame is about: as the plan has it, or as far as the frame itself says. */
export function stepOf(plan: Plan | undefined, frame: StepsFrame): Step {
  const id = stringIn(frame.data, "stepId") ?? "";
  const planned = plan?.steps.find((step) => step.id === id);
  return planned ?? { id, name: stringIn(frame.data, "stepName") ?? id, status: "pending", ...changeOf(frame) };
}

export function resultOf({ data }: StepsFrame): StepResult {
  const result = isObject(data["result"]) ? data["result"] : {};
  return { ...result, status: stringIn(result, "status") ?? "completed" };
}

function changeOf(frame: StepsFrame): Partial<Step> | undefined {
  const { data } = frame;
  switch (frame.type) {
    case "step:start":
      return { status: "running" };
    case "step:progress":
      return { status: "running", ...said(data, "message"), ...progressed(data) };
    case "waiting:confirmation":
      return { status: "waiting", ...said(data, "reason") };
    case "step:complete":
      return { status: resultOf(frame).status, result: resultOf(frame) };
    case "step:error":
      return { status: "failed", ...said(data, "error") };
    default:
      return undefined;
  }
}

function said(data: JsonObject, name: string): { message?: string } {
  const message = stringIn(data, name);
  return message === undefined ? {} : { message };
}

function progressed(data: JsonObject): { progress?: number } {
  const progress = numberIn(data, "progress");
  return progress === undefined ? {} : { progress };
}

function decodeStep(step: JsonObject, index: number): Step {
  const id = stringIn(step, "id") ?? `step-${index + 1}`;
  return { ...step, id, name: stringIn(step, "name") ?? id, status: stringIn(step, "status") ?? "pending" };
}
