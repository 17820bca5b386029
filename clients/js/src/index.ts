export type { ConnectionState, ConnectOptions } from "./connection";
export {
  ClientError,
  ConnectionLostError,
  NotConnectedError,
  OverloadedError,
  ProtocolError,
  RefusedError,
  RequestTimeoutError,
} from "./errors";
export { AgentBoxGateway, type Since } from "./gateway/gateway";
export type {
  AuthResult,
  EventPayload,
  ExecStarted,
  GatewayEvents,
  NewTask,
  Position,
  Subscribed,
  TaskResult,
  TopicStart,
  Unsubscribed,
} from "./gateway/messages";
export type { GatewayOptions } from "./gateway/options";
export type { Status, StepsEvents, TaskOutcome, Tool } from "./steps/events";
export type { StepsFrame } from "./steps/frames";
export type { SSEClientOptions, StepsOptions, WebSocketClientOptions } from "./steps/options";
export type { Plan, Step, StepResult } from "./steps/plan";
export { SSEClient } from "./steps/sseClient";
export { WebSocketClient } from "./steps/webSocketClient";
export type { WebSocketConstructor, WebSocketLike } from "./webSocketLink";
