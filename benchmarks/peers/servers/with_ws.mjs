// Node's ws: its documented broadcast, a plain loop of `send` over the clients, without compression.
import { parseArgs } from "node:util";
import { WebSocketServer } from "ws";

const FULL = 1 << 20; // bytes unsent for one client at which the loop at full speed pauses: ws itself would buffer on
const FILLER = Buffer.alloc(16 << 10, "x");

const { values } = parseArgs({
  options: {
    rate: { type: "string", default: "0" },
    bytes: { type: "string", default: "200" },
    fill: { type: "string", default: "0" },
  },
});
const rate = Number(values.rate);
const size = Number(values.bytes);

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, backlog: 4096, perMessageDeflate: false });
server.on("listening", () => console.log(JSON.stringify({ port: server.address().port })));
server.on("connection", (client) => {
  client.on("message", (data) => {
    const request = JSON.parse(data);
    client.send(JSON.stringify(request.type === "ping" ? { type: "pong", id: request.id } : { type: "subscribed" }));
  });
  client.on("error", () => client.terminate());
});

function toAll(data) {
  for (const client of server.clients) client.send(data, { binary: false });
}

function event() {
  const head = `{"t":${String(process.hrtime.bigint()).padStart(19)},"pad":"`;
  return Buffer.from(head + "x".repeat(size - head.length - 2) + '"}');
}

function fullest() {
  let most = 0;
  for (const client of server.clients) most = Math.max(most, client.bufferedAmount);
  return most;
}

let rounds = 0;
function flood() {
  if (rounds % 64 === 0 && fullest() > FULL) return setTimeout(flood, 1);
  toAll(event());
  rounds += 1;
  setImmediate(flood);
}

let began = 0;
function tick() {
  toAll(event());
  rounds += 1;
  setTimeout(tick, began + (rounds * 1000) / rate - performance.now());
}

process.stdin.once("data", () => {
  for (let i = 0; i < Number(values.fill); i++) toAll(FILLER);
  began = performance.now();
  if (rate) tick();
  else flood();
});
