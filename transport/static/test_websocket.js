"use strict";

const MOST_LINES = 500;
const STATISTICS_MS = 2000;
const OPENINGS = {
  streaming_query: { type: "streaming_query", query: "Count to 60, then compute 6 * 7" },
  agent_query: { type: "agent_query", query: "What is 123 + 456?" },
  tool_call: { type: "tool_call", tool_name: "calculator", params: { expression: "123 + 456" } },
  ping: { type: "ping" },
  cancel: { type: "cancel" },
  watch: { type: "watch", session_id: "" },
  history: { type: "history", session_id: "", limit: 100 },
  room_join: { type: "room_join", room: "lobby", since: "0" },
  room_message: { type: "room_message", room: "lobby", content: "Hello, everybody" },
};
const ACTIONS = {
  ping: OPENINGS.ping,
  query: OPENINGS.agent_query,
  streaming: OPENINGS.streaming_query,
  tool: OPENINGS.tool_call,
  cancel: OPENINGS.cancel,
};

const byId = (id) => document.getElementById(id);
let socket = null;
let counted = 0;
let pingedAt = 0;
let answering = false;

function show(state, text) {
  byId("state").dataset.state = state;
  byId("state-text").textContent = text;
  const open = state === "open";
  byId("connect").disabled = open || state === "opening";
  byId("disconnect").disabled = !open;
  byId("send").disabled = !open;
  for (const button of document.querySelectorAll("[data-action]")) button.disabled = !open;
}

function note(way, text) {
  const log = byId("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const line = document.createElement("li");
  line.className = way;
  const time = document.createElement("time");
  time.textContent = new Date().toISOString().slice(11, 23);
  const arrow = document.createElement("span");
  arrow.className = "way";
  arrow.textContent = { sent: "→", received: "←", error: "←", note: "·" }[way];
  const body = document.createElement("span");
  body.textContent = text;
  line.append(time, arrow, body);
  log.append(line);
  while (log.childElementCount > MOST_LINES) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function answer(text, fresh) {
  const box = byId("answer");
  if (fresh) box.textContent = "";
  box.classList.remove("dim");
  box.append(text);
  box.scrollTop = box.scrollHeight;
}

function take(message) {
  switch (message.type) {
    case "connected":
      byId("connection-id").textContent = message.connection_id;
      break;
    case "pong":
      if (pingedAt) byId("latency").textContent = `${(performance.now() - pingedAt).toFixed(1)} ms`;
      pingedAt = 0;
      break;
    case "stream_start":
      answering = true;
      answer("", true);
      break;
    case "stream_chunk":
      if (answering) answer(message.content, false);
      break;
    case "agent_response":
      answer(message.content, true);
      break;
    case "tool_result":
      answer(`${message.tool_name} = ${JSON.stringify(message.result)}`, true);
      break;
    case "stream_end":
    case "cancelled":
    case "error":
      answering = false;
      break;
  }
}

function receive(event) {
  counted += 1;
  byId("count").textContent = counted;
  let message;
  try {
    message = JSON.parse(event.data);
  } catch {
    note("error", event.data);
    return;
  }
  note(message.type === "error" ? "error" : "received", event.data);
  take(message);
}

function connect() {
  const url = new URL(byId("url").value, location.href);
  const token = byId("token-field").value;
  if (token) url.searchParams.set("access_token", token);
  show("opening", "Connecting…");
  const opened = new WebSocket(url);
  let lost = "Could not connect";
  socket = opened;
  opened.onopen = () => {
    lost = "Connection lost";
    show("open", "Connected");
  };
  opened.onmessage = receive;
  opened.onclose = (event) => {
    if (socket !== opened) return;
    socket = null;
    answering = false;
    byId("connection-id").textContent = "none";
    const clean = event.code === 1000 || event.code === 1005;
    show(clean ? "closed" : "broken", clean ? "Disconnected" : `${lost} (${event.code})`);
    note("note", `closed: ${event.code} ${event.reason}`);
  };
}

function send(message) {
  if (!socket || socket.readyState !== WebSocket.OPEN) return;
  const text = JSON.stringify(message);
  if (message.type === "ping") pingedAt = performance.now();
  socket.send(text);
  note("sent", text);
}

function compose() {
  byId("body").value = JSON.stringify(OPENINGS[byId("kind").value], null, 2);
  byId("hint").textContent = "";
}

function sendComposed(event) {
  event.preventDefault();
  try {
    send(JSON.parse(byId("body").value));
    byId("hint").textContent = "";
  } catch (error) {
    byId("hint").textContent = `Not JSON: ${error.message}`;
  }
}

async function readStatistics() {
  const token = byId("token-field").value;
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  try {
    const response = await fetch("/ws/statistics", { headers });
    const read = await response.json();
    if (!response.ok) throw new Error(read.error.message);
    byId("active").textContent = read.active_connections;
    byId("total").textContent = read.total_connections;
    byId("messages").textContent = read.total_messages;
    byId("statistics-note").textContent = "Read from /ws/statistics every two seconds.";
  } catch (error) {
    byId("statistics-note").textContent = `No statistics: ${error.message}`;
  }
}

byId("url").value = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/agent`;
byId("connect").addEventListener("click", connect);
byId("disconnect").addEventListener("click", () => socket && socket.close(1000));
byId("clear").addEventListener("click", () => {
  byId("log").replaceChildren();
  counted = 0;
  byId("count").textContent = "0";
});
byId("kind").addEventListener("change", compose);
byId("composer").addEventListener("submit", sendComposed);
byId("quick").addEventListener("click", (event) => {
  const action = event.target.dataset && event.target.dataset.action;
  if (action) send(ACTIONS[action]);
});
compose();
show("closed", "Disconnected");
readStatistics();
setInterval(readStatistics, STATISTICS_MS);
