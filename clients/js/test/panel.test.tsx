// @vitest-environment jsdom
import { cleanup, render, screen, waitFor, within } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, expect, test as base } from "vitest";
import { WebSocket } from "ws";
import { AgentPanel, type AgentPanelProps } from "../src/react/index";
import { Queue } from "./support/queue";
import { type Peer, SocketServer } from "./support/socketServer";
import { PLAN, taskFrames } from "./support/steps";

interface Shown {
  readonly server: SocketServer;
  readonly show: (props?: Partial<AgentPanelProps>) => Promise<Peer>;
  readonly accept: () => Promise<Peer>;
}

const test = base.extend<{ shown: Shown }>({
  shown: async ({}, use) => {
    const server = await SocketServer.start();
    const accept = async (): Promise<Peer> => {
      const peer = await server.accept();
      peer.send({ type: "connected", timestamp: 1, data: { clientId: "c1" } });
      await peer.answer("get:tools", "tools:list");
      return peer;
    };
    const show = async (props: Partial<AgentPanelProps> = {}): Promise<Peer> => {
      render(<AgentPanel wsUrl={`${server.url}/ws`} WebSocket={WebSocket} reconnectInterval={1} {...props} />);
      const peer = await accept();
      await screen.findByText("Connected", { selector: "output" });
      return peer;
    };
    await use({ server, show, accept });
    cleanup();
    await server.stop();
  },
});

afterEach(cleanup);

function enterTask(text: string): Promise<void> {
  return userEvent.type(screen.getByLabelText("Task"), text);
}

test("a task from its submission to its result, by the keyboard alone", async ({ shown }) => {
  const results = new Queue<unknown>();
  const peer = await shown.show({ onTaskComplete: results.put });
  expect(screen.getByRole<HTMLButtonElement>("button", { name: "Submit" }).disabled).toBe(true);
  await enterTask("look and tell{Enter}");
  expect((await peer.request("task:submit")).data).toEqual({ task: "look and tell", context: {} });
  const frames = taskFrames("t1");
  frames.slice(0, 4).forEach((frame) => peer.send(frame));

  const progress = await screen.findByRole<HTMLProgressElement>("progressbar", { name: "Progress of look" });
  expect(progress.value).toBe(50);
  const plan = screen.getByRole("region", { name: "Plan" });
  expect(
    within(plan)
      .getAllByRole("listitem")
      .map((step) => step.dataset["status"]),
  ).toEqual(["running", "pending"]);
  expect(screen.getByText("Step 1 of 2: look").tagName).toBe("OUTPUT");
  expect(screen.getByRole<HTMLButtonElement>("button", { name: "Submit" }).disabled).toBe(true);

  frames.slice(4, 6).forEach((frame) => peer.send(frame));
  const question = await screen.findByRole("group", { name: PLAN.steps[1]?.name ?? "" });
  expect(question.textContent).toContain("Shall I?");
  within(question).getByRole("button", { name: "Approve" }).focus();
  await userEvent.keyboard("{Enter}");
  expect((await peer.request("step:confirm")).data).toEqual({ stepId: "s2", approved: true });
  await waitFor(() => expect(screen.queryByRole("group", { name: "tell" })).toBeNull());

  frames.slice(6).forEach((frame) => peer.send(frame));
  const result = await screen.findByRole("region", { name: "Done" });
  expect(result.textContent).toContain("told");
  expect(await results.take()).toEqual({ success: true, output: "told", taskId: "t1" });
  expect(
    within(plan)
      .getAllByRole("listitem")
      .map((step) => step.dataset["status"]),
  ).toEqual(["completed", "failed"]);
});

test("cancelling, and rejecting", async ({ shown }) => {
  const peer = await shown.show();
  await enterTask("x");
  await userEvent.click(screen.getByRole("button", { name: "Submit" }));
  await peer.request("task:submit");
  taskFrames("t1")
    .slice(0, 6)
    .forEach((frame) => peer.send(frame));
  await userEvent.click(await screen.findByRole("button", { name: "Reject" }));
  expect((await peer.request("step:confirm")).data).toEqual({ stepId: "s2", approved: false });
  await userEvent.click(screen.getByRole("button", { name: "Cancel" }));
  await peer.request("task:cancel");
  peer.send({ type: "task:complete", taskId: "t1", data: { success: false, cancelled: true } });
  peer.send({ type: "status", taskId: "t1", data: { state: "idle", message: "" } });
  await screen.findByRole("region", { name: "Cancelled" });
  await screen.findByText("Ready");
});

test("Shift and Enter begin a line, Escape cancels", async ({ shown }) => {
  const peer = await shown.show();
  await enterTask("one{Shift>}{Enter}{/Shift}two{Enter}");
  expect((await peer.request("task:submit")).data).toMatchObject({ task: "one\ntwo" });
  await enterTask("{Escape}");
  await peer.request("task:cancel");
});

test("what the server refuses is shown, told and logged", async ({ shown }) => {
  const errors = new Queue<Error>();
  const peer = await shown.show({ onError: errors.put });
  await enterTask("x{Enter}");
  peer.send({ type: "error", data: { message: "a task is running already" } });
  expect((await screen.findByRole("alert")).textContent).toBe("a task is running already");
  expect((await errors.take()).message).toBe("a task is running already");
  expect(within(screen.getByLabelText("Log")).getByText(/a task is running already/)).toBeTruthy();
});

test("the connection's state shows, and comes back by itself", async ({ shown }) => {
  const peer = await shown.show({ reconnectInterval: 1_000_000 });
  peer.cut();
  await screen.findByText("Connection lost, trying again…");
  await enterTask("x");
  expect(screen.getByRole<HTMLButtonElement>("button", { name: "Submit" }).disabled).toBe(true);
  await userEvent.click(screen.getByRole("button", { name: "Connect now" }));
  await shown.accept();
  await screen.findByText("Connected", { selector: "output" });
  expect(screen.getByRole<HTMLButtonElement>("button", { name: "Submit" }).disabled).toBe(false);
});

test("theme and class are the user's, and a panel that goes away closes its connection", async ({ shown }) => {
  const peer = await shown.show({ theme: "dark", className: "mine" });
  const panel = screen.getByRole("region", { name: "Agent" });
  expect([panel.dataset["theme"], panel.className]).toEqual(["dark", "callboard-panel mine"]);
  const closed = new Promise((resolve) => peer.socket.once("close", resolve));
  cleanup();
  expect(await closed).toBe(1000);
});
