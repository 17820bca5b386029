import { errorOf, newPlan, outcomeOf, statusOf } from "../steps/events.js";
import type { StepsFrame } from "../steps/frames.js";
import { resultOf } from "../steps/plan.js";
import { stringIn } from "../json.js";

/** A frame as a line of the log; undefined for one that is not worth a line. */
export function describe(frame: StepsFrame): string | undefined {
  const { data } = frame;
  const step = stringIn(data, "stepName") ?? stringIn(data, "stepId") ?? "";
  switch (frame.type) {
    case "connected":
      return "Connected";
    case "status":
      return statusOf(data).message || undefined;
    case "plan:created":
      return `Plan: ${newPlan(frame)?.steps.length ?? 0} steps`;
    case "plan:updated":
      return "The plan has changed";
    case "step:start":
      return `Started: ${step}`;
    case "step:complete":
      return `${resultOf(frame).status}: ${step}`;
    case "step:error":
      return `Failed: ${step}: ${stringIn(data, "error") ?? ""}`;
    case "waiting:confirmation":
      return `Waits for an answer: ${step}`;
    case "task:complete":
      return `The task is over: ${endingOf(frame)}`;
    case "task:error":
      return stringIn(data, "error") ?? "The task has failed";
    case "error":
      return errorOf(data).message;
    default:
      return undefined;
  }
}

function endingOf({ data }: StepsFrame): string {
  const { success, cancelled } = outcomeOf(data);
  if (success) {
    return "done";
  }
  return cancelled === true ? "cancelled" : "failed";
}
