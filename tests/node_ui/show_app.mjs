// Shows the component `App` of a module in a page of jsdom, and uses it as a person would: node show_app.mjs MODULE PAGE_URL
// The module also exports React's `createElement` and `createRoot`. A line of standard input is {"submit": task}: it is
// typed into the page's text field, and its first button pressed that can then be pressed. A line is written for all
// that the page logs: {"log": [...]} or {"error": text}.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { format } from "node:util";
import { JSDOM } from "jsdom";

const [module, pageUrl] = process.argv.slice(2);
const { window } = new JSDOM('<div id="root"></div>', { url: pageUrl, pretendToBeVisual: true });
const { document, navigator, WebSocket } = window;
for (const [name, value] of Object.entries({ window, document, navigator, WebSocket })) {
  // Defined, not assigned: newer Nodes have some of these, and not to be changed.
  Object.defineProperty(globalThis, name, { value, configurable: true });
}
// What jsdom lacks of a browser: a page asks for it to choose its colours.
window.matchMedia = (media) => Object.assign(new window.EventTarget(), { media, matches: false });
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
console.log = (...args) => say({ log: args });
console.error = (...args) => say({ error: format(...args) });

const { App, createElement, createRoot } = await import(pathToFileURL(module));
const root = document.getElementById("root");
createRoot(root).render(createElement(App));

const wait = async (find) => {
  for (let found; ; await new Promise((resolve) => setTimeout(resolve, 5))) {
    if ((found = find()) !== undefined) {
      return found;
    }
  }
};
for await (const line of createInterface({ input: process.stdin })) {
  const { submit } = JSON.parse(line);
  const field = await wait(() => root.querySelector("textarea, input[type=text]") ?? undefined);
  // React hears of a change only where the value is set as typing sets it.
  const { set } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value");
  set.call(field, submit);
  field.dispatchEvent(new window.Event("input", { bubbles: true }));
  const button = await wait(() => [...root.querySelectorAll("button")].find((each) => !each.disabled));
  button.click();
}
process.exit(0);
