// The reference: operations of openapi.json by entity, with forms to try them.
// Everything becomes text nodes, never markup.
"use strict";

const groups = document.getElementById("groups");
const trouble = document.getElementById("trouble");
const most = 256 << 10; // characters of an answer that are shown
let spec = { paths: {}, components: {} };

/** el makes an element with properties and children. */
function el(name, props = {}, ...children) {
  const e = document.createElement(name);
  for (const [k, v] of Object.entries(props)) k in e ? (e[k] = v) : e.setAttribute(k, v);
  e.append(...children);
  return e;
}

/** resolved follows a $ref within the description. */
function resolved(node) {
  for (let n = 0; node?.$ref && n < 20; n++) {
    node = node.$ref.slice(2).split("/").reduce((at, part) => at?.[part.replaceAll("~1", "/").replaceAll("~0", "~")], spec);
  }
  return node ?? {};
}

document.addEventListener("octo-key", load);
document.getElementById("find").addEventListener("input", draw);

async function load() {
  trouble.hidden = true;
  try {
    const r = await fetch(octo.url + "/openapi.json", { headers: octo.headers() });
    const body = await r.json();
    if (!r.ok) throw new Error(body?.error?.message ?? `status ${r.status}`);
    spec = body;
  } catch (e) {
    spec = { paths: {}, components: {} };
    trouble.textContent = `The reference cannot be shown: ${e.message}`;
    trouble.hidden = false;
  }
  draw();
  await firstEntity();
}

/** firstEntity shows the first calls with the project's first entity, if the key may read it. */
async function firstEntity() {
  try {
    const { entities } = await (await fetch(octo.url + "/health", { headers: octo.headers() })).json();
    const list = operations().find((o) => o.id === "findAll" + entities[0]);
    if (list) octo.entity(entities[0], list.path.split("/").at(-1));
  } catch { /* the calls stay as the server wrote them */ }
}

function operations() {
  return Object.entries(spec.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, op]) => ({ path, method, op, id: op.operationId ?? "", tag: op.tags?.[0] ?? "other" })));
}

function draw() {
  const wanted = document.getElementById("find").value.trim().toLowerCase();
  const byTag = new Map();
  for (const o of operations()) {
    if (wanted && !`${o.tag} ${o.id} ${o.path} ${o.op.summary ?? ""}`.toLowerCase().includes(wanted)) continue;
    if (!byTag.has(o.tag)) byTag.set(o.tag, []);
    byTag.get(o.tag).push(o);
  }
  const tags = [...byTag.keys()].sort((a, b) => (a === "server") - (b === "server"));
  groups.replaceChildren(...tags.map((tag) => group(tag, byTag.get(tag), wanted || tags.length === 1)));
  if (tags.length === 0 && trouble.hidden) groups.append(el("p", { textContent: "Nothing of that name." }));
}

/** group draws its operations when it is opened: there may be thousands. */
function group(tag, list, open) {
  const d = el("details", { className: "group" },
    el("summary", {}, tag, el("small", { textContent: `${list.length} ${list.length === 1 ? "operation" : "operations"}` })));
  const order = ["get", "post", "put", "patch", "delete"];
  list.sort((a, b) => a.path.localeCompare(b.path) || order.indexOf(a.method) - order.indexOf(b.method));
  once(d, () => d.append(...list.map(operation)));
  d.open = Boolean(open);
  return d;
}

function once(details, fill) {
  details.addEventListener("toggle", () => { if (details.open) fill(); }, { once: true });
}

function operation(o) {
  const d = el("details", { className: "op" }, el("summary", {},
    el("b", { className: `verb ${o.method}`, textContent: o.method.toUpperCase() }),
    el("code", { textContent: o.path }), el("span", { textContent: o.op.summary ?? "" })));
  once(d, () => d.append(form(o)));
  return d;
}

function typeOf(schema) {
  const s = resolved(schema);
  if (s.enum) return s.enum.join(" | ");
  if (s.oneOf) return s.oneOf.map(typeOf).join(" | ");
  if (s.type === "array") return `array of ${typeOf(s.items ?? {})}`;
  return [].concat(s.type ?? "any").join(" | ") + (s.format ? ` (${s.format})` : "");
}

/** example makes a value of a schema, for a body to begin with. */
function example(schema, depth = 0) {
  const s = resolved(schema);
  if (s.const !== undefined) return s.const;
  if (s.default !== undefined) return s.default;
  if (s.enum) return s.enum[0];
  if (s.oneOf) return example(s.oneOf[0], depth);
  const type = [].concat(s.type ?? "object")[0];
  if (type === "array") return depth > 3 ? [] : [example(s.items ?? {}, depth + 1)].filter((v) => v !== null && v !== undefined);
  if (type === "string") return s.format === "date-time" ? "2026-01-31T10:00:00Z" : "";
  if (type === "number" || type === "integer") return s.minimum ?? 0;
  if (type === "boolean") return false;
  if (depth > 3 || !s.properties) return {};
  return Object.fromEntries(Object.entries(s.properties).filter(([, p]) => !resolved(p).readOnly).map(([k, p]) => [k, example(p, depth + 1)]));
}

function form(o) {
  const inputs = [];
  const f = el("form", { autocomplete: "off" });
  const parameters = (o.op.parameters ?? []).map(resolved);
  const few = 6; // what is asked for most comes first; the rest opens on demand
  const more = el("details", {}, el("summary", { textContent: `${parameters.length - few} more parameters` }));
  for (const [n, p] of parameters.entries()) {
    const id = `${o.id}-${p.in}-${p.name}`;
    const input = el("input", { id, required: Boolean(p.required), spellcheck: false, className: "mono" });
    inputs.push({ p, input });
    (n < few || parameters.length <= few + 2 ? f : more).append(el("div", { className: "param" },
      el("label", { htmlFor: id, className: "mono" }, p.name, p.required ? el("span", { className: "must", textContent: " *" }) : ""), input,
      el("small", { textContent: `${p.in}, ${typeOf(p.schema ?? {})}${p.description ? ": " + p.description : ""}` })));
  }
  if (more.children.length > 1) f.append(more);
  const json = o.op.requestBody && resolved(o.op.requestBody).content?.["application/json"];
  const body = json && el("textarea", { value: JSON.stringify(example(json.schema), null, 2), spellcheck: false, ariaLabel: "body" });
  if (body) f.append(body);
  const status = el("span", { className: "status" });
  const stop = el("button", { type: "button", textContent: "Stop", hidden: true });
  const answer = el("pre", { className: "answer", hidden: true, tabIndex: 0 });
  const send = el("button", { type: "submit", textContent: "Try it" });
  if (o.path.endsWith("/ws")) status.textContent = "A WebSocket is not tried from here.";
  else f.append(el("div", { className: "send" }, send, stop, status), answer);
  f.addEventListener("submit", (e) => {
    e.preventDefault();
    attempt(o, inputs, body?.value, { send, stop, status, answer });
  });
  return f;
}

/** attempt sends a request and shows what comes, as it comes. */
async function attempt(o, inputs, body, { send, stop, status, answer }) {
  const headers = octo.headers();
  const query = new URLSearchParams();
  let path = o.path;
  for (const { p, input } of inputs) {
    if (input.value === "") continue;
    if (p.in === "path") path = path.replace(`{${p.name}}`, encodeURIComponent(input.value));
    else if (p.in === "query") query.append(p.name, input.value);
    else if (p.in === "header") headers[p.name] = input.value;
  }
  const options = { method: o.method.toUpperCase(), headers };
  if (body?.trim() && o.method !== "get") {
    options.body = body;
    headers["Content-Type"] = "application/json";
  }
  const control = new AbortController();
  stop.onclick = () => control.abort();
  send.disabled = true;
  stop.hidden = false;
  answer.hidden = true;
  status.textContent = "…";
  const began = performance.now();
  try {
    const r = await fetch(location.origin + path + (query.size ? "?" + query : ""), { ...options, signal: control.signal });
    const told = ["etag", "location", "octo-position", "retry-after", "ratelimit-remaining", "x-request-id"]
      .filter((h) => r.headers.has(h)).map((h) => `${h}: ${r.headers.get(h)}`);
    status.textContent = [`${r.status} ${r.statusText}`, `${Math.round(performance.now() - began)} ms`, ...told].join(" · ");
    await show(r, answer, control);
  } catch (e) {
    if (e.name !== "AbortError") status.textContent = `The request failed: ${e.message}`;
  } finally {
    send.disabled = false;
    stop.hidden = true;
  }
}

async function show(r, answer, control) {
  let text = "";
  answer.textContent = "";
  if (r.body) {
    answer.hidden = false;
    const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      text += value;
      answer.textContent = text;
      if (text.length > most) {
        answer.textContent = text.slice(0, most) + "\n… there is more";
        control.abort();
        return;
      }
    }
  }
  answer.hidden = text === "";
  if (r.headers.get("content-type")?.startsWith("application/json")) {
    try {
      // Numbers beyond 2^53 would change: the text is then shown as it came.
      if (!/\d{16,}/.test(text)) answer.textContent = JSON.stringify(JSON.parse(text), null, 2);
    } catch { /* shown as it came */ }
  }
}
