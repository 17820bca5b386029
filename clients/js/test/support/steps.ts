import { test as base } from "vitest";
import { WebSocket } from "ws";
import { type ConnectionState, WebSocketClient, type WebSocketClientOptions } from "../../src/index";
import { Queue } from "./queue";
import { type Peer, SocketServer } from "./socketServer";

/** A client of the steps with what it tells, and the server that it talks to. */
export class StepsBench {
  readonly server: SocketServer;
  readonly seen = new Queue<readonly unknown[]>();
  readonly states = new Queue<ConnectionState>();
  readonly reports: unknown[] = [];
  readonly #clients: WebSocketClient[] = [];

  constructor(server: SocketServer) {
    this.server = server;
  }

  client(options: Partial<WebSocketClientOptions> = {}): WebSocketClient {
    const client = new WebSocketClient({
      url: `${this.server.url}/ws`,
      WebSocket,
      random: () => 0,
      onError: (error) => this.reports.push(error),
      ...options,
    });
    client.onState(this.states.put);
    this.#clients.push(client);
    return client;
  }

  /** Accepts the next connection and greets it. */
  async greet(clientId = "c1"): Promise<Peer> {
    const peer = await this.server.accept();
    peer.send({ type: "connected", timestamp: 1, data: { clientId } });
    return peer;
  }

  async connected(options: Partial<WebSocketClientOptions> = {}): Promise<readonly [WebSocketClient, Peer]> {
    const client = this.client(options);
    const [peer] = await Promise.all([this.greet(), client.connect()]);
    return [client, peer];
  }

  async stop(): Promise<void> {
    this.#clients.forEach((client) => client.disconnect());
    await this.server.stop();
  }
}

export const test = base.extend<{ bench: StepsBench }>({
  bench: async ({}, use) => {
    const bench = new StepsBench(await SocketServer.start());
    await use(bench);
    await bench.stop();
  },
});

export const PLAN = {
  steps: [
    { id: "s1", name: "look", description: "Looks.", type: "tool", status: "pending" },
    { id: "s2", name: "tell", description: "Tells.", type: "llm", status: "pending" },
  ],
};

/** The frames of one task from its plan to its end, in the forms of the document, with the members added beside them. */
export function taskFrames(taskId: string): readonly object[] {
  const result = { status: "completed", output: "seen", duration: 5 };
  const outcome = { success: true, output: "told", taskId };
  const bodies: readonly (readonly [string, object])[] = [
    ["status", { state: "planning", message: "Planning" }],
    ["plan:created", { plan: PLAN }],
    ["step:start", { stepId: "s1", stepName: "look" }],
    ["step:progress", { stepId: "s1", progress: 50, message: "half" }],
    ["step:complete", { stepId: "s1", stepName: "look", result }],
    ["waiting:confirmation", { stepId: "s2", stepName: "tell", reason: "Shall I?" }],
    ["step:start", { stepId: "s2", stepName: "tell" }],
    ["step:error", { stepId: "s2", stepName: "tell", error: "no voice" }],
    ["task:complete", outcome],
  ];
  return bodies.map(([type, data], index) => ({ type, data, taskId, eventId: `e1:${index + 1}`, timestamp: index }));
}
