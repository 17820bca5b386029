import type { ToolOutcome } from "../gateway/messages.js";
import { type EventStreamLink, openEventStream } from "../eventStreamLink.js";
import { ConnectionLostError, NotConnectedError, RefusedError, RequestTimeoutError } from "../errors.js";
import { isObject, type JsonObject, parseObject, stringIn } from "../json.js";
import { cut, type LinkEvents } from "../link.js";
import type { Tool } from "./events.js";
import type { StepsCommand } from "./frames.js";
import type { SSEClientOptions } from "./options.js";
import { StepsClient } from "./stepsClient.js";
import { commandUrlBeside } from "./url.js";

/** The steps over an event stream, with a POST for each command. Commands reject while there is no connection. */
export class SSEClient extends StepsClient<EventStreamLink> {
  readonly url: string;
  readonly taskUrl: string;
  readonly commandUrl: string;
  readonly #credentials: RequestCredentials;
  readonly #fetch: typeof fetch;
  #streamId: string | undefined;

  constructor(options: SSEClientOptions) {
    super(options, (options.silenceMs ?? 90_000) / 2);
    this.url = options.url;
    this.taskUrl = options.taskUrl;
    this.commandUrl = options.commandUrl ?? commandUrlBeside(options.taskUrl);
    this.#credentials = options.credentials ?? "same-origin";
    // As a plain function: a browser's `fetch` must not be called as a method of something else.
    this.#fetch = options.fetch ?? ((...args) => fetch(...args));
  }

  override get lastEventId(): string | undefined {
    return this.#streamId;
  }

  async submitTask(task: string, context: JsonObject = {}): Promise<void> {
    await this.#post(this.taskUrl, { task, context });
  }

  /** Cancels the task that runs, or the one that is named. */
  cancelTask(taskId?: string): Promise<void> {
    return this.#command(taskId === undefined ? { type: "task:cancel" } : { type: "task:cancel", data: { taskId } });
  }

  /** Answers a `waiting:confirmation`. */
  confirmStep(stepId: string, approved: boolean): Promise<void> {
    return this.#command({ type: "step:confirm", data: { stepId, approved } });
  }

  /** Answers a `waiting:tool`. */
  answerToolCall(callId: string, outcome: ToolOutcome, taskId?: string): Promise<void> {
    return this.#command({
      type: "tool:result",
      data: { callId, ...outcome, ...(taskId !== undefined && { taskId }) },
    });
  }

  getTools(): Promise<readonly Tool[]> {
    return this.listTools((command) => this.#command(command));
  }

  protected open(events: LinkEvents, signal: AbortSignal): Promise<EventStreamLink> {
    const resumed = this.#streamId === undefined ? {} : { "last-event-id": this.#streamId };
    const target = {
      fetch: this.#fetch,
      url: this.url,
      headers: { ...this.#authorization(), ...resumed },
      credentials: this.#credentials,
      event: ({ id }: { id: string | undefined }) => {
        this.#streamId = id ?? this.#streamId;
      },
      retry: (ms: number) => {
        this.backoff.baseMs = ms;
      },
    };
    return openEventStream(target, events, signal);
  }

  /** The stream cannot be asked: the server sends a comment from time to time. */
  protected beat(): void {}

  #command(command: StepsCommand): Promise<void> {
    return this.#post(this.commandUrl, command);
  }

  async #post(url: string, body: object): Promise<void> {
    const { clientId } = this;
    if (clientId === undefined) {
      throw new NotConnectedError();
    }
    const [status, text] = await this.#exchange(url, JSON.stringify({ ...body, clientId }));
    if (status < 200 || status > 299) {
      throw new RefusedError(String(status), messageIn(text) ?? `HTTP status ${status}`);
    }
  }

  async #exchange(url: string, body: string): Promise<readonly [status: number, text: string]> {
    const headers = { "content-type": "application/json", ...this.#authorization() };
    const signal = AbortSignal.timeout(this.timeoutMs);
    try {
      const response = await this.#fetch(url, {
        method: "POST",
        headers,
        body,
        signal,
        credentials: this.#credentials,
      });
      return [response.status, await response.text()];
    } catch (error) {
      throw signal.aborted ? new RequestTimeoutError() : new ConnectionLostError(cut(String(error)));
    }
  }

  #authorization(): Readonly<Record<string, string>> {
    return this.token === undefined ? {} : { authorization: `Bearer ${this.token}` };
  }
}

/** The server's own words: at the top, or in an object `error` or `data`. */
function messageIn(text: string): string | undefined {
  const body = parseObject(text) ?? {};
  const said = [body, body["error"], body["data"]].filter(isObject).map((part) => stringIn(part, "message"));
  return said.find((message) => message !== undefined) ?? stringIn(body, "error");
}
