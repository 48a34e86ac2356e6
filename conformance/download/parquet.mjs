// hyparquet, a reader of Parquet that shares no code with our writer, on our
// downloads, held against what REST says of the same records.
import zlib from "node:zlib";
import { parquetMetadata, parquetReadObjects, parquetSchema } from "hyparquet";
import { assert, end, key, scenario, url } from "../scenario.mjs";

const ask = (path, options = {}) =>
  fetch(url + path, { ...options, headers: { "X-API-Key": key, ...(options.body ? { "content-type": "application/json" } : {}), ...options.headers } });
const post = async (path, body) => {
  const r = await ask(path, { method: "POST", body: JSON.stringify(body) });
  assert.ok(r.ok, await r.text());
};
const download = async (path, headers) => {
  const r = await ask(path, { headers });
  assert.ok(r.ok, await (r.ok ? "" : r.text()));
  assert.equal(r.headers.get("content-type"), "application/vnd.apache.parquet");
  return await r.arrayBuffer();
};
const compressors = { ZSTD: (input) => new Uint8Array(zlib.zstdDecompressSync(input)) };
const read = (file) => parquetReadObjects({ file, compressors, utf8: false });
const children = (file) => Object.fromEntries(parquetSchema(parquetMetadata(file)).children.map((c) => [c.element.name, c]));
const logical = (c) => c.element.logical_type?.type ?? c.element.type;

const full = {
  id: "full", s: "é \"q\" 😀 \u2028", t: "", n: 0.1, f: -1e300, i: 4503599627370497, d: 12345678901234.5, b: true, w: "2026-01-02T03:04:05.678Z",
  j: { a: [1, null, "ü"] }, x: "AAH/", e: "a", tags: ["x", "", "😀"], any: ["x", 1, { a: 2 }, null], ns: [1.5, 2], is: [7], bs: [true, false],
};
await post("/api/v1/owners", { id: "o1", name: "Ada" });
await post("/api/v1/owners", { id: "o2", name: "Bob" });
await post("/api/v1/things", { ...full, owner: "o1", marks: ["o1", "o2"] });
await post("/api/v1/things", { id: "none" });

// plain makes of a value of Parquet what JSON has in its place.
const plain = (v) => {
  if (v === null || v === undefined) return null;
  if (typeof v === "bigint") return Number(v);
  if (v instanceof Uint8Array) return Buffer.from(v).toString("base64");
  if (v instanceof Date) return v.toISOString();
  if (Array.isArray(v)) return v.map(plain);
  return v;
};
const same = (rows, rest) => {
  assert.equal(rows.length, rest.length);
  rest.forEach((record, at) => {
    assert.deepEqual(Object.keys(rows[at]), Object.keys(record));
    for (const [name, value] of Object.entries(record)) {
      let want = value;
      let got = name === "j" ? rows[at][name] : plain(rows[at][name]);
      if (name === "any" && value !== null) want = value.map((v) => (v === null || typeof v === "string" ? v : JSON.stringify(v)));
      if (name === "marks") want = value.map((m) => m.id);
      if (name === "d" && value !== null) got = Number(got);
      assert.deepEqual(got ?? null, want, name);
    }
  });
};

await scenario("the types", async () => {
  const c = children(await download("/api/v1/things?format=parquet&sort=id"));
  const types = Object.fromEntries(Object.entries(c).map(([name, v]) => [name, logical(v)]));
  assert.deepEqual(types, {
    id: "STRING", _version: "INTEGER", s: "STRING", t: "STRING", n: "DOUBLE", f: "DOUBLE", i: "INTEGER", d: "STRING", b: "BOOLEAN", w: "TIMESTAMP", j: "JSON", x: "BYTE_ARRAY",
    e: "STRING", tags: "LIST", any: "LIST", ns: "LIST", is: "LIST", bs: "LIST", owner: "STRING", marks: "LIST", createdAt: "TIMESTAMP", updatedAt: "TIMESTAMP",
  });
  assert.equal(c.w.element.logical_type.isAdjustedToUTC, true);
  assert.deepEqual([c.id, c._version, c.s].map((v) => v.element.repetition_type), ["REQUIRED", "REQUIRED", "OPTIONAL"]);
});

for (const compression of ["zstd", "snappy", "none"]) {
  await scenario(`the same as REST, ${compression}`, async () => {
    const rest = (await (await ask("/api/v1/things?sort=id&relations=marks")).json()).data;
    same(await read(await download(`/api/v1/Thing?sort=id&relations=marks&format=parquet&compression=${compression}`)), rest);
  });
}

await scenario("decimals as numbers", async () => {
  const file = await download("/api/v1/things?sort=id&select=d&decimal=2&format=parquet");
  const { d } = children(file);
  assert.deepEqual([d.element.precision, d.element.scale, logical(d)], [38, 2, "DECIMAL"]);
  assert.deepEqual((await read(file)).map((r) => plain(r.d)), [12345678901234.5, null]);
});

await scenario("many row groups", async () => {
  const operations = Array.from({ length: 1000 }, (_, i) => ({ op: "create", entity: "Owner", data: { name: `owner ${i} ${"x".repeat(10000)}` } }));
  for (let at = 0; at < operations.length; at += 50) await post("/api/v1/_transaction", { operations: operations.slice(at, at + 50) });
  const file = await download("/api/v1/owners?sort=name&select=name", { accept: "application/vnd.apache.parquet" });
  assert.ok(parquetMetadata(file).row_groups.length > 1);
  const lines = (await (await ask("/api/v1/owners/stream?sort=name&select=name")).text()).trim().split("\n").map((l) => JSON.parse(l));
  assert.deepEqual((await read(file)).map((r) => [r.id, r.name]), lines.map((r) => [r.id, r.name]));
});

end();
