import { describe, expect } from "vitest";
import { ConnectionLostError } from "../src/index";
import { test } from "./support/gateway";

describe("coming back", () => {
  test.for([1012, 1013, 1001, 1011])("after %i", async (code, { bench }) => {
    const [, first] = await bench.connected();
    first.socket.close(code, "why");
    await bench.login();
    expect(await bench.states.until(({ name }) => name === "waiting")).toMatchObject({ attempt: 1, code });
    await bench.states.until(({ name }) => name === "open");
  });

  test.for([1000, 1003, 1008, 1009, 4401, 4409])("not after %i", async (code, { bench }) => {
    const [client, first] = await bench.connected();
    first.socket.close(code, "why");
    const closed = await bench.states.until(({ name }) => name === "closed" || name === "waiting");
    expect(closed).toEqual({ name: "closed", code, reason: "why" });
    // By hand it can be done, with another credential.
    client.token = "ab_other";
    const connecting = client.connect();
    const second = await bench.server.accept();
    const auth = await second.answer("auth", "auth.result", { success: true, user_id: "a", device_id: "d" });
    expect(auth.payload).toMatchObject({ token: "ab_other" });
    await connecting;
  });

  test("not where a new connection is refused the token", async ({ bench }) => {
    const [, first] = await bench.connected();
    first.cut();
    const second = await bench.server.accept();
    await second.answer("auth", "auth.result", { success: false, message: "revoked" });
    expect(await bench.states.until(({ name }) => name === "closed")).toMatchObject({ reason: "revoked" });
  });

  test("not where it was told not to", async ({ bench }) => {
    const [, first] = await bench.connected({ autoReconnect: false });
    first.cut();
    expect((await bench.states.until(({ name }) => name !== "connecting" && name !== "open")).name).toBe("closed");
  });

  test("delays grow while attempts fail, drawn with full jitter", async ({ bench }) => {
    const draws = [0.5, 0, 0.25];
    const [, first] = await bench.connected({
      reconnectBaseMs: 8,
      reconnectCapMs: 16,
      random: () => draws.shift() ?? 0,
    });
    first.cut();
    (await bench.server.accept()).cut();
    (await bench.server.accept()).cut();
    await bench.login();
    await bench.states
      .until(({ name }) => name === "waiting")
      .then((state) => expect(state).toMatchObject({ attempt: 1, delayMs: 4 }));
    expect(await bench.states.until(({ name }) => name === "waiting")).toMatchObject({ attempt: 2, delayMs: 0 });
    expect(await bench.states.until(({ name }) => name === "waiting")).toMatchObject({ attempt: 3, delayMs: 4 });
    await bench.states.until(({ name }) => name === "open");
  });

  test("disconnecting while it waits ends it", async ({ bench }) => {
    const [client, first] = await bench.connected({
      random: () => 0.999,
      reconnectBaseMs: 60_000,
      reconnectCapMs: 60_000,
    });
    first.cut();
    await bench.states.until(({ name }) => name === "waiting");
    const asking = expect(client.cancelTask("t1")).rejects.toBeInstanceOf(ConnectionLostError);
    client.disconnect();
    await asking;
    expect(client.state.name).toBe("closed");
  });

  test("connecting by hand while it waits does not wait", async ({ bench }) => {
    const [client, first] = await bench.connected({
      random: () => 0.999,
      reconnectBaseMs: 60_000,
      reconnectCapMs: 60_000,
    });
    first.cut();
    await bench.states.until(({ name }) => name === "waiting");
    await Promise.all([client.connect(), bench.login()]);
    expect(client.state.name).toBe("open");
  });

  test("a silent server that cannot be pinged either is left", async ({ bench }) => {
    const client = bench.client({ heartbeatMs: 20, maxBufferedBytes: 1 });
    client.token = undefined;
    await Promise.all([client.connect(), bench.server.accept()]);
    const lost = await bench.states.until(({ name }) => name === "waiting");
    expect(lost).toMatchObject({ reason: "the other side is silent" });
  });

  test("a server that falls silent is pinged, and left", async ({ bench }) => {
    const [client, first] = await bench.connected({ heartbeatMs: 20 });
    await first.request("ping");
    const second = await bench.login();
    expect(await bench.states.until(({ name }) => name === "waiting")).toMatchObject({
      reason: "the other side is silent",
    });
    await second.request("ping");
    client.disconnect();
  });
});
