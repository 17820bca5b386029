import { newPlan } from "./events.js";
import type { StepsFrame } from "./frames.js";
import { advance, type Plan } from "./plan.js";

/** How many tasks' plans are kept: the newest. */
const MAX_PLANS = 100;

/** The plans of the tasks that are under way, as the frames tell them. */
export class Plans {
  readonly #plans = new Map<string, Plan>();

  /** Takes a frame in. Returns the plan of its task, if there is one. */
  take(frame: StepsFrame): Plan | undefined {
    const task = frame.taskId ?? "";
    const known = this.#plans.get(task);
    const plan = newPlan(frame) ?? (known && advance(known, frame));
    if (frame.type === "task:complete" || frame.type === "task:error") {
      this.#plans.delete(task);
    } else if (plan !== undefined) {
      this.#keep(task, plan);
    }
    return plan;
  }

  #keep(task: string, plan: Plan): void {
    this.#plans.delete(task);
    this.#plans.set(task, plan);
    if (this.#plans.size > MAX_PLANS) {
      for (const oldest of this.#plans.keys()) {
        this.#plans.delete(oldest);
        break;
      }
    }
  }
}
