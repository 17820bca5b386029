// Runs the gateway client of clients/js on npm's `ws`: node gateway_client.mjs MODULE URL TOKEN OPTIONS TYPE…
// OPTIONS are JSON, an empty TOKEN is none. Each line of standard input is a call {"method", "args"}, answered by a line
// {"result"} or {"error"}. Each event of one of the types is a line {"event"}, each state of the connection {"state"}.
import { createInterface } from "node:readline";
import { WebSocket } from "ws";

const [module, url, token, options, ...types] = process.argv.slice(2);
const { AgentBoxGateway } = await import(module);
const client = new AgentBoxGateway(url, token || undefined, { WebSocket, ...JSON.parse(options) });
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

for (const type of types) {
  client.on(type, (data, payload) => say({ event: { type: payload.event_type, data, payload } }));
}
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
