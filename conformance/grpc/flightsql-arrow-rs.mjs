// arrow-rs' Flight SQL client, which prepares every statement, inside of a module
// for Node; held against what REST says of the same records. It is the native part
// alone: the package around it names one that was never published, so npm ci refuses it.
import client from "@lakehouse-rs/flight-sql-client-linux-x64-gnu";
import { tableFromIPC } from "apache-arrow";
import { assert, end, key, refused, scenario, url } from "../scenario.mjs";

const [host, port] = process.env.OCTOMESH_GRPC.split(":");
const open = (more) => client.createFlightSqlClient({ host, port: Number(port), tls: false, headers: [], ...more });
const header = { headers: [{ key: "x-api-key", value: key }] };
const c = await open(header);
const rest = async (path) => (await fetch(url + path, { headers: { "X-API-Key": key } })).text();
const table = async (bytes) => tableFromIPC(await bytes);
const column = (t, name) => Array.from(t.getChild(name) ?? []);

await scenario("a record of every type is what REST says", async () => {
  const { data } = JSON.parse(await rest("/api/v1/things/full"));
  const t = await table(c.query(`SELECT * FROM "Thing" WHERE "id" = 'full'`));
  for (const name of ["id", "s", "t", "n", "f", "b", "e", "owner"]) assert.deepEqual(column(t, name), [data[name]], name);
  for (const name of ["tags", "ns", "bs"]) assert.deepEqual(Array.from(column(t, name)[0]), data[name], name);
  for (const name of ["w", "createdAt", "updatedAt"]) assert.equal(new Date(column(t, name)[0]).toISOString(), data[name], name);
  assert.equal(Buffer.from(column(t, "x")[0]).toString("base64"), data.x);
  assert.equal(column(t, "i")[0], 9007199254740993n);
  assert.equal(column(t, "d")[0], "12345678901234567890.123456789");
  assert.deepEqual(JSON.parse(column(t, "j")[0]), data.j);
});

await scenario("nulls", async () => {
  const t = await table(c.query(`SELECT * FROM "Thing" WHERE "id" = 'none'`));
  for (const f of t.schema.fields) assert.equal(column(t, f.name)[0] === null, !["id", "_version", "createdAt", "updatedAt"].includes(f.name), f.name);
});

await scenario("every record of a big table", async () => {
  const ids = (await rest("/api/v1/owners/stream?sort=id&select=id")).trim().split("\n").map((line) => JSON.parse(line).id);
  assert.deepEqual(column(await table(c.query(`SELECT * FROM "Owner" ORDER BY "id"`)), "id"), ids);
});

await scenario("joins and groups", async () => {
  const t = await table(c.query(`SELECT o."name", COUNT(*) AS "n" FROM "Thing" t JOIN "Owner" o ON t."owner" = o."id" GROUP BY o."name"`));
  assert.deepEqual([column(t, "name"), column(t, "n")], [["Ada"], [1n]]);
});

await scenario("no rows", async () => {
  const t = await table(c.query(`SELECT "id" FROM "Thing" WHERE "id" = 'nobody'`));
  assert.equal(t.numRows, 0);
});

await scenario("catalogs, schemas, tables with their columns", async () => {
  assert.deepEqual(column(await table(c.getCatalogs()), "catalog_name"), ["octomesh"]);
  assert.deepEqual(column(await table(c.getDbSchemas({ dbSchemaFilterPattern: "def%" })), "db_schema_name"), ["default"]);
  assert.deepEqual(column(await table(c.getTables({})), "table_name"), ["Owner", "Thing"]);
  const t = await table(c.getTables({ catalog: "octomesh", tableNameFilterPattern: "Own%", tableTypes: ["TABLE"], includeSchema: true }));
  assert.deepEqual(column(t, "table_name"), ["Owner"]);
  const columns = tableFromIPC(column(t, "table_schema")[0]).schema.fields;
  assert.deepEqual(columns.map((f) => f.name), ["id", "_version", "name"]);
  assert.equal(columns[0].metadata.get("ARROW:FLIGHT:SQL:TYPE_NAME"), "VARCHAR");
});

await scenario("a user with a password, and a token", async () => {
  for (const more of [{ username: "anybody", password: key }, { token: key }]) {
    assert.deepEqual(column(await table((await open(more)).query(`SELECT 1 AS "one"`)), "one"), [1n]);
  }
});

// Not asked here: a wrong password, since the module panics at any refused handshake.
await scenario("refusals", async () => {
  await refused(c.query(`SELECT * FROM "Nobody"`));
  await refused((await open({ headers: [{ key: "x-api-key", value: "rubbish" }] })).query("SELECT 1"));
  await refused((await open({})).query("SELECT 1"));
});

end();
