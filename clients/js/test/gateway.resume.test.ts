import { describe, expect } from "vitest";
import { ConnectionLostError, OverloadedError } from "../src/index";
import { event, subscribed, test } from "./support/gateway";

const AT_5 = { t1: { epoch: "e1", offset: 5, recovered: true } };

describe("after a cut", () => {
  test("it comes back as the same device and asks for what it has not seen", async ({ bench }) => {
    const [client, first] = await bench.connected();
    const subscribing = client.subscribe("task", ["t1"]);
    await first.answer("subscribe", "subscribed", subscribed(["t1"], AT_5));
    await subscribing;
    first.send(event(6));
    first.send(event(7));
    await bench.events.until(({ offset }) => offset === 7);
    first.cut();

    const second = await bench.server.accept();
    const auth = await second.answer("auth", "auth.result", { success: true, user_id: "alice", device_id: "device-1" });
    expect(auth.payload).toEqual({ token: "ab_key", device_id: "device-1" });
    const reply = subscribed(["t1"], { t1: { epoch: "e1", offset: 7, recovered: true } }, { recovered: true });
    const asked = await second.answer("subscribe", "subscribed", reply);
    expect(asked.payload).toEqual({ channel: "task", topics: ["t1"], since: { t1: { epoch: "e1", offset: 7 } } });
    for (const offset of [6, 7, 8]) {
      second.send(event(offset));
    }
    expect((await bench.events.take()).offset).toBe(8);
  });

  test("what was under way rejects, what was asked meanwhile waits", async ({ bench }) => {
    const [client, first] = await bench.connected();
    const cancelling = expect(client.cancelTask("t1")).rejects.toBeInstanceOf(ConnectionLostError);
    await first.request("task.action");
    first.cut();
    await cancelling;
    const waiting = client.cancelTask("t2");
    const second = await bench.login();
    const result = { success: true, task_id: "t2", action: "cancel" };
    const asked = await second.answer("task.action", "task.result", result);
    expect(asked.payload).toMatchObject({ task_id: "t2" });
    expect(await waiting).toEqual(result);
  });

  test("only so much waits", async ({ bench }) => {
    const client = bench.client({ maxQueued: 1 });
    const connecting = client.connect();
    const first = client.cancelTask("t1");
    await expect(client.cancelTask("t2")).rejects.toBeInstanceOf(OverloadedError);
    const peer = await bench.login();
    await connecting;
    await peer.answer("task.action", "task.result", { success: true, task_id: "t1", action: "cancel" });
    await first;
  });

  test("a whole channel is taken up where each of its topics was left", async ({ bench }) => {
    const [client, first] = await bench.connected();
    const subscribing = client.subscribe("task");
    await first.answer("subscribe", "subscribed", subscribed([], {}));
    await subscribing;
    first.send(event(3));
    first.send(event(9, "agent.message", { topic: "t2" }));
    first.send(event(4, "task.completed", { topic: "t3" }));
    await bench.events.until(({ topic }) => topic === "t3");
    first.cut();
    const second = await bench.login();
    const since = {
      t1: { epoch: "e1", offset: 3 },
      t2: { epoch: "e1", offset: 9 },
      t3: { epoch: "e1", offset: 4 },
    };
    const positions = { t1: { epoch: "e1", offset: 3, recovered: true }, t2: { recovered: false } };
    const asked = await second.answer("subscribe", "subscribed", subscribed([], positions, { recovered: false }));
    expect(asked.payload).toEqual({ channel: "task", topics: [], since });
    expect(await bench.events.take()).toMatchObject({
      event_type: "gap",
      topic: "t2",
      data: { from: 10, to: null, reason: "gone" },
    });
  });

  test("a topic that is gone is given up with a gap, the others go on", async ({ bench }) => {
    const [client, first] = await bench.connected();
    const subscribing = client.subscribe("task", ["t1", "t2"]);
    const positions = { ...AT_5, t2: { epoch: "e2", offset: 1, recovered: true } };
    await first.answer("subscribe", "subscribed", subscribed(["t1", "t2"], positions));
    await subscribing;
    first.cut();
    const second = await bench.login();
    const gone = { code: "NOT_FOUND", message: "no task t2" };
    await second.answer("subscribe", "error", gone);
    const alone = await second.answer("subscribe", "subscribed", subscribed(["t1"], AT_5));
    expect(alone.payload).toEqual({ channel: "task", topics: ["t1"], since: { t1: { epoch: "e1", offset: 5 } } });
    await second.answer("subscribe", "error", gone);
    expect(await bench.events.take()).toMatchObject({ topic: "t2", data: { from: 2, to: null, reason: "NOT_FOUND" } });
    await bench.states.until(({ name }) => name === "waiting");
    await bench.states.until(({ name }) => name === "open");
  });

  test("what was unsubscribed from is not asked for again", async ({ bench }) => {
    const [client, first] = await bench.connected();
    const subscribing = client.subscribe("task", ["t1"]);
    await first.answer("subscribe", "subscribed", subscribed(["t1"], AT_5));
    await subscribing;
    const leaving = client.unsubscribe("task", ["t1"]);
    await first.answer("unsubscribe", "unsubscribed", { channel: "task", topics: ["t1"], success: true });
    await leaving;
    first.cut();
    const second = await bench.login();
    const asking = client.send("probe", {});
    await second.answer("probe", "probed");
    await asking;
  });

  test("a server that limits the rate is asked again when it says", async ({ bench }) => {
    const [client, first] = await bench.connected();
    const subscribing = client.subscribe("task", ["t1"]);
    await first.answer("subscribe", "subscribed", subscribed(["t1"], AT_5));
    await subscribing;
    first.cut();
    const second = await bench.login();
    await second.answer("subscribe", "error", { code: "RATE_LIMITED", message: "slower", retry_after_ms: 1 });
    await second.answer("subscribe", "subscribed", subscribed(["t1"], AT_5));
    await bench.states.until(({ name }) => name === "waiting");
    await bench.states.until(({ name }) => name === "open");
  });
});

test("what a lost connection was told to repeat is not repeated on the next one", async ({ bench }) => {
  const [client, first] = await bench.connected();
  const subscribing = client.subscribe("task", ["t1"]);
  await first.answer("subscribe", "subscribed", subscribed(["t1"], AT_5));
  await subscribing;
  first.cut();
  const second = await bench.login();
  await second.answer("subscribe", "error", { code: "RATE_LIMITED", message: "slower", retry_after_ms: 60_000 });
  second.send(event(6));
  await bench.events.take();
  second.cut();
  const third = await bench.login();
  await third.answer("subscribe", "subscribed", subscribed(["t1"], AT_5));
  await bench.states.until((state) => state.name === "connecting" && state.attempt === 2);
  await bench.states.until(({ name }) => name === "open");
});

describe("positions", () => {
  test("a gap is handed out though it stands at the position of the reply", async ({ bench }) => {
    const [client, peer] = await bench.connected();
    const subscribing = client.subscribe("task", ["t1"], { t1: "e1:1" });
    await peer.answer("subscribe", "subscribed", subscribed(["t1"], AT_5, { recovered: false }));
    peer.send(event(5, "gap", { data: { from: 2, to: 5, reason: "retention" } }));
    peer.send(event(6));
    await subscribing;
    expect((await bench.events.take()).event_type).toBe("gap");
    expect((await bench.events.take()).offset).toBe(6);
  });

  test("another epoch starts anew", async ({ bench }) => {
    const [client, peer] = await bench.connected();
    const subscribing = client.subscribe("task", ["t1"]);
    await peer.answer("subscribe", "subscribed", subscribed(["t1"], AT_5));
    await subscribing;
    peer.send(event(1, "agent.message", { epoch: "e2" }));
    expect(await bench.events.take()).toMatchObject({ epoch: "e2", offset: 1 });
  });

  test("an explicit position replays what was seen", async ({ bench }) => {
    const [client, peer] = await bench.connected();
    const subscribing = client.subscribe("task", ["t1"]);
    await peer.answer("subscribe", "subscribed", subscribed(["t1"], AT_5));
    await subscribing;
    const again = client.subscribe("task", ["t1"], { t1: "0" });
    const asked = await peer.answer("subscribe", "subscribed", subscribed(["t1"], { t1: { epoch: "e1", offset: 0 } }));
    expect(asked.payload).toEqual({ channel: "task", topics: ["t1"], since: { t1: "0" } });
    await again;
    peer.send(event(1));
    expect((await bench.events.take()).offset).toBe(1);
  });

  test("an open question is asked once, though a new connection is asked again", async ({ bench }) => {
    const [client, first] = await bench.connected();
    const question = { data: { step_id: "s1", step_name: "", reason: "May I?" } };
    const subscribing = client.subscribe("task", ["t1"]);
    await first.answer("subscribe", "subscribed", subscribed(["t1"], AT_5));
    first.send(event(5, "step.confirm", question));
    await subscribing;
    expect((await bench.events.take()).event_type).toBe("step.confirm");
    first.cut();
    const second = await bench.login();
    await second.answer("subscribe", "subscribed", subscribed(["t1"], AT_5));
    second.send(event(5, "step.confirm", question));
    second.send(event(5, "step.confirm", { data: { ...question.data, step_id: "s2" } }));
    expect(await bench.events.take()).toMatchObject({ data: { step_id: "s2" } });
    // A tool call that waits has a name of its own.
    second.send(event(5, "agent.client_tool_call", { data: { call_id: "s1", name: "clip", arguments: {} } }));
    expect(await bench.events.take()).toMatchObject({ event_type: "agent.client_tool_call" });
  });
});

test("a snapshot that has not come is asked for again", async ({ bench }) => {
  const [client, first] = await bench.connected();
  const subscribing = client.subscribe("task", ["t1"], undefined, { snapshot: true });
  const asked = await first.answer("subscribe", "subscribed", subscribed(["t1"], AT_5));
  expect(asked.payload).toEqual({ channel: "task", topics: ["t1"], snapshot: true });
  await subscribing;
  first.cut();

  const second = await bench.login();
  const again = await second.answer("subscribe", "subscribed", subscribed(["t1"], AT_5));
  expect(again.payload).toEqual({ channel: "task", topics: ["t1"], since: {}, snapshot: true });
  second.send(event(5, "snapshot", { data: { state: "running" } }));
  expect((await bench.events.take()).event_type).toBe("snapshot");
  second.send(event(5));
  second.send(event(6));
  expect((await bench.events.take()).offset).toBe(6);
  second.cut();

  const third = await bench.login();
  const resumed = await third.answer("subscribe", "subscribed", subscribed(["t1"], AT_5));
  expect(resumed.payload).toMatchObject({ since: { t1: { epoch: "e1", offset: 6 } }, snapshot: true });
});
