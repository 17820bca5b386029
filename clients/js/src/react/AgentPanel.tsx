import type { ReactElement } from "react";
import { type Agent, type AgentOptions, useAgent } from "./useAgent.js";
import { isRunning } from "./agentView.js";
import { Confirmation } from "./Confirmation.js";
import { ConnectionLine } from "./ConnectionLine.js";
import { LogView } from "./LogView.js";
import { PlanView } from "./PlanView.js";
import { ResultView } from "./ResultView.js";
import { TaskForm } from "./TaskForm.js";

export interface AgentPanelProps extends AgentOptions {
  /** `auto` follows the system. Default: `auto`. */
  readonly theme?: "light" | "dark" | "auto" | undefined;
  readonly className?: string | undefined;
}

/** Submits a task, shows its plan, steps, questions and result, and cancels it. Its looks are in `style.css`. */
export function AgentPanel({ theme = "auto", className, ...options }: AgentPanelProps): ReactElement {
  const agent = useAgent(options);
  const { connection, question, plan, result, error, log } = agent;
  return (
    <section
      className={className === undefined ? "callboard-panel" : `callboard-panel ${className}`}
      data-theme={theme}
      aria-label="Agent"
    >
      <ConnectionLine connection={connection} onReconnect={agent.reconnect} />
      <TaskForm
        connected={connection.name === "open"}
        running={isRunning(agent)}
        onSubmit={agent.submitTask}
        onCancel={agent.cancelTask}
      />
      <output className="callboard-status">{statusLine(agent)}</output>
      {error !== undefined && (
        <p className="callboard-error" role="alert">
          {error}
        </p>
      )}
      {question !== undefined && (
        <Confirmation key={question.stepId} question={question} onAnswer={agent.confirmStep} />
      )}
      {plan !== undefined && <PlanView plan={plan} />}
      {result !== undefined && <ResultView result={result} />}
      <LogView log={log} onClear={agent.clearLog} />
    </section>
  );
}

/** What a person who does not see the plan is told of it. */
function statusLine({ status, plan, question }: Agent): string {
  if (question !== undefined) {
    return `Waiting for your answer: ${question.stepName}`;
  }
  const steps = plan?.steps ?? [];
  const current = steps.findIndex((step) => step.status === "running");
  const step = steps[current];
  return status === "executing" && step !== undefined
    ? `Step ${current + 1} of ${steps.length}: ${step.name}`
    : (STATUS_TEXTS[status] ?? status);
}

const STATUS_TEXTS: Readonly<Record<string, string>> = {
  idle: "Ready",
  planning: "Planning",
  executing: "Executing",
  waiting: "Waiting",
  complete: "The task is over",
  error: "The task has failed",
};
