// A Flight SQL client over gRPC's own client for Node, which reads with npm's
// apache-arrow, held against what REST says of the same records.
import { FlightSQLClient } from "@gizmodata/gizmosql-client";
import { assert, end, key, refused, scenario, url } from "../scenario.mjs";

const [host, port] = process.env.OCTOMESH_GRPC.split(":");
const open = (more) => new FlightSQLClient({ host, port: Number(port), plaintext: true, ...more });
const client = open({ username: "anybody", password: key });
const rest = async (path) => (await fetch(url + path, { headers: { "X-API-Key": key } })).text();
// plain makes of a value of Arrow what JSON has in its place.
const plain = (v) => {
  if (typeof v === "bigint") return Number(v);
  if (v instanceof Uint8Array) return Buffer.from(v).toString("base64");
  if (v && typeof v === "object" && typeof v.toArray === "function") return Array.from(v, plain);
  return v;
};
const rows = async (text, c = client) => (await c.execute(text)).toArray().map((r) => Object.fromEntries(Object.entries(r.toJSON()).map(([k, v]) => [k, plain(v)])));

await scenario("a record of every type is what REST says", async () => {
  const { data } = JSON.parse(await rest("/api/v1/things/full"));
  const [row] = await rows(`SELECT * FROM "Thing" WHERE "id" = 'full'`);
  for (const name of ["id", "_version", "s", "t", "n", "f", "b", "x", "e", "tags", "ns", "is", "bs", "owner"]) assert.deepEqual(row[name], data[name], name);
  for (const name of ["w", "createdAt", "updatedAt"]) assert.equal(new Date(row[name]).toISOString(), data[name], name);
  assert.deepEqual(JSON.parse(row.j), data.j);
  assert.deepEqual(row.any, ["x", "1", '{"a":2}', null]);
  assert.equal(row.d, "12345678901234567890.123456789");
});

await scenario("integers beyond 2^53", async () => {
  const t = await client.execute(`SELECT "i" FROM "Thing" WHERE "i" = 9007199254740993`);
  assert.equal(t.getChild("i").get(0), 9007199254740993n);
});

await scenario("nulls", async () => {
  const [row] = await rows(`SELECT * FROM "Thing" WHERE "id" = 'none'`);
  for (const [name, v] of Object.entries(row)) assert.equal(v === null, !["id", "_version", "createdAt", "updatedAt"].includes(name), name);
});

await scenario("every record of a big table", async () => {
  const ids = (await rest("/api/v1/owners/stream?sort=id&select=id")).trim().split("\n").map((line) => JSON.parse(line).id);
  assert.deepEqual((await rows(`SELECT "id", "name" FROM "Owner" ORDER BY "id"`)).map((r) => r.id), ids);
});

await scenario("joins and groups", async () => {
  assert.deepEqual(await rows(`SELECT o."name", COUNT(*) AS "n" FROM "Thing" t JOIN "Owner" o ON t."owner" = o."id" GROUP BY o."name"`), [{ name: "Ada", n: 1 }]);
});

await scenario("no rows", async () => {
  const t = await client.execute(`SELECT "id" FROM "Thing" WHERE "id" = 'nobody'`);
  assert.equal(t.numRows, 0);
  assert.equal(t.schema.fields[0].name, "id");
});

await scenario("catalogs, schemas, tables, types", async () => {
  assert.deepEqual(await client.getCatalogs(), ["octomesh"]);
  assert.deepEqual(await client.getSchemas(), [{ catalog: "octomesh", schema: "default" }]);
  assert.deepEqual((await client.getTables()).map((t) => t.tableName), ["Owner", "Thing"]);
  assert.deepEqual(await client.getTables("octomesh", "def%", "Th_ng", ["TABLE"]), [{ catalog: "octomesh", schema: "default", tableName: "Thing", tableType: "TABLE" }]);
  assert.deepEqual(await client.getTables("other"), []);
  assert.deepEqual(await client.getTableTypes(), ["TABLE"]);
});

await scenario("SqlInfo", async () => {
  const all = await client.getSqlInfo();
  assert.equal(all.get(0), "Octomesh");
  assert.equal(all.get(8), 0); // no transactions
  assert.equal((await client.getSqlInfo([0])).size, 1);
});

await scenario("a bearer token", async () => {
  const c = open({ token: key });
  assert.deepEqual(await rows(`SELECT 1 AS "one"`, c), [{ one: 1 }]);
  await c.close();
});

await scenario("refusals say why", async () => {
  assert.match((await refused(client.execute(`SELECT * FROM "Nobody"`))).message, /no entity "Nobody"/);
  assert.match((await refused(client.execute(`DELETE FROM "Thing"`))).message, /DELETE|SELECT/);
  for (const more of [{ username: "x", password: "rubbish" }, { token: `sk_live_AAAAAAAA_${"0".repeat(43)}` }, {}]) {
    const c = open(more);
    assert.match((await refused(c.execute("SELECT 1"))).message, /credential|key|Unauth/i);
    await c.close();
  }
});

await scenario("close without a complaint", async () => {
  const said = [];
  const warn = console.warn;
  console.warn = (...words) => said.push(words.join(" "));
  await client.close();
  console.warn = warn;
  assert.deepEqual(said, []);
});

end();
