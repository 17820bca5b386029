import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { Queue } from "./queue";

export interface Frame {
  readonly id?: string;
  readonly type: string;
  readonly payload?: Record<string, unknown>;
  readonly data?: Record<string, unknown>;
}

/** The server's end of one connection; the test says each of its words. */
export class Peer {
  readonly socket: WebSocket;
  /** What the client asked for at the upgrade. */
  readonly target: string;
  readonly frames = new Queue<Frame>();

  constructor(socket: WebSocket, request: IncomingMessage) {
    this.socket = socket;
    this.target = request.url ?? "";
    socket.on("message", (data: Buffer) => this.frames.put(JSON.parse(data.toString()) as Frame));
  }

  send(frame: object): void {
    this.socket.send(JSON.stringify(frame));
  }

  /** The next request, which must be of this type. */
  async request(type: string): Promise<Frame> {
    const frame = await this.frames.take();
    if (frame.type !== type) {
      throw new Error(`expected ${type}: ${JSON.stringify(frame)}`);
    }
    return frame;
  }

  /** Answers the next request, which must be of type `asked`. */
  async answer(asked: string, type: string, payload?: object): Promise<Frame> {
    const frame = await this.request(asked);
    this.reply(frame, type, payload);
    return frame;
  }

  reply(request: Frame, type: string, payload?: object): void {
    this.send({ id: request.id, type, payload });
  }

  /** Cuts the connection as a cable does. */
  cut(): void {
    this.socket.terminate();
  }
}

/** A WebSocket server of npm's `ws` that hands its connections to the test. */
export class SocketServer {
  readonly #server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  readonly #peers = new Queue<Peer>();

  static async start(): Promise<SocketServer> {
    const server = new SocketServer();
    await once(server.#server, "listening");
    server.#server.on("connection", (socket, request) => server.#peers.put(new Peer(socket, request)));
    return server;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next connection. */
  accept(): Promise<Peer> {
    return this.#peers.take();
  }

  async stop(): Promise<void> {
    for (const socket of this.#server.clients) {
      socket.terminate();
    }
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
