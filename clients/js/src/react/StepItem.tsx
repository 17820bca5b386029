import type { ReactElement } from "react";
import type { Step } from "../steps/plan.js";
import { asText } from "./asText.js";

/** One step: what it is, how it stands, and what came of it. */
export function StepItem({ step }: { readonly step: Step }): ReactElement {
  const { name, description, status, progress, message, result } = step;
  const isActive = status === "running";
  const output = asText(result?.output);
  return (
    <li className="callboard-step" data-status={status} aria-current={isActive ? "step" : undefined}>
      <div className="callboard-step-head">
        <span className="callboard-step-name">{name}</span>
        <span className="callboard-badge">{status}</span>
        {result?.duration !== undefined && <span className="callboard-faint">{Math.round(result.duration)} ms</span>}
      </div>
      {description !== undefined && description !== "" && <div className="callboard-faint">{description}</div>}
      {isActive && progress !== undefined && <progress max={100} value={progress} aria-label={`Progress of ${name}`} />}
      {result === undefined && message !== undefined && <div className="callboard-faint">{message}</div>}
      {output !== "" && <pre>{output}</pre>}
    </li>
  );
}
