import { describe, expect } from "vitest";
import type { AgentBoxGateway } from "../src/index";
import { type Bench, event, subscribed, test } from "./support/gateway";
import type { Peer } from "./support/socketServer";

const mark = (offset: number, epoch = "m1") => ({ epoch, offset, recovered: true });
const at = (offset: number, epoch = "e1") => ({ epoch, offset });

async function following(bench: Bench): Promise<readonly [AgentBoxGateway, Peer]> {
  const [client, peer] = await bench.connected();
  const subscribing = client.subscribe("task");
  await peer.answer("subscribe", "subscribed", subscribed([], { "*": mark(100) }));
  await subscribing;
  return [client, peer];
}

/** So many topics say something. */
async function hear(bench: Bench, peer: Peer, from: number, to: number): Promise<void> {
  for (let number = from; number <= to; number += 1) {
    peer.send(event(1, "agent.message", { topic: `t${number}` }));
  }
  await bench.events.until(({ topic }) => topic === `t${to}`);
}

describe("a whole channel", () => {
  test("is taken up at its mark, with what began meanwhile", async ({ bench }) => {
    const [, first] = await following(bench);
    await hear(bench, first, 1, 1);
    first.cut();
    const second = await bench.login();
    const asked = await second.answer(
      "subscribe",
      "subscribed",
      subscribed([], { t1: { ...at(1), recovered: true }, "*": mark(100) }, { recovered: true }),
    );
    expect(asked.payload).toEqual({ channel: "task", topics: [], since: { "*": at(100, "m1"), t1: at(1) } });
    second.send(event(1, "task.started", { topic: "new" }));
    expect(await bench.events.take()).toMatchObject({ topic: "new", offset: 1 });
  });

  test("gets a new mark, which stands for the positions before it", async ({ bench }) => {
    const [, first] = await following(bench);
    await hear(bench, first, 1, 127);
    const asking = await first.request("subscribe");
    expect(asking.payload).toEqual({ channel: "task", topics: [] });
    // Said after the server was asked, and so perhaps after its mark.
    await hear(bench, first, 200, 200);
    const behind = { t5: { ...at(1), recovered: true }, late: { ...at(7), recovered: true } };
    first.reply(asking, "subscribed", subscribed([], { "*": mark(300), ...behind }));
    await hear(bench, first, 201, 201);
    first.cut();
    const second = await bench.login();
    const asked = await second.request("subscribe");
    expect(asked.payload).toEqual({
      channel: "task",
      topics: [],
      since: { "*": at(300, "m1"), late: at(7), t5: at(1), t200: at(1), t201: at(1) },
    });
  });

  test("keeps its positions where the server is too far behind for a mark", async ({ bench }) => {
    const [, first] = await following(bench);
    await hear(bench, first, 1, 127);
    first.reply(await first.request("subscribe"), "subscribed", subscribed([], {}));
    await hear(bench, first, 128, 128);
    first.cut();
    const second = await bench.login();
    const { payload } = await second.request("subscribe");
    expect(Object.keys((payload as { since: object }).since)).toHaveLength(129);
    expect(payload).toMatchObject({ since: { "*": at(100, "m1") } });
  });

  test("has a gap where more topics spoke than could be remembered", async ({ bench }) => {
    const [, first] = await following(bench);
    await hear(bench, first, 1, 600);
    first.cut();
    const second = await bench.login();
    const asked = await second.answer("subscribe", "subscribed", subscribed([], { "*": mark(900) }));
    expect((asked.payload as { since: object }).since).not.toHaveProperty("*");
    expect(await bench.events.take()).toMatchObject({
      event_type: "gap",
      topic: "*",
      data: { from: 101, to: 900, reason: "forgotten" },
    });
  });

  test("does not hide a gap that was announced and has not come", async ({ bench }) => {
    const [, first] = await following(bench);
    first.cut();
    const second = await bench.login();
    const lost = { epoch: "m2", offset: 0, recovered: false };
    await second.answer("subscribe", "subscribed", subscribed([], { "*": lost }, { recovered: false }));
    await bench.states.until(({ name }) => name === "waiting");
    await bench.states.until(({ name }) => name === "open");
    second.cut();
    const third = await bench.login();
    const again = await third.answer("subscribe", "subscribed", subscribed([], { "*": lost }, { recovered: false }));
    expect(again.payload).toMatchObject({ since: { "*": at(100, "m1") } });
    const data = { from: 1, to: 0, reason: "epoch" };
    third.send(event(0, "gap", { topic: "*", epoch: "m2", data }));
    expect(await bench.events.take()).toMatchObject({ event_type: "gap", topic: "*", data });
    await bench.states.until(({ name }) => name === "open");
    third.cut();
    const fourth = await bench.login();
    const { payload } = await fourth.request("subscribe");
    expect(payload).toMatchObject({ since: { "*": at(0, "m2") } });
  });
});
