import { Backoff } from "../backoff.js";
import { Connection, type ConnectionState, type ConnectOptions } from "../connection.js";
import { Deferred } from "../deferred.js";
import { Emitter, type Report, reportToConsole } from "../emitter.js";
import { type ConnectionLostError, ProtocolError } from "../errors.js";
import type { LinkEvents } from "../link.js";
import { argumentsOf, errorOf, type StepsEvents, type Tool, toolsOf } from "./events.js";
import { decodeFrame, type StepsCommand, type StepsFrame } from "./frames.js";
import type { StepsOptions } from "./options.js";
import { Plans } from "./plans.js";

const TOOLS_REQUEST = "tools";

/** What the steps' two transports have in common. It comes back by itself after a cut and takes up what it missed. */
export abstract class StepsClient<Link> {
  protected readonly token: string | undefined;
  protected readonly timeoutMs: number;
  protected readonly backoff: Backoff;
  readonly #report: Report;
  readonly #events: Emitter;
  readonly #states: Emitter;
  readonly #connection: Connection<Link>;
  readonly #plans = new Plans();
  #greeting: Deferred<void> | undefined;
  #tools: Deferred<readonly Tool[]> | undefined;
  #clientId: string | undefined;
  #lastEventId: string | undefined;

  protected constructor(options: StepsOptions, silenceMs: number) {
    this.token = options.token;
    this.timeoutMs = options.timeoutMs ?? 15_000;
    this.backoff = new Backoff({
      baseMs: options.reconnectInterval ?? 3_000,
      capMs: options.maxReconnectInterval ?? 30_000,
      random: options.random ?? Math.random,
    });
    this.#report = options.onError ?? reportToConsole;
    this.#events = new Emitter(this.#report);
    this.#states = new Emitter(this.#report);
    this.#connection = this.#makeConnection(options.autoReconnect ?? true, silenceMs);
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  /** What the server calls this connection. */
  get clientId(): string | undefined {
    return this.#clientId;
  }

  /** The last event that was seen, from which a new connection goes on. */
  get lastEventId(): string | undefined {
    return this.#lastEventId;
  }

  /** Resolves once the server has greeted. Rejects where the first attempt fails. */
  connect({ retry = false }: ConnectOptions = {}): Promise<void> {
    return this.#connection.connect(retry);
  }

  /** Ends the connection for good. Handlers stay for another `connect`. */
  disconnect(): void {
    this.#connection.disconnect();
  }

  /**
   * Handles the events of a type, those of the server's own making too; `*` is every frame. Returns what takes the
   * handler away again.
   */
  on<Type extends keyof StepsEvents>(type: Type, handler: (...args: StepsEvents[Type]) => void): () => void;
  on(type: string, handler: (data: unknown, frame: StepsFrame) => void): () => void;
  on(type: string, handler: (...args: never[]) => void): () => void {
    return this.#events.on(type, handler);
  }

  /** Takes a handler away, or all of that type. */
  off<Type extends keyof StepsEvents>(type: Type, handler?: (...args: StepsEvents[Type]) => void): void;
  off(type: string, handler?: (data: unknown, frame: StepsFrame) => void): void;
  off(type: string, handler?: (...args: never[]) => void): void {
    this.#events.off(type, handler);
  }

  /** Tells where the connection stands, whenever that changes. Returns what takes the handler away again. */
  onState(handler: (state: ConnectionState) => void): () => void {
    return this.#states.on("state", handler);
  }

  protected get link(): Link | undefined {
    return this.#connection.link;
  }

  protected abstract open(events: LinkEvents, signal: AbortSignal): Promise<Link>;

  protected abstract beat(link: Link): void;

  /** Asks for the tools by way of `request`; one answer serves all who ask meanwhile. */
  protected listTools(request: (command: StepsCommand) => void | Promise<void>): Promise<readonly Tool[]> {
    if (this.#tools !== undefined) {
      return this.#tools.promise;
    }
    const tools = new Deferred<readonly Tool[]>(this.timeoutMs);
    const forget = (): void => {
      this.#tools = undefined;
    };
    this.#tools = tools;
    tools.promise.then(forget, forget);
    // As a promise whichever way it fails.
    const asked = (async () => request({ type: "get:tools", id: TOOLS_REQUEST }))();
    asked.catch((error: unknown) => tools.reject(error));
    return tools.promise;
  }

  #makeConnection(reconnect: boolean, silenceMs: number): Connection<Link> {
    return new Connection<Link>(
      {
        open: (events, signal) => {
          // Here and not in `greet`: the greeting may come before that is called.
          this.#greeting = new Deferred(this.timeoutMs);
          return this.open(events, signal);
        },
        greet: () => this.#greeting?.promise ?? Promise.resolve(),
        message: (text) => this.#receive(text),
        lost: (error) => this.#lost(error),
        stateChanged: (state) => this.#states.emit("state", state),
        beat: (link) => this.beat(link),
      },
      { backoff: this.backoff, reconnect, openTimeoutMs: this.timeoutMs, silenceMs },
    );
  }

  #lost(error: ConnectionLostError): void {
    this.#clientId = undefined;
    this.#greeting?.reject(error);
    this.#tools?.reject(error);
  }

  #receive(text: string): void {
    const frame = decodeFrame(text);
    if (frame === undefined) {
      this.#report(new ProtocolError(`not a message: ${text.slice(0, 200)}`));
      return;
    }
    this.#lastEventId = frame.eventId ?? this.#lastEventId;
    const args = argumentsOf(frame, this.#plans.take(frame));
    this.#settle(frame);
    this.#events.emit(frame.type, ...args, frame);
    this.#events.emit("*", frame.data, frame);
  }

  #settle(frame: StepsFrame): void {
    if (frame.type === "connected") {
      const { clientId } = frame.data;
      this.#clientId = typeof clientId === "string" ? clientId : undefined;
      this.#greeting?.resolve();
    } else if (frame.type === "tools:list") {
      this.#tools?.resolve(toolsOf(frame.data));
    } else if (frame.type === "error" && frame.requestId === TOOLS_REQUEST) {
      this.#tools?.reject(errorOf(frame.data));
    }
  }
}
