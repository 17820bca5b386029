"use strict";

// Renders /openapi.json: contents, operations with a form to try each, and the schemas they name.

/** An element with attributes and children; a string child becomes text, so that nothing is ever parsed as HTML. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** Text in which `backquotes` are code and *asterisks* are emphasis, as in the document's descriptions. */
function prose(text) {
  return (text || "").split(/(`[^`]+`|\*[^*]+\*)/).map((piece) => {
    if (/^`[^`]+`$/.test(piece)) return el("code", {}, piece.slice(1, -1));
    if (/^\*[^*]+\*$/.test(piece)) return el("em", {}, piece.slice(1, -1));
    return piece;
  });
}

function paragraphs(text) {
  return (text || "").trim().split(/\n\s*\n/).filter(Boolean).map((piece) => el("p", {}, ...prose(piece)));
}

const nameOf = (ref) => ref.split("/").pop();

/** A schema's type in words, with links to the schemas it names. */
function typeOf(schema) {
  if (!schema || Object.keys(schema).length === 0) return ["any JSON"];
  if (schema.$ref) return [el("a", { href: `#schema-${nameOf(schema.$ref)}` }, nameOf(schema.$ref))];
  if (schema.anyOf) return schema.anyOf.flatMap((one, index) => (index ? [" or ", ...typeOf(one)] : typeOf(one)));
  if (schema.enum) return [schema.enum.map((value) => JSON.stringify(value)).join(", ")];
  if (schema.type === "array") return ["list of ", ...typeOf(schema.items)];
  if (schema.type === "object" && schema.additionalProperties) return ["object of ", ...typeOf(schema.additionalProperties)];
  const bounds = [["minimum", "from"], ["maximum", "to"]]
    .filter(([key]) => schema[key] !== undefined)
    .map(([key, word]) => `${word} ${schema[key]}`);
  return [[schema.type || "any JSON", ...bounds].join(" ")];
}

function fieldsTable(rows) {
  const head = ["name", "type", "default", "meaning"].map((title) => el("th", { scope: "col" }, title));
  return el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows));
}

function fieldRow(name, schema, required, meaning) {
  const fallback = required ? "required" : schema.default === undefined ? "" : JSON.stringify(schema.default);
  return el(
    "tr", {},
    el("td", {}, el("code", {}, name)), el("td", {}, ...typeOf(schema)),
    el("td", { class: "dim" }, fallback), el("td", {}, ...prose(meaning || schema.description)),
  );
}

function schemaSection(name, schema) {
  const rows = Object.entries(schema.properties || {}).map(([field, inner]) =>
    fieldRow(field, inner, (schema.required || []).includes(field)));
  return el(
    "section", { class: "schema", id: `schema-${name}` }, el("h3", {}, name), ...paragraphs(schema.description),
    rows.length ? fieldsTable(rows) : el("p", {}, ...typeOf(schema)),
  );
}

/** A value that fits a schema, to start from. */
function exampleOf(schema, schemas, depth = 0) {
  if (!schema || depth > 4) return null;
  if (schema.$ref) return exampleOf(schemas[nameOf(schema.$ref)], schemas, depth + 1);
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf) return exampleOf(schema.anyOf[0], schemas, depth + 1);
  switch (schema.type) {
    case "object": {
      const required = schema.required || [];
      const names = required.length ? required : Object.keys(schema.properties || {});
      return Object.fromEntries(names.map((name) => [name, exampleOf(schema.properties[name], schemas, depth + 1)]));
    }
    case "array": return [exampleOf(schema.items, schemas, depth + 1)];
    case "string": return "";
    case "boolean": return true;
    case "integer": case "number": return 0;
    default: return {};
  }
}

/** Prints a response: the events of a stream as they come, anything else whole. */
async function show(response, output) {
  output.textContent = "";
  const type = response.headers.get("Content-Type") || "";
  if (type.startsWith("text/event-stream")) return showStream(response, output);
  // Not read in parts: what is not to be stored and is read so, Chromium calls aborted though it came whole.
  const text = await response.text();
  output.textContent = type.startsWith("application/json") ? indented(text) : text;
}

async function showStream(response, output) {
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    output.textContent += decoder.decode(value, { stream: true });
    output.scrollTop = output.scrollHeight;
  }
}

/** JSON in lines. What is not JSON after all stays as it came. */
function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** The request that a filled form describes. Empty fields are left out. */
function requestOf(path, method, fields, body) {
  const query = new URLSearchParams();
  const headers = {};
  let address = path;
  for (const { parameter, input } of fields) {
    if (parameter.in === "path") address = address.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value && parameter.in === "query") query.set(parameter.name, input.value);
    else if (input.value) headers[parameter.name] = input.value;
  }
  const token = document.getElementById("token").value.trim();
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  const search = query.toString();
  return [address + (search ? `?${search}` : ""), { method, headers, body: body ? body.value : undefined }];
}

function tryForm(path, method, operation, schemas) {
  const fields = operation.parameters.map((parameter) => ({
    parameter, input: el("input", { name: parameter.name, required: parameter.required, autocomplete: "off" }),
  }));
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  const body = content ? el("textarea", { spellcheck: "false", "aria-label": "Body" }) : null;
  if (body) body.value = JSON.stringify(content.example ?? exampleOf(content.schema, schemas), null, 2);
  const status = el("p", { class: "status", role: "status" });
  const output = el("pre", { class: "output", hidden: "" });
  const send = el("button", { type: "submit" }, "Send");
  const stop = el("button", { type: "button", disabled: "" }, "Stop");
  let running = new AbortController();
  stop.addEventListener("click", () => running.abort());

  async function submit(event) {
    event.preventDefault();
    running = new AbortController();
    send.disabled = true;
    stop.disabled = false;
    output.hidden = false;
    try {
      const [address, options] = requestOf(path, method, fields, body);
      const response = await fetch(address, { ...options, signal: running.signal });
      status.textContent = `${response.status} ${response.statusText}`;
      status.className = `status ${response.ok ? "good" : "bad"}`;
      await show(response, output);
    } catch (error) {
      status.textContent = error.name === "AbortError" ? "stopped" : String(error);
      status.className = "status bad";
    } finally {
      send.disabled = false;
      stop.disabled = true;
    }
  }

  const labels = fields.map(({ parameter, input }) => el("label", {}, `${parameter.name} (${parameter.in})`, input));
  return el(
    "form", { onsubmit: submit }, el("h4", {}, "Try it"), ...labels, body ? el("label", {}, "Body", body) : null,
    send, " ", stop, status, output,
  );
}

function operationSection(path, method, operation, schemas) {
  const rows = operation.parameters.map((parameter) =>
    fieldRow(`${parameter.name} (${parameter.in})`, parameter.schema, parameter.required, parameter.description));
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  const answers = Object.entries(operation.responses).map(([status, response]) => {
    const [kind, { schema }] = Object.entries(response.content)[0];
    const type = kind === "application/json" ? typeOf(schema) : [kind];
    return el("tr", {}, el("td", {}, status), el("td", {}, ...type), el("td", {}, ...prose(response.description)));
  });
  return el(
    "details", { class: "operation", id: operation.operationId },
    el(
      "summary", {}, el("span", { class: `method ${method}` }, method.toUpperCase()),
      el("span", { class: "path" }, path), el("span", { class: "dim" }, ...prose(operation.summary)),
    ),
    el(
      "div", {},
      rows.length ? el("h4", {}, "Parameters") : null, rows.length ? fieldsTable(rows) : null,
      content ? el("h4", {}, "Body") : null, content ? el("p", {}, ...typeOf(content.schema)) : null,
      el("h4", {}, "Answers"), el("table", {}, el("tbody", {}, ...answers)),
      tryForm(path, method.toUpperCase(), operation, schemas),
    ),
  );
}

function render(api) {
  const contents = document.getElementById("contents");
  const reference = document.getElementById("reference");
  const schemas = api.components.schemas;
  document.getElementById("version").textContent = api.info.version;
  reference.replaceChildren(...paragraphs(api.info.description));
  for (const { name: tag } of api.tags) {
    contents.append(el("h2", {}, tag));
    reference.append(el("h2", {}, tag));
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        if (!operation.tags.includes(tag)) continue;
        contents.append(el("a", { href: `#${operation.operationId}` }, ...prose(operation.summary)));
        reference.append(operationSection(path, method, operation, schemas));
      }
    }
  }
  reference.append(el("h2", {}, "schemas"));
  contents.append(el("h2", {}, "schemas"));
  for (const [name, schema] of Object.entries(schemas)) {
    contents.append(el("a", { href: `#schema-${name}` }, name));
    reference.append(schemaSection(name, schema));
  }
}

/** Opens the operation that the address names. */
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
  if (target) target.scrollIntoView();
}

async function main() {
  const reference = document.getElementById("reference");
  try {
    const response = await fetch("/openapi.json");
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    render(await response.json());
  } catch (error) {
    reference.replaceChildren(el("p", {}, `/openapi.json cannot be read: ${error}`));
    return;
  }
  addEventListener("hashchange", reveal);
  reveal();
}

main();
