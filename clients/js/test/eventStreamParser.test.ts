import { expect, test } from "vitest";
import { EventStreamParser } from "../src/eventStreamParser";

const TEXT =
  "\uFEFF: hello\r\n\r\nid: 1\nevent: x\ndata: a\ndata:  b\n\ndata\n\rdata:c\r\n\r\nretry: 250\nid: 9\0\n\ndata: d\n\n";
const EVENTS = [
  { data: "a\n b", id: "1" },
  { data: "", id: "1" },
  { data: "c", id: "1" },
  { data: "d", id: "1" },
];

test.for([1, 2, 3, 7, TEXT.length])("reads events in pieces of %i characters", (size) => {
  const parser = new EventStreamParser();
  const pieces = Array.from({ length: Math.ceil(TEXT.length / size) }, (_, n) => TEXT.slice(n * size, (n + 1) * size));
  expect(pieces.flatMap((piece) => parser.feed(piece))).toEqual(EVENTS);
  expect(parser.retryMs).toBe(250);
});

test("leaves an event alone that does not end", () => {
  expect(new EventStreamParser().feed("data: a\n")).toEqual([]);
});

test("refuses an event without end", () => {
  const parser = new EventStreamParser();
  const megabyte = `data: ${"x".repeat(1 << 20)}\n`;
  expect(() => {
    for (let n = 0; n < 20; n += 1) {
      parser.feed(megabyte);
    }
  }).toThrow(RangeError);
});
