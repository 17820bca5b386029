// Follows event streams with npm's `eventsource`: node follow.mjs URLS TYPES, both JSON lists.
// Each event is a line {"stream", "type", "id", "data"}; so are "open" and "error", which are EventSource's own.
import { EventSource } from "eventsource";

const [urls, types] = process.argv.slice(2).map((text) => JSON.parse(text));

urls.forEach((url, stream) => {
  const say = (line) => process.stdout.write(JSON.stringify({ stream, ...line }) + "\n");
  const source = new EventSource(url);
  source.onopen = () => say({ type: "open" });
  source.onerror = (error) => say({ type: "error", data: { code: error.code ?? null, state: source.readyState } });
  for (const type of types) {
    source.addEventListener(type, (event) => say({ type, id: event.lastEventId, data: JSON.parse(event.data) }));
  }
});
