import { describe, expect } from "vitest";
import { WebSocket } from "ws";
import {
  ConnectionLostError,
  NotConnectedError,
  ProtocolError,
  RefusedError,
  RequestTimeoutError,
  type WebSocketClient,
} from "../src/index";
import { PLAN, type StepsBench, taskFrames, test } from "./support/steps";

/** The data of a frame with a plan of one step. */
function planOf(name: string): object {
  return { plan: { steps: [{ id: "s1", name, status: "pending" }] } };
}

/** Notes what handlers get, but for the frame. */
function watch(client: WebSocketClient, bench: StepsBench): void {
  const note = (type: string, args: readonly unknown[]): void => bench.seen.put([type, ...args.slice(0, -1)]);
  client.on("status", (...args) => note("status", args));
  client.on("plan:created", (...args) => note("plan:created", args));
  client.on("step:start", (...args) => note("step:start", args));
  client.on("step:progress", (...args) => note("step:progress", args));
  client.on("step:complete", (...args) => note("step:complete", args));
  client.on("step:error", (...args) => note("step:error", args));
  client.on("waiting:confirmation", (...args) => note("waiting:confirmation", args));
  client.on("task:complete", (...args) => note("task:complete", args));
}

describe("commands", () => {
  test("have the forms of the document", async ({ bench }) => {
    const [client, peer] = await bench.connected();
    client.submitTask("analyse", { context: "value" });
    client.submitTask("analyse");
    client.confirmStep("s1", true);
    client.answerToolCall("c1", { result: [1] });
    client.answerToolCall("c1", { error: "no" }, "t1");
    client.cancelTask();
    client.cancelTask("t1");
    expect(await peer.frames.take()).toEqual({
      type: "task:submit",
      data: { task: "analyse", context: { context: "value" } },
    });
    expect(await peer.frames.take()).toEqual({ type: "task:submit", data: { task: "analyse", context: {} } });
    expect(await peer.frames.take()).toEqual({ type: "step:confirm", data: { stepId: "s1", approved: true } });
    expect(await peer.frames.take()).toEqual({ type: "tool:result", data: { callId: "c1", result: [1] } });
    expect(await peer.frames.take()).toEqual({
      type: "tool:result",
      data: { callId: "c1", error: "no", taskId: "t1" },
    });
    expect(await peer.frames.take()).toEqual({ type: "task:cancel" });
    expect(await peer.frames.take()).toEqual({ type: "task:cancel", data: { taskId: "t1" } });
  });

  test("throw without a connection", async ({ bench }) => {
    const client = bench.client();
    expect(() => client.submitTask("x")).toThrow(NotConnectedError);
    expect(() => client.cancelTask()).toThrow(NotConnectedError);
    await expect(client.getTools()).rejects.toBeInstanceOf(NotConnectedError);
  });

  test("one answer with the tools serves all who have asked", async ({ bench }) => {
    const [client, peer] = await bench.connected();
    const asking = [client.getTools(), client.getTools()];
    const asked = await peer.request("get:tools");
    const tools = [{ name: "calculator", description: "Counts.", category: "math", parameters: {} }];
    peer.send({ type: "tools:list", id: asked.id, data: { tools } });
    expect(await Promise.all(asking)).toEqual([tools, tools]);
    const again = client.getTools();
    const refused = expect(again).rejects.toThrow("not now");
    const next = await peer.request("get:tools");
    peer.send({ type: "error", id: next.id, data: { message: "not now" } });
    await refused;
    const cut = expect(client.getTools()).rejects.toBeInstanceOf(ConnectionLostError);
    peer.cut();
    await cut;
  });
});

describe("events", () => {
  test("hand out the plan, and each step as the plan has it by then", async ({ bench }) => {
    const [client, peer] = await bench.connected();
    watch(client, bench);
    taskFrames("t1").forEach((frame) => peer.send(frame));
    const [look, tell] = PLAN.steps;
    const result = { status: "completed", output: "seen", duration: 5 };
    const running = { ...look, status: "running" };
    const half = { ...running, progress: 50, message: "half" };
    const next = (): Promise<readonly unknown[]> => bench.seen.take();
    expect(await next()).toEqual(["status", { state: "planning", message: "Planning" }]);
    expect(await next()).toEqual(["plan:created", PLAN]);
    expect(await next()).toEqual(["step:start", running]);
    expect(await next()).toEqual(["step:progress", half, 50, "half"]);
    expect(await next()).toEqual(["step:complete", { ...half, status: "completed", result }, result]);
    expect(await next()).toEqual([
      "waiting:confirmation",
      { ...tell, status: "waiting", message: "Shall I?" },
      "Shall I?",
    ]);
    expect(await next()).toEqual(["step:start", { ...tell, status: "running", message: "Shall I?" }]);
    expect(await next()).toEqual(["step:error", { ...tell, status: "failed", message: "no voice" }, "no voice"]);
    expect(await next()).toEqual(["task:complete", { success: true, output: "told", taskId: "t1" }]);
  });

  test("keep the plans of different tasks apart", async ({ bench }) => {
    const [client, peer] = await bench.connected();
    const names: string[] = [];
    client.on("step:start", (step) => names.push(step.name));
    peer.send({ type: "plan:created", taskId: "t1", data: planOf("one") });
    peer.send({ type: "plan:created", taskId: "t2", data: planOf("two") });
    peer.send({ type: "step:start", taskId: "t1", data: { stepId: "s1" } });
    peer.send({ type: "step:start", taskId: "t2", data: { stepId: "s1" } });
    peer.send({ type: "step:start", data: { stepId: "s9", stepName: "unplanned" } });
    client.on("done", () => bench.seen.put([]));
    peer.send({ type: "done" });
    await bench.seen.take();
    expect(names).toEqual(["one", "two", "unplanned"]);
  });

  test("of the server's own making come with their data, errors as errors", async ({ bench }) => {
    const [client, peer] = await bench.connected();
    client.on("custom", (data) => bench.seen.put([data]));
    client.on("error", (error) => bench.seen.put([error]));
    peer.send({ type: "custom", data: { n: 1 } });
    peer.send({ type: "error", data: { message: "busy" } });
    peer.socket.send("[1]");
    expect(await bench.seen.take()).toEqual([{ n: 1 }]);
    expect(await bench.seen.take()).toEqual([new RefusedError("ERROR", "busy")]);
    peer.send({ type: "custom" });
    await bench.seen.take();
    expect(bench.reports).toEqual([expect.any(ProtocolError)]);
  });

  test("stop with off", async ({ bench }) => {
    const [client, peer] = await bench.connected();
    const remove = client.on("custom", () => bench.seen.put(["removed"]));
    const handler = (): void => bench.seen.put(["off"]);
    client.on("custom", handler);
    client.off("custom", handler);
    remove();
    client.on("*", (_data, frame) => bench.seen.put([frame.type]));
    peer.send({ type: "custom" });
    expect(await bench.seen.take()).toEqual(["custom"]);
  });
});

describe("the connection", () => {
  test("is there once the server has greeted", async ({ bench }) => {
    const client = bench.client({ token: "ab_key" });
    const connecting = client.connect();
    const peer = await bench.server.accept();
    expect(peer.target).toBe("/ws?access_token=ab_key");
    expect(client.state.name).toBe("connecting");
    peer.send({ type: "connected", timestamp: 1, data: { clientId: "c7" } });
    await connecting;
    expect(client.clientId).toBe("c7");
  });

  test("without a greeting is none", async ({ bench }) => {
    const client = bench.client({ timeoutMs: 30 });
    await expect(client.connect()).rejects.toBeInstanceOf(RequestTimeoutError);
    expect(client.state.name).toBe("closed");
  });

  test("comes back and asks for what follows the last event seen", async ({ bench }) => {
    const [client, first] = await bench.connected();
    client.on("step:start", (step) => bench.seen.put([step.name]));
    client.on("step:error", (step) => bench.seen.put([step.name]));
    const frames = taskFrames("t1");
    frames.slice(0, 3).forEach((frame) => first.send(frame));
    await bench.seen.take();
    first.cut();
    const second = await bench.greet("c2");
    expect(second.target).toBe("/ws?lastEventId=e1%3A3");
    second.send(frames[7] ?? {});
    expect(await bench.seen.take()).toEqual(["tell"]);
    expect(client.clientId).toBe("c2");
  });

  test("is tried for until there is a server, where that is wanted", async ({ bench }) => {
    let attempts = 0;
    class Flaky extends WebSocket {
      constructor(url: string) {
        attempts += 1;
        super(attempts === 1 ? "ws://127.0.0.1:1" : url);
      }
    }
    const client = bench.client({ WebSocket: Flaky });
    const first = expect(client.connect({ retry: true })).rejects.toBeInstanceOf(ConnectionLostError);
    await bench.greet();
    await first;
    await bench.states.until(({ name }) => name === "open");
  });

  test("stays away where it was told to, or by the server's last word", async ({ bench }) => {
    const [, peer] = await bench.connected({ autoReconnect: false });
    peer.cut();
    expect((await bench.states.until(({ name }) => name !== "connecting" && name !== "open")).name).toBe("closed");
    const [, other] = await bench.connected();
    other.socket.close(4401, "expired");
    const last = await bench.states.until(({ name }) => name === "closed" || name === "waiting");
    expect(last).toEqual({ name: "closed", code: 4401, reason: "expired" });
  });

  test("draws its delays within reconnectInterval, doubled each time", async ({ bench }) => {
    const [client, peer] = await bench.connected({ reconnectInterval: 4_000, random: () => 0.5 });
    peer.cut();
    expect(await bench.states.until(({ name }) => name === "waiting")).toMatchObject({ attempt: 1, delayMs: 2_000 });
    client.disconnect();
  });
});
