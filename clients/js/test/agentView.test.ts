import { describe, expect, test } from "vitest";
import { type AgentAction, type AgentView, isRunning, NOTHING, reduceAgent } from "../src/react/agentView";
import { decodeFrame } from "../src/steps/frames";
import { PLAN, taskFrames } from "./support/steps";

function frame(body: object): AgentAction {
  const decoded = decodeFrame(JSON.stringify(body));
  if (decoded === undefined) {
    throw new Error("no frame");
  }
  return { kind: "frame", frame: decoded, now: 1 };
}

function after(view: AgentView, ...bodies: readonly object[]): AgentView {
  return bodies.map(frame).reduce(reduceAgent, view);
}

const submit: AgentAction = { kind: "submitted", task: "look", now: 1 };

describe("one task", () => {
  test("from its plan to its end", () => {
    const frames = taskFrames("t1");
    const submitted = reduceAgent(NOTHING, submit);
    expect([submitted.status, isRunning(submitted)]).toEqual(["planning", true]);
    const planned = after(submitted, ...frames.slice(0, 2));
    expect(planned).toMatchObject({ status: "planning", taskId: "t1", plan: PLAN });
    const asked = after(planned, ...frames.slice(2, 6));
    expect(asked.status).toBe("waiting");
    expect(asked.question).toEqual({ stepId: "s2", stepName: "tell", reason: "Shall I?" });
    expect(asked.plan?.steps.map(({ status }) => status)).toEqual(["completed", "waiting"]);
    const answered = reduceAgent(asked, { kind: "answered", approved: true, now: 1 });
    expect(answered.question).toBeUndefined();
    const ended = after(answered, ...frames.slice(6));
    expect(ended).toMatchObject({ status: "complete", result: { success: true, output: "told" } });
    expect(ended.plan?.steps.map(({ status }) => status)).toEqual(["completed", "failed"]);
    expect(isRunning(ended)).toBe(false);
    expect(ended.log.map(({ level, text }) => `${level} ${text}`)).toContain("error Failed: tell: no voice");
  });

  test("a question that was answered elsewhere goes with its step", () => {
    const asked = after(NOTHING, ...taskFrames("t1").slice(0, 6));
    expect(after(asked, { type: "step:start", taskId: "t1", data: { stepId: "s1" } }).question).toEqual(asked.question);
    expect(after(asked, { type: "step:start", taskId: "t1", data: { stepId: "s2" } }).question).toBeUndefined();
  });

  test("works without the task's name, as the document has it", () => {
    const plain = taskFrames("t1").map((body) => ({ ...body, taskId: undefined }));
    const ending = { success: false, error: "no" };
    const ended = after(reduceAgent(NOTHING, submit), ...plain.slice(0, 8), { type: "task:complete", data: ending });
    expect(ended).toMatchObject({
      status: "complete",
      plan: { steps: [{ status: "completed" }, { status: "failed" }] },
    });
    expect(ended.result).toEqual({ success: false, error: "no" });
  });

  test("a refused submission frees the panel, a refused command leaves the task", () => {
    const refused = { type: "error", data: { message: "busy" } };
    expect(after(reduceAgent(NOTHING, submit), refused)).toMatchObject({ status: "error", error: "busy" });
    const running = after(reduceAgent(NOTHING, submit), ...taskFrames("t1").slice(0, 3));
    expect(after(running, refused)).toMatchObject({ status: "executing", error: "busy" });
  });

  test("a task that fails as a whole says why", () => {
    const failed = after(NOTHING, { type: "task:error", taskId: "t1", data: { error: "no model" } });
    expect(failed).toMatchObject({ status: "error", error: "no model" });
  });
});

describe("several tasks", () => {
  const running = after(reduceAgent(NOTHING, submit), ...taskFrames("t1").slice(0, 3));

  test("another one does not disturb", () => {
    const other = after(running, ...taskFrames("t2"));
    expect({ ...other, log: [], others: [] }).toEqual({ ...running, log: [], others: [] });
  });

  test("one that starts when the own is over is followed", () => {
    const ended = after(running, ...taskFrames("t1").slice(3));
    const next = after(ended, ...taskFrames("t2").slice(0, 2));
    expect(next).toMatchObject({ taskId: "t2", result: undefined, plan: PLAN });
  });

  test("what others go on with is not taken for the task just submitted", () => {
    const ended = after(running, ...taskFrames("t2").slice(0, 3), ...taskFrames("t1").slice(3));
    const submitted = reduceAgent(ended, submit);
    const disturbed = after(submitted, ...taskFrames("t2").slice(3, 5), { type: "step:error", taskId: "t1", data: {} });
    expect(disturbed).toMatchObject({ taskId: undefined, plan: undefined });
    expect(after(disturbed, ...taskFrames("t3").slice(0, 2))).toMatchObject({ taskId: "t3", plan: PLAN });
  });
});

test("the log is bounded, and can be cleared", () => {
  const many = Array.from({ length: 500 }, (_, n) => ({
    type: "status",
    data: { state: "idle", message: `line ${n}` },
  }));
  const view = after(NOTHING, ...many);
  expect(view.log).toHaveLength(200);
  expect(view.log.at(-1)).toMatchObject({ text: "line 499", key: 500 });
  expect(reduceAgent(view, { kind: "log cleared" }).log).toEqual([]);
});
