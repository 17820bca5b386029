import { errorOf, newPlan, outcomeOf, statusOf, type TaskOutcome, type Tool, toolsOf } from "../steps/events.js";
import type { StepsFrame } from "../steps/frames.js";
import { advance, type Plan, stepOf } from "../steps/plan.js";
import { describe } from "./describe.js";

/** Entries of the log that are kept: the newest. */
const MAX_LOG = 200;

/** Other tasks that are told from the own one: the newest. */
const MAX_OTHERS = 50;

export interface LogEntry {
  readonly key: number;
  readonly level: "info" | "error";
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
}

/** A step that waits for an answer. */
export interface Question {
  readonly stepId: string;
  readonly stepName: string;
  readonly reason: string;
}

/** One task as a person sees it. A client is told of all tasks of its user: one is followed at a time. */
export interface AgentView {
  /** `idle`, `planning`, `executing`, `waiting`, `complete` or `error`. */
  readonly status: string;
  readonly taskId: string | undefined;
  readonly plan: Plan | undefined;
  readonly question: Question | undefined;
  readonly result: TaskOutcome | undefined;
  readonly error: string | undefined;
  readonly tools: readonly Tool[];
  readonly log: readonly LogEntry[];
  /** Submitted, and not named by the server yet. */
  readonly submitted: boolean;
  readonly others: readonly string[];
}

export type AgentAction =
  | { readonly kind: "frame"; readonly frame: StepsFrame; readonly now: number }
  | { readonly kind: "submitted"; readonly task: string; readonly now: number }
  | { readonly kind: "answered"; readonly approved: boolean; readonly now: number }
  | { readonly kind: "failed"; readonly message: string; readonly now: number }
  | { readonly kind: "log cleared" };

export const NOTHING: AgentView = {
  status: "idle",
  taskId: undefined,
  plan: undefined,
  question: undefined,
  result: undefined,
  error: undefined,
  tools: [],
  log: [],
  submitted: false,
  others: [],
};

/** Whether a task is under way: until it ends, no other can be submitted. */
export function isRunning({ status }: AgentView): boolean {
  return status === "planning" || status === "executing" || status === "waiting";
}

/** A reducer, as React's `useReducer` takes it. */
export function reduceAgent(view: AgentView, action: AgentAction): AgentView {
  switch (action.kind) {
    case "frame":
      return taken(view, action.frame, action.now);
    case "submitted":
      return logged(begun(view), "info", `Task: ${action.task}`, action.now);
    case "answered":
      return logged({ ...view, question: undefined }, "info", action.approved ? "Approved" : "Rejected", action.now);
    case "failed":
      return logged({ ...view, error: action.message }, "error", action.message, action.now);
    case "log cleared":
      return { ...view, log: [] };
  }
}

function begun(view: AgentView): AgentView {
  const { log, tools, others, taskId } = view;
  const known = taskId === undefined ? others : remembered(others, taskId);
  return { ...NOTHING, log, tools, others: known, status: "planning", submitted: true };
}

function taken(view: AgentView, frame: StepsFrame, now: number): AgentView {
  const followed = following(view, frame);
  const text = describe(frame);
  const isError = frame.type === "error" || frame.type === "task:error" || frame.type === "step:error";
  const told = text === undefined ? followed.view : logged(followed.view, isError ? "error" : "info", text, now);
  return followed.isOurs ? applied(told, frame) : told;
}

/** Whether the frame is about the task that is followed; a new one is followed once that has ended. */
function following(view: AgentView, frame: StepsFrame): { readonly view: AgentView; readonly isOurs: boolean } {
  const { taskId } = frame;
  if (taskId === undefined || taskId === view.taskId) {
    return { view, isOurs: true };
  }
  const isFree = view.taskId === undefined || !isRunning(view);
  if (!isFree || view.others.includes(taskId)) {
    return { view: { ...view, others: remembered(view.others, taskId) }, isOurs: false };
  }
  if (view.submitted || view.taskId === undefined) {
    return { view: { ...view, taskId, submitted: false }, isOurs: true };
  }
  return { view: { ...begun(view), taskId, submitted: false }, isOurs: true };
}

function applied(view: AgentView, frame: StepsFrame): AgentView {
  const { data } = frame;
  switch (frame.type) {
    case "status":
      return { ...view, status: statusOf(data).state };
    case "plan:created":
    case "plan:updated":
      return { ...view, plan: newPlan(frame) ?? view.plan };
    case "waiting:confirmation":
      return { ...stepped(view, frame), status: "waiting", question: questionOf(view, frame) };
    case "step:start":
    case "step:progress":
    case "step:complete":
    case "step:error":
      return { ...stepped(view, frame), status: "executing", question: stillOpen(view, frame) };
    case "task:complete":
      return { ...view, status: "complete", question: undefined, result: outcomeOf(data) };
    case "task:error":
      return { ...view, status: "error", question: undefined, error: describe(frame) };
    case "error":
      // Nothing has come of the task that was submitted, or of the command: what runs goes on.
      return {
        ...view,
        status: view.submitted ? "error" : view.status,
        submitted: false,
        error: errorOf(data).message,
      };
    case "tools:list":
      return { ...view, tools: toolsOf(data) };
    default:
      return view;
  }
}

function stepped(view: AgentView, frame: StepsFrame): AgentView {
  return { ...view, plan: view.plan && advance(view.plan, frame) };
}

function questionOf(view: AgentView, frame: StepsFrame): Question {
  const step = stepOf(view.plan, frame);
  const { reason } = frame.data;
  return { stepId: step.id, stepName: step.name, reason: typeof reason === "string" ? reason : "" };
}

/** A question is settled when its own step goes on, wherever the answer came from. */
function stillOpen({ question }: AgentView, frame: StepsFrame): Question | undefined {
  return question?.stepId === frame.data["stepId"] ? undefined : question;
}

function remembered(others: readonly string[], taskId: string): readonly string[] {
  return others.includes(taskId) ? others : [...others, taskId].slice(-MAX_OTHERS);
}

function logged(view: AgentView, level: LogEntry["level"], text: string, timestamp: number): AgentView {
  const key = (view.log.at(-1)?.key ?? 0) + 1;
  return { ...view, log: [...view.log, { key, level, text, timestamp }].slice(-MAX_LOG) };
}
