import { describe, expect } from "vitest";
import {
  ConnectionLostError,
  NotConnectedError,
  OverloadedError,
  ProtocolError,
  RefusedError,
  RequestTimeoutError,
} from "../src/index";
import { event, subscribed, test } from "./support/gateway";

describe("connecting", () => {
  test("resolves once authenticated, with the token and no device of its own", async ({ bench }) => {
    const client = bench.client();
    const connecting = client.connect();
    const peer = await bench.server.accept();
    const auth = await peer.request("auth");
    expect(auth.payload).toEqual({ token: "ab_key" });
    expect(client.state.name).toBe("connecting");
    peer.send({ id: auth.id, type: "auth.result", payload: { success: true, user_id: "alice", device_id: "d" } });
    await connecting;
    expect(client.state).toEqual({ name: "open" });
  });

  test("a refused token rejects, and the connection is not kept", async ({ bench }) => {
    const client = bench.client();
    const connecting = expect(client.connect()).rejects.toMatchObject({ code: "UNAUTHORIZED", message: "unknown key" });
    const peer = await bench.server.accept();
    await peer.answer("auth", "auth.result", { success: false, message: "unknown key" });
    await connecting;
    expect(client.state).toMatchObject({ name: "closed", reason: "unknown key" });
    await new Promise((resolve) => peer.socket.once("close", resolve));
  });

  test("without a token nothing is shown", async ({ bench }) => {
    const client = bench.client();
    client.token = undefined;
    await Promise.all([client.connect(), bench.server.accept()]);
    expect(client.state.name).toBe("open");
  });

  test("nobody there rejects, and it is not tried again", async ({ bench }) => {
    const client = bench.client();
    await bench.server.stop();
    await expect(client.connect()).rejects.toBeInstanceOf(ConnectionLostError);
    expect(client.state.name).toBe("closed");
  });

  test("a server that does not answer the upgrade is given up", async ({ bench }) => {
    // Nothing is ever heard of this socket.
    class Silent {
      readonly bufferedAmount = 0;
      send(): void {}
      close(): void {}
      addEventListener(): void {}
    }
    const client = bench.client({ WebSocket: Silent, openTimeoutMs: 1 });
    await expect(client.connect()).rejects.toThrow("not connected in time");
  });

  test("connecting twice is one connection", async ({ bench }) => {
    const client = bench.client();
    await Promise.all([client.connect(), client.connect(), bench.login()]);
    await client.connect();
    expect(bench.states.drain().map((state) => state.name)).toEqual(["connecting", "open"]);
  });
});

describe("requests", () => {
  test("have the forms of the protocol", async ({ bench }) => {
    const [client, peer] = await bench.connected();
    const result = { success: true, task_id: "t1", action: "any" };
    const expectAction = async (made: Promise<unknown>, payload: object): Promise<void> => {
      const asked = await peer.answer("task.action", "task.result", result);
      expect(asked.payload).toEqual(payload);
      expect(await made).toEqual(result);
    };
    await expectAction(client.cancelTask("t1"), { task_id: "t1", action: "cancel" });
    await expectAction(client.appendTurn("t1", "go on"), { task_id: "t1", action: "append_turn", data: "go on" });
    await expectAction(client.createTask({ agent: "a", prompt: "p" }), {
      action: "create",
      data: { agent: "a", prompt: "p" },
    });
    await expectAction(client.confirm("t1", "s1", false), {
      task_id: "t1",
      action: "confirm",
      data: { step_id: "s1", approved: false },
    });
    await expectAction(client.answerToolCall("t1", "c1", { result: null }), {
      task_id: "t1",
      action: "tool_result",
      data: { call_id: "c1", result: null },
    });
    const running = client.execSession("s", "1+1");
    const started = { session_id: "s", exec_id: "x", type: "started" };
    expect((await peer.answer("session.exec", "session.output", started)).payload).toEqual({
      session_id: "s",
      command: "1+1",
    });
    expect(await running).toEqual(started);
  });

  test("a refused action is an answer, an error rejects", async ({ bench }) => {
    const [client, peer] = await bench.connected();
    const cancelling = client.cancelTask("t9");
    const refused = { success: false, task_id: "t9", action: "cancel", message: "no such task" };
    await peer.answer("task.action", "task.result", refused);
    expect(await cancelling).toEqual(refused);
    const subscribing = client.subscribe("nonsense");
    const failed = expect(subscribing).rejects.toMatchObject({
      code: "RATE_LIMITED",
      retryAfterMs: 5,
      retryable: true,
    });
    await peer.answer("subscribe", "error", { code: "RATE_LIMITED", message: "slower", retry_after_ms: 5 });
    await failed;
    await expect(subscribing).rejects.toBeInstanceOf(RefusedError);
  });

  test("are answered in any order", async ({ bench }) => {
    const [client, peer] = await bench.connected();
    const first = client.send("x", { n: 1 });
    const second = client.send("x", { n: 2 });
    const [one, two] = [await peer.request("x"), await peer.request("x")];
    peer.send({ id: two.id, type: "y", payload: "second" });
    peer.send({ id: one.id, type: "y", payload: "first" });
    expect(await Promise.all([first, second])).toEqual(["first", "second"]);
  });

  test("a reply of another form rejects", async ({ bench }) => {
    const [client, peer] = await bench.connected();
    const cancelling = expect(client.cancelTask("t1")).rejects.toBeInstanceOf(ProtocolError);
    await peer.answer("task.action", "task.result", { done: "yes" });
    await cancelling;
  });

  test("no reply in time rejects", async ({ bench }) => {
    const [client] = await bench.connected({ requestTimeoutMs: 20 });
    await expect(client.cancelTask("t1")).rejects.toBeInstanceOf(RequestTimeoutError);
  });

  test("too many at once reject", async ({ bench }) => {
    const [client, peer] = await bench.connected({ maxPending: 1 });
    const first = client.cancelTask("t1");
    await expect(client.cancelTask("t2")).rejects.toBeInstanceOf(OverloadedError);
    await peer.answer("task.action", "task.result", { success: true, task_id: "t1", action: "cancel" });
    await first;
  });

  test("one that the network would have to be behind for rejects", async ({ bench }) => {
    const [client] = await bench.connected({ maxBufferedBytes: 200 });
    await expect(client.appendTurn("t1", "x".repeat(200))).rejects.toBeInstanceOf(OverloadedError);
    expect(client.state.name).toBe("open");
  });

  test("reject before a connection and after its end", async ({ bench }) => {
    const client = bench.client();
    await expect(client.subscribe("task")).rejects.toBeInstanceOf(NotConnectedError);
    const connecting = client.connect();
    await Promise.all([bench.login(), connecting]);
    const cancelling = expect(client.cancelTask("t1")).rejects.toMatchObject({ code: 1000, retryable: false });
    client.disconnect();
    await cancelling;
    await expect(client.cancelTask("t1")).rejects.toBeInstanceOf(NotConnectedError);
  });
});

describe("events", () => {
  test("go to the handlers of their type, with data and payload, until they are taken away", async ({ bench }) => {
    const [client, peer] = await bench.connected();
    const seen: unknown[] = [];
    const handler = (data: unknown, payload: unknown): void => void seen.push([data, payload]);
    const remove = client.on("agent.message", handler);
    client.on("task.completed", handler);
    client.off("task.completed", handler);
    peer.send(event(1));
    peer.send(event(2, "task.completed"));
    await bench.events.until(({ offset }) => offset === 2);
    remove();
    peer.send(event(3));
    await bench.events.take();
    expect(seen).toEqual([[{ content: "1" }, expect.objectContaining({ topic: "t1", offset: 1 })]]);
  });

  test("a handler that throws keeps nothing from the others", async ({ bench }) => {
    const [client, peer] = await bench.connected();
    const wrong = new Error("mine");
    client.on("agent.message", () => {
      throw wrong;
    });
    peer.send(event(1));
    expect((await bench.events.take()).offset).toBe(1);
    expect(bench.reports).toEqual([wrong]);
  });

  test("what is no message is reported, and the connection stays", async ({ bench }) => {
    const [client, peer] = await bench.connected();
    peer.socket.send("{oops");
    peer.send({ type: "event", payload: { channel: "task" } });
    peer.send({ type: "error", payload: { code: "INVALID_JSON", message: "not JSON" } });
    const subscribing = client.subscribe("task", ["t1"]);
    await peer.answer("subscribe", "subscribed", subscribed(["t1"], {}));
    await subscribing;
    expect(bench.reports).toEqual([expect.any(ProtocolError), expect.any(RefusedError)]);
  });
});
