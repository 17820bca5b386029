import { type ReactElement, useId } from "react";
import type { Plan } from "../steps/plan.js";
import { StepItem } from "./StepItem.js";

/** The steps of a plan in their order. */
export function PlanView({ plan }: { readonly plan: Plan }): ReactElement {
  const id = useId();
  return (
    <section className="callboard-plan" aria-labelledby={id}>
      <h3 id={id}>Plan</h3>
      <ol>
        {plan.steps.map((step) => (
          <StepItem key={step.id} step={step} />
        ))}
      </ol>
    </section>
  );
}
