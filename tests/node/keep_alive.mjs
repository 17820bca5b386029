// One connection kept alive by Node's own http agent: node keep_alive.mjs URL STREAM_PATH LAST_TYPE
// Prints what happens, a line of JSON each: requests with the port they came from, and an EventSource that npm's
// `eventsource` reads over the same connection.
import http from "node:http";
import { once } from "node:events";
import { Readable } from "node:stream";
import { EventSource } from "eventsource";

const [base, streamPath, lastType] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
setInterval(() => {}, 1000); // an idle connection of an agent does not keep Node running
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

async function request(path, headers = {}) {
  const sending = http.get(base + path, { agent, headers });
  const [response] = await once(sending, "response");
  return { response, reused: sending.reusedSocket, socket: response.socket };
}

async function get(path) {
  const { response, reused, socket } = await request(path);
  for await (const _ of response);
  say({ path, status: response.statusCode, reused, port: socket.localPort });
  return socket;
}

await get("/healthz");
const idle = await get("/readyz");
// The server ends a connection that is idle for too long: the next request makes another by itself.
await once(idle, "close");
say({ idle: "closed" });
await get("/healthz");

const source = new EventSource(base + streamPath, {
  fetch: async (url, { headers, signal }) => {
    const { response, reused, socket } = await request(url.toString().slice(base.length), headers);
    say({ path: "stream", status: response.statusCode, reused, port: socket.localPort });
    signal.addEventListener("abort", () => response.destroy());
    return {
      status: response.statusCode,
      url,
      redirected: false,
      headers: new Headers(response.headers),
      body: Readable.toWeb(response),
    };
  },
});
source.addEventListener(lastType, async (event) => {
  source.close();
  say({ event: event.type, id: event.lastEventId });
  await get("/healthz");
  process.exit(0);
});
