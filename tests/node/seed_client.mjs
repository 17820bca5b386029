// Runs a client class that a document gives as an example, on npm's `ws`: node seed_client.mjs FILE CLASS URL TOKEN TYPE…
// Each line of standard input is a call {"method", "args"}, answered by a line {"result"} or {"error"}. Each event of
// one of the types is a line {"event"}: what the class hands to a handler.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";

const [file, name, url, token, ...types] = process.argv.slice(2);
const Client = new Function("WebSocket", `${readFileSync(file, "utf8")}\nreturn ${name};`)(WebSocket);
const client = new Client(url, token);
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

for (const type of types) {
  client.on(type, (data, payload) => say({ event: { type, data, payload } }));
}
for await (const line of createInterface({ input: process.stdin })) {
  const { method, args } = JSON.parse(line);
  try {
    say({ result: (await client[method](...args)) ?? null });
  } catch (error) {
    say({ error: error.message });
  }
}
process.exit(0);
