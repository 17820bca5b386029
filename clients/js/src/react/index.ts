export { AgentPanel, type AgentPanelProps } from "./AgentPanel.js";
export type { AgentView, LogEntry, Question } from "./agentView.js";
export { type Agent, type AgentOptions, useAgent } from "./useAgent.js";
