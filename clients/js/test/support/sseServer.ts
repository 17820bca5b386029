import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Queue } from "./queue";

/** A request as it came, and the way to answer it. */
export class Exchange {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, body: string, response: ServerResponse) {
    this.path = request.url ?? "";
    this.headers = request.headers;
    this.body = body === "" ? undefined : JSON.parse(body);
    this.#response = response;
  }

  answer(status: number, body: object): void {
    this.#response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }

  /** Begins the event stream, and greets. */
  open(clientId: string): void {
    this.#response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
    this.write(`retry: 0\n\n: heartbeat\n\n`);
    this.event({ type: "connected", timestamp: 1, data: { clientId } });
  }

  event(frame: { readonly type: string; readonly [name: string]: unknown }, id?: string): void {
    const named = frame.type === "error" ? "" : `event: ${frame.type}\n`;
    this.write(`${named}${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(frame)}\n\n`);
  }

  write(text: string): void {
    this.#response.write(text);
  }

  cut(): void {
    this.#response.destroy();
  }
}

/** An HTTP server that hands its requests to the test: those for the stream, and those with commands. */
export class SseServer {
  readonly streams = new Queue<Exchange>();
  readonly posts = new Queue<Exchange>();
  readonly #server = createServer((request, response) => void this.#take(request, response));

  static async start(): Promise<SseServer> {
    const server = new SseServer();
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const piece of request) {
      body += String(piece);
    }
    const exchange = new Exchange(request, body, response);
    (request.method === "GET" ? this.streams : this.posts).put(exchange);
  }
}
