import { expect, test as base } from "vitest";
import {
  ConnectionLostError,
  type ConnectionState,
  NotConnectedError,
  RefusedError,
  SSEClient,
  type SSEClientOptions,
} from "../src/index";
import { Queue } from "./support/queue";
import { type Exchange, SseServer } from "./support/sseServer";
import { taskFrames } from "./support/steps";

class Bench {
  readonly server: SseServer;
  readonly states = new Queue<ConnectionState>();
  readonly #clients: SSEClient[] = [];

  constructor(server: SseServer) {
    this.server = server;
  }

  client(options: Partial<SSEClientOptions> = {}): SSEClient {
    const { url } = this.server;
    const client = new SSEClient({ url: `${url}/sse`, taskUrl: `${url}/task`, random: () => 0, ...options });
    client.onState(this.states.put);
    this.#clients.push(client);
    return client;
  }

  async connected(options: Partial<SSEClientOptions> = {}): Promise<readonly [SSEClient, Exchange]> {
    const client = this.client(options);
    const connecting = client.connect();
    const stream = await this.server.streams.take();
    stream.open("c1");
    await connecting;
    return [client, stream];
  }

  async stop(): Promise<void> {
    this.#clients.forEach((client) => client.disconnect());
    await this.server.stop();
  }
}

const test = base.extend<{ bench: Bench }>({
  bench: async ({}, use) => {
    const bench = new Bench(await SseServer.start());
    await use(bench);
    await bench.stop();
  },
});

test("tasks and commands are posted under the name that the stream was greeted with", async ({ bench }) => {
  const [client] = await bench.connected();
  const post = async (sent: Promise<void>): Promise<readonly [string, unknown]> => {
    const exchange = await bench.server.posts.take();
    exchange.answer(200, { success: true });
    await sent;
    return [exchange.path, exchange.body];
  };
  const submitted = { task: "analyse", context: { n: 1 }, clientId: "c1" };
  expect(await post(client.submitTask("analyse", { n: 1 }))).toEqual(["/task", submitted]);
  expect(await post(client.cancelTask())).toEqual(["/command", { type: "task:cancel", clientId: "c1" }]);
  expect(await post(client.confirmStep("s1", false))).toEqual([
    "/command",
    { type: "step:confirm", data: { stepId: "s1", approved: false }, clientId: "c1" },
  ]);
  expect(await post(client.answerToolCall("c1", { error: "no" }))).toEqual([
    "/command",
    { type: "tool:result", data: { callId: "c1", error: "no" }, clientId: "c1" },
  ]);
});

test("events come as from the WebSocket, an unnamed error among them", async ({ bench }) => {
  const [client, stream] = await bench.connected();
  const seen = new Queue<unknown>();
  client.on("step:complete", (step, result) => seen.put([step.name, result.output]));
  client.on("error", (error) => seen.put(error));
  for (const frame of taskFrames("t1")) {
    stream.event(frame as { type: string });
  }
  stream.event({ type: "error", data: { message: "busy" } });
  expect(await seen.take()).toEqual(["look", "seen"]);
  expect(await seen.take()).toEqual(new RefusedError("ERROR", "busy"));
});

test("the tools come by the stream", async ({ bench }) => {
  const [client, stream] = await bench.connected();
  const asking = client.getTools();
  const asked = await bench.server.posts.take();
  expect(asked.body).toMatchObject({ type: "get:tools", clientId: "c1" });
  asked.answer(200, { success: true });
  stream.event({ type: "tools:list", data: { tools: [{ name: "clock" }] } });
  expect(await asking).toEqual([{ name: "clock" }]);
});

test("it resumes by Last-Event-ID, and goes on under its new name", async ({ bench }) => {
  const [client, first] = await bench.connected();
  expect(first.headers["last-event-id"]).toBeUndefined();
  const seen = new Queue<unknown>();
  client.on("custom", (data) => seen.put(data));
  first.event({ type: "custom", data: { n: 1 } }, "e1:7");
  await seen.take();
  first.cut();
  const second = await bench.server.streams.take();
  expect(second.headers["last-event-id"]).toBe("e1:7");
  expect(client.clientId).toBeUndefined();
  await expect(client.submitTask("x")).rejects.toBeInstanceOf(NotConnectedError);
  second.open("c2");
  await bench.states.until(({ name }) => name === "waiting");
  await bench.states.until(({ name }) => name === "open");
  expect(client.clientId).toBe("c2");
});

test("a credential goes along with everything", async ({ bench }) => {
  const [client, stream] = await bench.connected({ token: "ab_key" });
  expect(stream.headers.authorization).toBe("Bearer ab_key");
  const submitting = client.submitTask("x");
  const exchange = await bench.server.posts.take();
  expect(exchange.headers.authorization).toBe("Bearer ab_key");
  exchange.answer(200, {});
  await submitting;
});

test("a refused command tells what the server says", async ({ bench }) => {
  const [client] = await bench.connected();
  const forms = [
    { error: { message: "unknown client" } },
    { data: { message: "unknown client" } },
    { error: "unknown client" },
  ];
  for (const form of forms) {
    const submitting = expect(client.submitTask("x")).rejects.toMatchObject({ code: "404", message: "unknown client" });
    (await bench.server.posts.take()).answer(404, form);
    await submitting;
  }
});

test.for([401, 403, 404])("a stream that is refused with %i is not asked for again", async (status, { bench }) => {
  const [, first] = await bench.connected();
  first.cut();
  (await bench.server.streams.take()).answer(status, {});
  expect(await bench.states.until(({ name }) => name === "closed")).toMatchObject({ code: status });
});

test.for([429, 503])("a stream that is refused with %i is asked for again", async (status, { bench }) => {
  const [, first] = await bench.connected();
  first.cut();
  (await bench.server.streams.take()).answer(status, {});
  (await bench.server.streams.take()).open("c2");
  expect(await bench.states.until((state) => state.name === "waiting" && state.attempt === 2)).toMatchObject({
    code: status,
  });
  await bench.states.until(({ name }) => name === "open");
});

test("a first attempt that fails rejects", async ({ bench }) => {
  const client = bench.client();
  await bench.server.stop();
  await expect(client.connect()).rejects.toBeInstanceOf(ConnectionLostError);
  expect(client.state.name).toBe("closed");
});

test("disconnecting ends the stream", async ({ bench }) => {
  const [client] = await bench.connected();
  client.disconnect();
  expect(client.state).toMatchObject({ name: "closed", code: 1000 });
  await expect(client.cancelTask()).rejects.toBeInstanceOf(NotConnectedError);
});
