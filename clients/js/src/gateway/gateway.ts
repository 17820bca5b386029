import { Backoff } from "../backoff.js";
import { Connection, type ConnectionState, type ConnectOptions } from "../connection.js";
import { Emitter, type Report, reportToConsole } from "../emitter.js";
import { ConnectionLostError, NotConnectedError, ProtocolError, RefusedError } from "../errors.js";
import { isObject, parseObject } from "../json.js";
import { openWebSocket, webSocketConstructor, type WebSocketLink } from "../webSocketLink.js";
import { Marks } from "./marks.js";
import {
  type AuthResult,
  type EventPayload,
  type ExecStarted,
  expectReply,
  type GatewayEvents,
  isAuthResult,
  isEventPayload,
  isExecStarted,
  isSubscribed,
  isTaskResult,
  isUnsubscribed,
  type NewTask,
  type Position,
  refusal,
  type Subscribed,
  type TaskResult,
  type ToolOutcome,
  type Unsubscribed,
} from "./messages.js";
import type { GatewayOptions } from "./options.js";
import { Requests } from "./requests.js";
import { resume } from "./resume.js";
import { Subscriptions } from "./subscriptions.js";

type Handler<Data> = (data: Data, payload: EventPayload<Data>) => void;

/** Where to start: `<epoch>:<offset>`, a position, or "0" for the oldest event that is kept. */
export type Since = Readonly<Record<string, Position | string>>;

export interface SubscribeOptions {
  /** Whether each topic begins with its snapshot. Default: false. */
  readonly snapshot?: boolean;
}

const PING = JSON.stringify({ type: "ping" });

/**
 * A client of the gateway. It comes back by itself after a cut, authenticates, and takes every subscription up where it
 * was left: no event is lost or handed out twice, and what the server cannot deliver any more is an event `gap`.
 */
export class AgentBoxGateway {
  readonly url: string;
  /** Read at each authentication: a renewed one may be put here. Undefined: none is needed. */
  token: string | undefined;
  readonly #report: Report;
  readonly #events: Emitter;
  readonly #states: Emitter;
  readonly #requests: Requests;
  readonly #connection: Connection<WebSocketLink>;
  readonly #subscriptions = new Subscriptions();
  readonly #marks: Marks;
  #deviceId: string | undefined;

  /** Throws a TypeError where the platform has no WebSocket and `options` give none. */
  constructor(url: string, token?: string, options: GatewayOptions = {}) {
    this.url = url;
    this.token = token;
    this.#deviceId = options.deviceId;
    this.#report = options.onError ?? reportToConsole;
    this.#events = new Emitter(this.#report);
    this.#states = new Emitter(this.#report);
    this.#requests = new Requests({
      timeoutMs: options.requestTimeoutMs ?? 30_000,
      maxPending: options.maxPending ?? 1_000,
      maxQueued: options.maxQueued ?? 100,
    });
    this.#marks = new Marks(this.#subscriptions, (text) => this.#transmit(text), this.#report);
    this.#connection = this.#makeConnection(options);
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  /** Resolves once connected and authenticated. Rejects where the first attempt fails. */
  connect({ retry = false }: ConnectOptions = {}): Promise<void> {
    return this.#connection.connect(retry);
  }

  /** Shows the token, as `connect` does by itself. Rejects with a RefusedError where the server does not take it. */
  async auth(): Promise<AuthResult> {
    const device = this.#deviceId === undefined ? {} : { device_id: this.#deviceId };
    const reply = await this.#request("auth", { token: this.token, ...device });
    if (!isObject(reply) || reply["success"] !== true) {
      const { code, message } = refusal(reply, "UNAUTHORIZED");
      throw new RefusedError(code, message);
    }
    // The same name at the next connection replaces this one, should the server still hold it.
    const result = expectReply(reply, isAuthResult);
    this.#deviceId = result.device_id;
    return result;
  }

  /**
   * Without topics, all of the channel. Subscriptions outlive the connection, until `unsubscribe`. With `snapshot`, for
   * named tasks or sessions, each begins with an event `snapshot`, what it has come to, where it was given no position;
   * and goes on with one after a gap, also on later connections.
   */
  async subscribe(
    channel: string,
    topics: readonly string[] = [],
    since?: Since,
    { snapshot = false }: SubscribeOptions = {},
  ): Promise<Subscribed> {
    const asked = { channel, topics, ...(since === undefined ? {} : { since }), ...(snapshot ? { snapshot } : {}) };
    this.#subscriptions.wantSnapshots(channel, topics, snapshot);
    return expectReply(await this.send("subscribe", asked), isSubscribed);
  }

  /** Without topics, all of the channel. */
  async unsubscribe(channel: string, topics: readonly string[] = []): Promise<Unsubscribed> {
    return expectReply(await this.send("unsubscribe", { channel, topics }), isUnsubscribed);
  }

  createTask(task: NewTask): Promise<TaskResult> {
    return this.#act({ action: "create", data: task });
  }

  cancelTask(taskId: string): Promise<TaskResult> {
    return this.#act({ task_id: taskId, action: "cancel" });
  }

  appendTurn(taskId: string, prompt: string): Promise<TaskResult> {
    return this.#act({ task_id: taskId, action: "append_turn", data: prompt });
  }

  /** Answers a `step.confirm`. */
  confirm(taskId: string, stepId: string, approved: boolean): Promise<TaskResult> {
    return this.#act({ task_id: taskId, action: "confirm", data: { step_id: stepId, approved } });
  }

  /** Answers an `agent.client_tool_call`. */
  answerToolCall(taskId: string, callId: string, outcome: ToolOutcome): Promise<TaskResult> {
    return this.#act({ task_id: taskId, action: "tool_result", data: { call_id: callId, ...outcome } });
  }

  /** Runs a command in a session. Its output comes as events `output` and `done` of channel `session`. */
  async execSession(sessionId: string, command: string): Promise<ExecStarted> {
    return expectReply(await this.send("session.exec", { session_id: sessionId, command }), isExecStarted);
  }

  /** Handles the events of a type; `*` is every event. Returns what takes the handler away again. */
  on<Type extends keyof GatewayEvents>(eventType: Type, handler: Handler<GatewayEvents[Type]>): () => void;
  on(eventType: string, handler: Handler<unknown>): () => void;
  on(eventType: string, handler: Handler<never>): () => void {
    return this.#events.on(eventType, handler);
  }

  /** Takes a handler away, or all of that type. */
  off<Type extends keyof GatewayEvents>(eventType: Type, handler?: Handler<GatewayEvents[Type]>): void;
  off(eventType: string, handler?: Handler<unknown>): void;
  off(eventType: string, handler?: Handler<never>): void {
    this.#events.off(eventType, handler);
  }

  /** Tells where the connection stands, whenever that changes. Returns what takes the handler away again. */
  onState(handler: (state: ConnectionState) => void): () => void {
    return this.#states.on("state", handler);
  }

  /**
   * Sends any request and resolves with the payload of its reply. While the connection is made, requests wait for it;
   * one that is under way when it is lost is rejected with a ConnectionLostError.
   */
  send(type: string, payload: unknown): Promise<unknown> {
    switch (this.state.name) {
      case "open":
        return this.#request(type, payload);
      case "connecting":
      case "waiting":
        return this.#requests.make(type, payload, undefined);
      case "idle":
      case "closed":
        return Promise.reject(new NotConnectedError());
    }
  }

  /** Ends the connection for good. Handlers and subscriptions stay for another `connect`. */
  disconnect(): void {
    this.#connection.disconnect();
  }

  #makeConnection(options: GatewayOptions): Connection<WebSocketLink> {
    const Constructor = webSocketConstructor(options.WebSocket);
    const target = { Constructor, url: this.url, maxBufferedBytes: options.maxBufferedBytes ?? 1 << 20 };
    const { reconnectBaseMs: baseMs = 500, reconnectCapMs: capMs = 30_000, random = Math.random } = options;
    return new Connection(
      {
        open: (events, signal) => openWebSocket(target, events, signal),
        greet: (signal) => this.#greet(signal),
        message: (text) => this.#receive(text),
        lost: (error) => {
          this.#requests.rejectSent(error);
          this.#subscriptions.endRenewals();
        },
        stateChanged: (state) => this.#stateChanged(state),
        beat: (link) => link.send(PING),
      },
      {
        backoff: new Backoff({ baseMs, capMs, random }),
        reconnect: options.autoReconnect ?? true,
        openTimeoutMs: options.openTimeoutMs ?? 15_000,
        silenceMs: options.heartbeatMs ?? 25_000,
      },
    );
  }

  async #greet(signal: AbortSignal): Promise<void> {
    if (this.token !== undefined) {
      await this.auth();
    }
    await resume(
      this.#subscriptions,
      async (request) => void expectReply(await this.#request("subscribe", request), isSubscribed),
      (event) => this.#handOut(event),
      signal,
    );
  }

  #stateChanged(state: ConnectionState): void {
    if (state.name === "open") {
      this.#requests.flush((text) => this.#transmit(text));
    } else if (state.name === "closed") {
      this.#requests.rejectAll(new ConnectionLostError({ ...state, mayReconnect: false }));
    }
    this.#states.emit("state", state);
  }

  async #act(payload: unknown): Promise<TaskResult> {
    return expectReply(await this.send("task.action", payload), isTaskResult);
  }

  #request(type: string, payload: unknown): Promise<unknown> {
    return this.#requests.make(type, payload, (text) => this.#transmit(text));
  }

  #transmit(text: string): void {
    const { link } = this.#connection;
    if (link === undefined) {
      throw new NotConnectedError();
    }
    link.send(text);
  }

  #receive(text: string): void {
    const message = parseObject(text);
    if (message === undefined) {
      this.#report(new ProtocolError(`not a JSON object: ${text.slice(0, 200)}`));
      return;
    }
    const { id, type, payload } = message;
    if (this.#marks.settle(id, type, payload)) {
      return;
    }
    // Before the request's promise: events that the reply speaks of may come in the same turn.
    this.#noteSubscription(type, payload);
    if (this.#requests.settle(id, type, payload)) {
      return;
    }
    if (type === "event" && isEventPayload(payload)) {
      if (this.#subscriptions.read(payload)) {
        this.#handOut(payload);
      }
      this.#marks.renew(payload.channel);
    } else if (type === "error") {
      const { code, message: reason, retryAfterMs } = refusal(payload, "ERROR");
      this.#report(new RefusedError(code, reason, retryAfterMs));
    }
  }

  #noteSubscription(type: unknown, payload: unknown): void {
    if (type === "subscribed" && isSubscribed(payload)) {
      this.#subscriptions.subscribed(payload).forEach((event) => this.#handOut(event));
    } else if (type === "unsubscribed" && isUnsubscribed(payload)) {
      this.#subscriptions.unsubscribed(payload);
    }
  }

  #handOut(event: EventPayload): void {
    this.#events.emit(event.event_type, event.data, event);
    this.#events.emit("*", event.data, event);
  }
}
