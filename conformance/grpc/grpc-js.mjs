// gRPC's own client for Node, over the proto file that the server hands out.
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import { assert, end, key, refused, scenario, url } from "../scenario.mjs";

const text = await (await fetch(url + "/api/grpc/proto", { headers: { "X-API-Key": key } })).text();
const dir = await mkdtemp(join(tmpdir(), "octomesh-"));
await writeFile(join(dir, "octomesh.proto"), text);
const definition = loader.loadSync("octomesh.proto", { includeDirs: [dir], keepCase: true, longs: String, defaults: false, oneofs: false });
const { mostajs } = grpc.loadPackageDefinition(definition);

const address = process.env.OCTOMESH_GRPC;
const open = (service) => new mostajs[service](address, grpc.credentials.createInsecure());
const products = open("ProductService");
const entities = open("EntityService");
const metadata = (more = {}) => {
  const m = new grpc.Metadata();
  for (const [name, value] of Object.entries({ "x-api-key": key, ...more })) m.set(name, value);
  return m;
};
/** call makes a unary call: its reply, with the metadata that came before and after. */
const call = (client, method, request, more) =>
  new Promise((resolve, reject) => {
    const seen = {};
    const c = client[method](request, metadata(more), (e, reply) => (e ? reject(e) : resolve({ reply, ...seen })));
    c.on("metadata", (m) => (seen.header = m));
  });
/** all reads a stream to its end. */
const all = (stream) =>
  new Promise((resolve, reject) => {
    const list = [];
    stream.on("data", (m) => list.push(m)).on("end", () => resolve(list)).on("error", reject);
  });
const id = `grpc-js-${process.pid}`;

await scenario("create", async () => {
  const { reply, header } = await call(products, "Create", { record: { id, title: "Stuhl, grün", price: 49.5, stock: 3 } }, { "x-request-id": "from-grpc-js" });
  assert.equal(reply.title, "Stuhl, grün");
  assert.equal(reply.price, 49.5);
  assert.equal(header.get("x-request-id")[0], "from-grpc-js");
  assert.match(header.get("octo-position")[0], /^[a-z0-9]+-\d+$/);
});

await scenario("the data as JSON", async () => {
  const { reply } = await call(products, "Update", { id, data: JSON.stringify({ stock: 2 }) });
  assert.equal(Number(reply.stock), 2);
});

await scenario("findById is what REST says", async () => {
  const { reply } = await call(products, "FindById", { id });
  const rest = await (await fetch(`${url}/api/v1/products/${id}`, { headers: { "X-API-Key": key } })).json();
  assert.equal(reply.title, rest.data.title);
  assert.equal(reply.price, rest.data.price);
  assert.equal(Number(reply.version), rest.data._version);
});

await scenario("findAll and count", async () => {
  const { reply } = await call(products, "FindAll", { filter: JSON.stringify({ id }), count: true });
  assert.equal(reply.items.length, 1);
  assert.equal(reply.total, "1");
  assert.equal((await call(products, "Count", { filter: JSON.stringify({ id }) })).reply.count, "1");
});

await scenario("a wrong type is INVALID_ARGUMENT with the field", async () => {
  const e = await refused(call(products, "Create", { data: JSON.stringify({ title: 7 }) }));
  assert.equal(e.code, grpc.status.INVALID_ARGUMENT);
  assert.ok(e.metadata.get("grpc-status-details-bin").length > 0);
});

await scenario("an unknown record is NOT_FOUND", async () => {
  assert.equal((await refused(call(products, "FindById", { id: "nobody" }))).code, grpc.status.NOT_FOUND);
});

await scenario("a wrong key is UNAUTHENTICATED", async () => {
  const e = await refused(call(products, "FindById", { id }, { "x-api-key": "sk_test_AAAAAAAA_0000000000000000000000000000000000000000000" }));
  assert.equal(e.code, grpc.status.UNAUTHENTICATED);
});

await scenario("a stream", async () => {
  const list = await all(products.Stream({ filter: JSON.stringify({ id }) }, metadata()));
  assert.deepEqual(list.map((p) => p.id), [id]);
});

await scenario("a watch sees a change", async () => {
  const watch = products.Watch({ filter: JSON.stringify({ id }) }, metadata());
  const first = new Promise((resolve, reject) => {
    watch.on("data", (m) => m.id === id && resolve(m)).on("error", reject);
  });
  await new Promise((resolve) => watch.on("metadata", resolve));
  await call(products, "Increment", { id, field: "stock", amount: 5 });
  const event = await first;
  assert.equal(event.id, id);
  watch.on("error", () => {});
  watch.cancel();
});

await scenario("a deadline", async () => {
  const e = await refused(new Promise((resolve, reject) => {
    products.FindById({ id }, metadata(), { deadline: Date.now() - 1 }, (e, r) => (e ? reject(e) : resolve(r)));
  }));
  assert.equal(e.code, grpc.status.DEADLINE_EXCEEDED);
});

await scenario("any op by name", async () => {
  const { reply } = await call(entities, "Execute", { entity: "Product", op: "count", payload: Buffer.from(JSON.stringify({ filter: { id } })) });
  assert.equal(JSON.parse(Buffer.from(reply.payload).toString()).data, 1);
});

await scenario("delete", async () => {
  await call(products, "Delete", { id });
  assert.equal((await call(products, "Count", { filter: JSON.stringify({ id }) })).reply.count ?? "0", "0");
});

end();
