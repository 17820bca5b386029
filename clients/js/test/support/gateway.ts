import { test as base } from "vitest";
import { WebSocket } from "ws";
import { AgentBoxGateway, type ConnectionState, type EventPayload, type GatewayOptions } from "../../src/index";
import { Queue } from "./queue";
import { type Peer, SocketServer } from "./socketServer";

export const URL_PATH = "/api/v1/gateway/ws";

/** A client with what it tells, and the server that it talks to. */
export class Bench {
  readonly server: SocketServer;
  readonly events = new Queue<EventPayload>();
  readonly states = new Queue<ConnectionState>();
  readonly reports: unknown[] = [];
  readonly #clients: AgentBoxGateway[] = [];

  constructor(server: SocketServer) {
    this.server = server;
  }

  client(options: GatewayOptions = {}): AgentBoxGateway {
    const client = new AgentBoxGateway(this.server.url + URL_PATH, "ab_key", {
      WebSocket,
      random: () => 0,
      onError: (error) => this.reports.push(error),
      ...options,
    });
    client.on("*", (_data, payload) => this.events.put(payload));
    client.onState(this.states.put);
    this.#clients.push(client);
    return client;
  }

  /** Accepts the next connection and its authentication. */
  async login(deviceId = "device-1"): Promise<Peer> {
    const peer = await this.server.accept();
    await peer.answer("auth", "auth.result", { success: true, user_id: "alice", device_id: deviceId });
    return peer;
  }

  async connected(options: GatewayOptions = {}): Promise<readonly [AgentBoxGateway, Peer]> {
    const client = this.client(options);
    const [peer] = await Promise.all([this.login(), client.connect()]);
    return [client, peer];
  }

  async stop(): Promise<void> {
    this.#clients.forEach((client) => client.disconnect());
    await this.server.stop();
  }
}

export const test = base.extend<{ bench: Bench }>({
  bench: async ({}, use) => {
    const bench = new Bench(await SocketServer.start());
    await use(bench);
    await bench.stop();
  },
});

/** An event of task `t1` as a frame, or of another topic. */
export function event(offset: number, eventType = "agent.message", more: object = {}): object {
  const payload = { channel: "task", topic: "t1", event_type: eventType, data: { content: `${offset}` }, offset };
  return { type: "event", payload: { ...payload, epoch: "e1", timestamp: 1, ...more } };
}

/** The payload of a reply to `subscribe`. */
export function subscribed(topics: readonly string[], positions: object, more: object = {}): object {
  return { channel: "task", topics, success: true, positions, ...more };
}
