// Apache Arrow's own JavaScript reader on our streams, held against what REST
// says of the same records.
import zlib from "node:zlib";
import { compressionRegistry, CompressionType, RecordBatchReader, tableFromIPC } from "apache-arrow";
import { assert, end, key, scenario, url } from "../scenario.mjs";

const ipc = "application/vnd.apache.arrow.stream";
const ask = (path, options = {}) =>
  fetch(url + path, { ...options, headers: { "X-API-Key": key, ...(options.body ? { "content-type": "application/json" } : {}), ...options.headers } });
const stream = async (path, options = {}) => {
  const r = await ask(path, { ...options, headers: { accept: ipc } });
  assert.equal(r.status, 200, await (r.ok ? "" : r.text()));
  assert.equal(r.headers.get("content-type"), ipc);
  return r;
};
const table = async (path, options) => tableFromIPC(await stream(path, options));
const post = async (path, body) => {
  const r = await ask(path, { method: "POST", body: JSON.stringify(body) });
  assert.ok(r.ok, await r.text());
};
// plain makes of a value of Arrow what JSON has in its place.
const plain = (v) => {
  if (v === null || v === undefined) return null;
  if (typeof v === "bigint") return Number(v);
  if (v instanceof Uint8Array) return Buffer.from(v).toString("base64");
  if (typeof v === "object" && typeof v.toArray === "function") return Array.from(v, plain);
  return v;
};
const column = (t, name) => Array.from(t.getChild(name), plain);
const types = (t) => Object.fromEntries(t.schema.fields.map((f) => [f.name, String(f.type)]));

const full = {
  id: "full", s: "é \"q\" 😀 \u2028", t: "", n: 0.1, f: -1e300, i: 4503599627370497, d: 12345678901234.5, b: true, w: "2026-01-02T03:04:05.678Z",
  j: { a: [1, null, "ü"] }, x: "AAH/", e: "a", tags: ["x", "", "😀"], any: ["x", 1, { a: 2 }, null], ns: [1.5, 2], is: [7], bs: [true, false],
};
const none = { id: "none" };
await post("/api/v1/owners", { id: "o1", name: "Ada" });
await post("/api/v1/owners", { id: "o2", name: "Bob" });
await post("/api/v1/things", { ...full, owner: "o1", marks: ["o1", "o2"] });
await post("/api/v1/things", none);

await scenario("a value of every type", async () => {
  const t = await table("/arrow/stream/Thing?sort=id");
  assert.deepEqual(types(t), {
    id: "Utf8", _version: "Int64", s: "Utf8", t: "Utf8", n: "Float64", f: "Float64", i: "Int64", d: "Utf8", b: "Bool", w: "Timestamp<MILLISECOND, UTC>",
    j: "Utf8", x: "Binary", e: "Utf8", tags: "List<Utf8>", any: "List<Utf8>", ns: "List<Float64>", is: "List<Int64>", bs: "List<Bool>",
    owner: "Utf8", marks: "List<Utf8>", createdAt: "Timestamp<MILLISECOND, UTC>", updatedAt: "Timestamp<MILLISECOND, UTC>",
  });
  for (const name of ["s", "t", "n", "f", "i", "b", "x", "e", "tags", "ns", "is", "bs"]) assert.deepEqual(column(t, name)[0], full[name], name);
  assert.equal(column(t, "d")[0], "12345678901234.5");
  assert.equal(column(t, "w")[0], Date.parse(full.w));
  assert.deepEqual(JSON.parse(column(t, "j")[0]), full.j);
  assert.deepEqual(column(t, "any")[0], ["x", "1", '{"a":2}', null]);
  assert.equal(column(t, "owner")[0], "o1");
});

await scenario("nulls", async () => {
  const t = await table("/arrow/stream/Thing?sort=id");
  assert.equal(t.numRows, 2);
  for (const f of t.schema.fields) {
    if (["id", "_version", "createdAt", "updatedAt"].includes(f.name)) assert.equal(t.getChild(f.name).nullCount, 0, f.name);
    else assert.equal(column(t, f.name)[1], null, f.name);
  }
});

await scenario("the same as REST", async () => {
  const rest = (await (await ask("/api/v1/things?sort=id&relations=marks")).json()).data;
  const t = await table("/arrow/stream/things?sort=id&relations=marks");
  rest.forEach((record, i) => {
    for (const [name, value] of Object.entries(record)) {
      let got = column(t, name)[i];
      let want = value;
      if (name === "j" && got !== null) got = JSON.parse(got);
      if (name === "any" && got !== null) want = value.map((v) => (v === null || typeof v === "string" ? v : JSON.stringify(v)));
      if (name === "marks") want = value.map((m) => m.id);
      if (name === "d" && got !== null) got = Number(got);
      if (["w", "createdAt", "updatedAt"].includes(name) && value !== null) want = Date.parse(value);
      assert.deepEqual(got, want, name);
    }
  });
});

await scenario("decimals as decimal128", async () => {
  const t = await table("/arrow/stream/Thing?sort=id&select=d&decimal=2");
  assert.match(types(t).d, /^Decimal\[38e\+?2\]/);
  assert.deepEqual(types(t), { id: "Utf8", _version: "Int64", d: types(t).d });
  const words = t.getChild("d").get(0); // four of 32 bits, the lowest first
  assert.equal(BigInt(words[0]) + (BigInt(words[1]) << 32n), 1234567890123450n);
  assert.equal(t.getChild("d").get(1), null);
});

await scenario("a decimal that does not fit", async () => {
  const r = await ask("/arrow/stream/Thing?decimal=0", { headers: { accept: ipc } });
  assert.equal(r.status, 400);
  assert.equal((await r.json()).error.code, "INVALID_REQUEST");
});

await scenario("an empty table", async () => {
  const t = await table("/arrow/stream/Thing?s=nobody");
  assert.equal(t.numRows, 0);
  assert.equal(t.schema.fields.length, 22);
});

await scenario("a schema alone", async () => {
  const t = await table("/arrow/schema/Thing");
  assert.deepEqual(types(t), types(await table("/arrow/stream/Thing")));
  const json = await (await ask("/arrow/schema/Thing")).json();
  assert.deepEqual(json.arrowSchema.fields.map((f) => f.name), t.schema.fields.map((f) => f.name));
  assert.deepEqual(json.arrowSchema.fields.map((f) => f.nullable), t.schema.fields.map((f) => f.nullable));
});

await scenario("the catalogue", async () => {
  const t = await table("/arrow");
  const { flights } = await (await ask("/arrow/flights")).json();
  const rows = flights.flatMap((f) => f.fields.map((c) => [f.descriptor, f.collection, c.name, c.type, c.nullable]));
  assert.deepEqual(["descriptor", "collection", "name", "type", "nullable"].map((n) => column(t, n)), [0, 1, 2, 3, 4].map((i) => rows.map((r) => r[i])));
});

await scenario("many batches, one after the other", async () => {
  for (let from = 0; from < 5000; from += 500) {
    const operations = Array.from({ length: 500 }, (_, i) => ({ op: "create", entity: "Owner", data: { id: `n${String(from + i).padStart(5, "0")}`, name: `Name ${from + i} é` } }));
    await post("/api/v1/_transaction", { operations });
  }
  const reader = await RecordBatchReader.from(await stream("/arrow/stream/Owner?batchSize=333&sort=id&name[gte]=Name"));
  let rows = 0, batches = 0;
  for await (const batch of reader) {
    batches++;
    assert.ok(batch.numRows <= 333);
    for (const row of batch) {
      assert.equal(row.name, `Name ${rows} é`);
      rows++;
    }
  }
  assert.deepEqual([rows, batches], [5000, Math.ceil(5000 / 333)]);
});

await scenario("a body instead of parameters", async () => {
  const body = JSON.stringify({ filter: { name: { $gte: "Name" } }, sort: { id: 1 }, offset: 10, limit: 3, select: ["name"] });
  const t = await table("/arrow/query/Owner", { method: "POST", body });
  assert.deepEqual(column(t, "name"), ["Name 10 é", "Name 11 é", "Name 12 é"]);
  const json = await (await ask("/arrow/query/Owner", { method: "POST", body })).json();
  assert.deepEqual(json.columns.name, column(t, "name"));
  assert.deepEqual([json.entity, json.format, json.rowCount], ["Owner", "columnar", 3]);
});

await scenario("zstd", async () => {
  const path = "/arrow/stream/Owner?sort=id&limit=2000";
  compressionRegistry.set(CompressionType.ZSTD, { decode: (b) => new Uint8Array(zlib.zstdDecompressSync(b)) });
  const whole = (await (await stream(path)).arrayBuffer()).byteLength;
  const bytes = new Uint8Array(await (await stream(path + "&compression=zstd")).arrayBuffer());
  assert.ok(bytes.byteLength < whole / 2, `${bytes.byteLength} of ${whole} bytes`);
  assert.deepEqual(column(tableFromIPC(bytes), "name"), column(await table(path), "name"));
});

await scenario("refusals have REST's form", async () => {
  for (const [path, status, code] of [["Thing?filter={", 400, "PARSE_ERROR"], ["Thing?nothing=1", 400, "INVALID_FILTER"], ["Nobody", 404, "UNKNOWN_ENTITY"], ["Thing?select=nothing", 400, "INVALID_FILTER"]]) {
    const r = await ask("/arrow/stream/" + path, { headers: { accept: ipc } });
    assert.equal(r.status, status, path);
    assert.equal((await r.json()).error.code, code, path);
  }
  const r = await fetch(url + "/arrow/stream/Thing", { headers: { accept: ipc } });
  assert.equal(r.status, 401);
});

end();
