// Runs the hook of npm's @gtc-tech/agent-core-ui in a page of jsdom: node use_agent.mjs PAGE_URL WS_URL
// Each line of standard input is a call {"method", "args"} of what the hook returns; each change of what it returns is a
// line {"view"}: connected, state, plan, result, tools, and the messages of its log.
import { createInterface } from "node:readline";
import { JSDOM } from "jsdom";

const [pageUrl, wsUrl] = process.argv.slice(2);
const { window } = new JSDOM('<div id="root"></div>', { url: pageUrl });
const { document, navigator, WebSocket } = window;
for (const [name, value] of Object.entries({ window, document, navigator, WebSocket })) {
  // Defined, not assigned: newer Nodes have some of these, and not to be changed.
  Object.defineProperty(globalThis, name, { value, configurable: true });
}

const { createElement, useEffect } = await import("react");
const { createRoot } = await import("react-dom/client");
const { useAgent } = await import("@gtc-tech/agent-core-ui");

let agent;

function Panel() {
  agent = useAgent({ wsUrl, reconnectInterval: 50 });
  const { connected, state, plan, result, tools, logs } = agent;
  useEffect(() => {
    const view = { connected, state, plan, result, tools, log: logs.map(({ level, message }) => `${level}: ${message}`) };
    process.stdout.write(JSON.stringify({ view }) + "\n");
  }, [connected, state, plan, result, tools, logs]);
  return null;
}

createRoot(document.getElementById("root")).render(createElement(Panel));
for await (const line of createInterface({ input: process.stdin })) {
  const { method, args } = JSON.parse(line);
  agent[method](...args);
}
process.exit(0);
