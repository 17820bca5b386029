// Drives Chromium as a person does: node drive.mjs PATH_OF_CHROMIUM
// Each line of standard input is one act {"page", "find", "act", "args"}: a method of Playwright's page or, where "find" is
// not empty, of the first part of the page that it describes, from the outside in. A line {"value"} or {"error"} answers it.
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const PATIENCE_MS = 10_000;
const browser = await chromium.launch({ executablePath: process.argv[2] });
const pages = [];

class Person {
  /** What a developer would see in the browser's console and in its list of requests. */
  problems = [];
  /** Types of the JSON frames that came over WebSockets. */
  received = [];

  static async arrives(options) {
    const person = new Person();
    const context = await browser.newContext(options);
    person.page = await context.newPage();
    person.page.setDefaultTimeout(PATIENCE_MS);
    person.watch();
    return person;
  }

  watch() {
    const { page, problems, received } = this;
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) problems.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => problems.push(`page: ${error.message}`));
    page.on("requestfailed", (request) => problems.push(`${request.url()}: ${request.failure()?.errorText}`));
    page.on("response", (response) => {
      if (response.status() >= 400) problems.push(`${response.url()}: ${response.status()}`);
    });
    page.on("websocket", (socket) =>
      socket.on("framereceived", ({ payload }) => received.push(JSON.parse(payload).type)),
    );
  }

  find(path) {
    return path.reduce((within, { role, label, text, ...options }) => {
      if (role !== undefined) return within.getByRole(role, options);
      return label !== undefined ? within.getByLabel(label) : within.filter({ hasText: text });
    }, this.page);
  }

  async act(path, act, args) {
    switch (act) {
      case "problems":
      case "received":
        return this[act];
      case "leave":
        return this.page.context().close();
      case "allTexts":
        return this.find(path).allInnerTexts();
      case "clock":
        return this.page.clock[args[0]](...args.slice(1));
      default:
        return path.length === 0 ? this.page[act](...args) : this.find(path).first()[act](...args);
    }
  }
}

async function answer({ page, find, act, args }) {
  if (act === "arrive") {
    pages.push(await Person.arrives(...args));
    return pages.length - 1;
  }
  return pages[page].act(find, act, args);
}

for await (const line of createInterface({ input: process.stdin })) {
  let reply;
  try {
    const value = await answer(JSON.parse(line));
    // Some methods return objects of the library's own, which are nobody's business here.
    reply = { value: ["string", "number", "boolean"].includes(typeof value) || Array.isArray(value) ? value : null };
  } catch (error) {
    reply = { error: error.message };
  }
  process.stdout.write(JSON.stringify(reply) + "\n");
}
await browser.close();
