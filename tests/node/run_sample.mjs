// Runs a module that a document gives as an example, word for word: node run_sample.mjs FILE SURROUNDINGS
// SURROUNDINGS (JSON): "words" are replaced in what its WebSockets send, and in what they receive the other way round;
// "socket" is the address of an open WebSocket that it finds as `ws`; "hosts" are where hosts of addresses really are.
// A line for all that it does: {"log"}, {"error"} (of the console), {"shown"} (by displayText), {"every"} (an interval,
// in ms), {"sent"}, {"received"}, {"done"} once its last statement has run. A line of standard input is what happens
// around it: "tick" (all intervals are over), "close" (its connections end), "release" (the calls held back are made).
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { format } from "node:util";
import { WebSocket as PlainWebSocket } from "ws";

const [file, surroundings] = process.argv.slice(2);
const { words = {}, hosts = {}, socket } = JSON.parse(surroundings);
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const replaced = (text, pairs) => pairs.reduce((done, [from, to]) => done.replaceAll(from, to), text);
const outward = Object.entries(words);
const inward = outward.map(([from, to]) => [to, from]);

const sockets = [];
const intervals = [];
const held = [];

class WebSocket extends PlainWebSocket {
  constructor(url) {
    super(replaced(url, Object.entries(hosts)));
    sockets.push(this);
  }

  send(text) {
    say({ sent: JSON.parse(text) });
    super.send(replaced(text, outward));
  }

  emit(name, ...args) {
    if (name !== "message") {
      return super.emit(name, ...args);
    }
    const text = replaced(args[0].toString(), inward);
    const handled = super.emit(name, Buffer.from(text), ...args.slice(1));
    // After what the sample goes on to do at once.
    setImmediate(() => say({ received: JSON.parse(text) }));
    return handled;
  }
}

Object.assign(globalThis, {
  WebSocket,
  held,
  displayText: (text) => say({ shown: text }),
  setInterval: (call, ms) => {
    intervals.push(call);
    say({ every: ms });
  },
});
console.log = (...args) => say({ log: format(...args) });
console.error = (...args) => say({ error: format(...args) });

if (socket !== undefined) {
  globalThis.ws = new WebSocket(socket);
  await new Promise((resolve, reject) => {
    globalThis.ws.on("open", resolve);
    globalThis.ws.on("error", reject);
  });
}
await import(pathToFileURL(file));
say({ done: true });

const happens = {
  tick: () => intervals.forEach((call) => call()),
  close: () => sockets.forEach((each) => each.close()),
  release: () => held.splice(0).forEach((call) => call()),
};
for await (const line of createInterface({ input: process.stdin })) {
  happens[JSON.parse(line)]();
}
process.exit(0);
