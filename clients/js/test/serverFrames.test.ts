import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { EventStreamParser } from "../src/eventStreamParser";
import { isEventPayload } from "../src/gateway/messages";
import { isObject, parseObject } from "../src/json";
import { NOTHING, reduceAgent } from "../src/react/agentView";
import { argumentsOf } from "../src/steps/events";
import { decodeFrame, type StepsFrame } from "../src/steps/frames";
import { Plans } from "../src/steps/plans";

interface Golden {
  readonly gateway: readonly { readonly text: string; readonly data: unknown }[];
  readonly steps: readonly (readonly string[])[];
  readonly stream: string;
}

/** Written by the server's own encoders (tests/transport/dialects/frames_for_javascript.py). */
const golden = JSON.parse(readFileSync(new URL("./golden/serverFrames.json", import.meta.url), "utf8")) as Golden;

function decoded(text: string): StepsFrame {
  const frame = decodeFrame(text);
  if (frame === undefined) {
    throw new Error(`no frame: ${text}`);
  }
  return frame;
}

const isText = (value: unknown): boolean => typeof value === "string";
const isNumber = (value: unknown): boolean => typeof value === "number" && Number.isFinite(value);
const isStep = (value: unknown): boolean =>
  isObject(value) && isText(value["id"]) && isText(value["name"]) && isText(value["status"]);
const isPlan = (value: unknown): boolean =>
  isObject(value) && Array.isArray(value["steps"]) && value["steps"].every(isStep);
const isStatus = (value: unknown): boolean => isObject(value) && isText(value["state"]) && isText(value["message"]);
const isResult = (value: unknown): boolean =>
  isObject(value) && isText(value["status"]) && isNumber(value["duration"]) && "output" in value;
const isOutcome = (value: unknown): boolean =>
  isObject(value) &&
  typeof value["success"] === "boolean" &&
  [value["taskId"], value["summary"]].every(isText) &&
  isNumber(value["duration"]) &&
  (value["error"] === undefined || isText(value["error"]));

const isToolCall = (value: unknown): boolean =>
  isObject(value) && [value["callId"], value["name"]].every(isText) && "arguments" in value;

/** What the handlers of each type are promised. */
const PROMISED: Readonly<Record<string, readonly ((value: unknown) => boolean)[]>> = {
  status: [isStatus],
  "plan:created": [isPlan],
  "plan:updated": [isPlan],
  "step:start": [isStep],
  "step:progress": [isStep, isNumber, isText],
  "step:complete": [isStep, isResult],
  "step:error": [isStep, isText],
  "task:complete": [isOutcome],
  "task:error": [isText],
  "waiting:confirmation": [isStep, isText],
  "waiting:tool": [isToolCall],
  "tool:answered": [isObject],
  gap: [isObject],
};

describe("what the server sends", () => {
  test("the gateway's events are taken, their data as it was emitted", () => {
    expect(golden.gateway.length).toBeGreaterThan(100);
    for (const { text, data } of golden.gateway) {
      const message = parseObject(text);
      const payload = message?.["payload"];
      expect(message?.["type"]).toBe("event");
      expect(isEventPayload(payload), text).toBe(true);
      expect(isObject(payload) && payload["data"]).toEqual(data);
    }
  });

  test("the steps' handlers get what they are promised", () => {
    const seen = new Set<string>();
    for (const run of golden.steps) {
      const plans = new Plans();
      for (const frame of run.map(decoded)) {
        const args = argumentsOf(frame, plans.take(frame));
        const promised = PROMISED[frame.type] ?? [];
        expect(
          args.map((value, at) => promised[at]?.(value)),
          JSON.stringify(frame),
        ).toEqual(promised.map(() => true));
        expect(frame.eventId).toMatch(/^f1:\d+$/);
        seen.add(frame.type);
      }
    }
    expect([...seen].sort()).toEqual(Object.keys(PROMISED).sort());
  });

  test("the panel's state takes every frame, and every run comes to its end", () => {
    for (const run of golden.steps) {
      const frames = run.map(decoded);
      const view = frames.reduce((before, frame) => reduceAgent(before, { kind: "frame", frame, now: 1 }), NOTHING);
      const ends = frames.filter(({ type }) => type === "task:complete").length;
      expect(view.result === undefined).toBe(ends === 0);
    }
  });

  test.each([1, 7, 100_000])("the event stream in pieces of %i characters has the same messages", (size) => {
    const parser = new EventStreamParser();
    const pieces = golden.stream.match(new RegExp(`[^]{1,${size}}`, "gu")) ?? [];
    const events = pieces.flatMap((piece) => parser.feed(piece));
    expect(events.map(({ data }) => data)).toEqual(golden.steps[0]);
    expect(events.map(({ id }) => id)).toEqual(events.map(({ data }) => decoded(data).eventId));
  });
});
