// Runs a client of the steps of clients/js: node steps_client.mjs MODULE CLASS OPTIONS
// CLASS is WebSocketClient (on npm's `ws`) or SSEClient, OPTIONS are JSON. Each line of standard input is a call
// {"method", "args"}, answered by a line {"result"} or {"error"}. Each frame is a line {"frame"}, each state of the
// connection {"state"}, and what a handler of `step:complete` or `plan:created` gets first is a line {"step"} or {"plan"}.
import { createInterface } from "node:readline";
import { WebSocket } from "ws";

const [module, name, options] = process.argv.slice(2);
const client = new (await import(module))[name]({ WebSocket, ...JSON.parse(options) });
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

client.on("*", (_data, frame) => say({ frame }));
client.on("plan:created", (plan) => say({ plan }));
client.on("step:complete", (step) => say({ step }));
client.onState((state) => say({ state }));
for await (const line of createInterface({ input: process.stdin })) {
  const { method, args } = JSON.parse(line);
  try {
    say({ result: (await client[method](...args)) ?? null });
  } catch (error) {
    say({ error: error.message });
  }
}
process.exit(0);
