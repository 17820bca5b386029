import { type ReactElement, useId } from "react";
import type { TaskOutcome } from "../steps/events.js";
import { asText } from "./asText.js";

/** How a task has ended, and with what. */
export function ResultView({ result }: { readonly result: TaskOutcome }): ReactElement {
  const id = useId();
  const { success, cancelled, output, summary, error, duration } = result;
  return (
    <section className="callboard-result" data-success={success} aria-labelledby={id}>
      <h3 id={id}>{titleOf(success, cancelled === true)}</h3>
      {summary !== undefined && <p>{summary}</p>}
      {asText(output) !== "" && <pre>{asText(output)}</pre>}
      {!success && error !== undefined && <p>{error}</p>}
      {duration !== undefined && <p className="callboard-faint">{(duration / 1000).toFixed(1)} s</p>}
    </section>
  );
}

function titleOf(success: boolean, cancelled: boolean): string {
  if (success) {
    return "Done";
  }
  return cancelled ? "Cancelled" : "Failed";
}
