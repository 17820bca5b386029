export type { ConnectionState, ConnectOptions } from "./connection.js";
export {
  ClientError,
  ConnectionLostError,
  NotConnectedError,
  OverloadedError,
  ProtocolError,
  RefusedError,
  RequestTimeoutError,
} from "./errors.js";
export { AgentBoxGateway, type Since, type SubscribeOptions } from "./gateway/gateway.js";
export type {
  AuthResult,
  EventPayload,
  ExecStarted,
  GatewayEvents,
  NewTask,
  Position,
  SessionSnapshot,
  Subscribed,
  TaskResult,
  TaskSnapshot,
  ToolOutcome,
  TopicStart,
  Unsubscribed,
} from "./gateway/messages.js";
export type { GatewayOptions } from "./gateway/options.js";
export type { Status, StepsEvents, TaskOutcome, Tool, WaitingToolCall } from "./steps/events.js";
export type { StepsFrame } from "./steps/frames.js";
export type { SSEClientOptions, StepsOptions, WebSocketClientOptions } from "./steps/options.js";
export type { Plan, Step, StepResult } from "./steps/plan.js";
export { SSEClient } from "./steps/sseClient.js";
export { WebSocketClient } from "./steps/webSocketClient.js";
export type { WebSocketConstructor, WebSocketLike } from "./webSocketLink.js";
