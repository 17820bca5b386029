import type { ToolOutcome } from "../gateway/messages.js";
import { NotConnectedError } from "../errors.js";
import type { JsonObject } from "../json.js";
import type { LinkEvents } from "../link.js";
import {
  openWebSocket,
  webSocketConstructor,
  type WebSocketConstructor,
  type WebSocketLink,
} from "../webSocketLink.js";
import type { Tool } from "./events.js";
import type { StepsCommand } from "./frames.js";
import type { WebSocketClientOptions } from "./options.js";
import { StepsClient } from "./stepsClient.js";
import { withQuery } from "./url.js";

const PING = JSON.stringify({ type: "ping" });

/** The steps over a WebSocket. Commands throw a NotConnectedError while there is no connection. */
export class WebSocketClient extends StepsClient<WebSocketLink> {
  readonly url: string;
  readonly #Constructor: WebSocketConstructor;
  readonly #maxBufferedBytes: number;

  /** Throws a TypeError where the platform has no WebSocket and `options` give none. */
  constructor(options: WebSocketClientOptions) {
    super(options, options.heartbeatMs ?? 25_000);
    this.url = options.url;
    this.#Constructor = webSocketConstructor(options.WebSocket);
    this.#maxBufferedBytes = options.maxBufferedBytes ?? 1 << 20;
  }

  submitTask(task: string, context: JsonObject = {}): void {
    this.#command({ type: "task:submit", data: { task, context } });
  }

  /** Cancels the task that runs, or the one that is named. */
  cancelTask(taskId?: string): void {
    this.#command(taskId === undefined ? { type: "task:cancel" } : { type: "task:cancel", data: { taskId } });
  }

  /** Answers a `waiting:confirmation`. */
  confirmStep(stepId: string, approved: boolean): void {
    this.#command({ type: "step:confirm", data: { stepId, approved } });
  }

  /** Answers a `waiting:tool`. */
  answerToolCall(callId: string, outcome: ToolOutcome, taskId?: string): void {
    this.#command({ type: "tool:result", data: { callId, ...outcome, ...(taskId !== undefined && { taskId }) } });
  }

  getTools(): Promise<readonly Tool[]> {
    return this.listTools((command) => this.#command(command));
  }

  protected open(events: LinkEvents, signal: AbortSignal): Promise<WebSocketLink> {
    // A browser lets nobody set the headers of a WebSocket.
    const url = withQuery(this.url, { access_token: this.token, lastEventId: this.lastEventId });
    return openWebSocket(
      { Constructor: this.#Constructor, url, maxBufferedBytes: this.#maxBufferedBytes },
      events,
      signal,
    );
  }

  protected beat(link: WebSocketLink): void {
    link.send(PING);
  }

  #command(command: StepsCommand): void {
    if (this.link === undefined) {
      throw new NotConnectedError();
    }
    this.link.send(JSON.stringify(command));
  }
}
