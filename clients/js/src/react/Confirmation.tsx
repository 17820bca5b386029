import { type ReactElement, useId } from "react";
import type { Question } from "./agentView.js";

interface Props {
  readonly question: Question;
  readonly onAnswer: (stepId: string, approved: boolean) => void;
}

/** Asks whether a step may go on. The first answer, here or on another device, settles it. */
export function Confirmation({ question, onAnswer }: Props): ReactElement {
  const id = useId();
  const { stepId, stepName, reason } = question;
  return (
    <fieldset className="callboard-question" aria-describedby={id}>
      <legend>{stepName}</legend>
      <p id={id}>{reason}</p>
      <div className="callboard-buttons">
        <button type="button" className="callboard-primary" onClick={() => onAnswer(stepId, true)}>
          Approve
        </button>
        <button type="button" onClick={() => onAnswer(stepId, false)}>
          Reject
        </button>
      </div>
    </fieldset>
  );
}
