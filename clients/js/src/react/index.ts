import "./panel.css";

export { AgentPanel, type AgentPanelProps } from "./AgentPanel";
export type { AgentView, LogEntry, Question } from "./agentView";
export { type Agent, type AgentOptions, useAgent } from "./useAgent";
