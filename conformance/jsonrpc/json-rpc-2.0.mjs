// The client of the package json-rpc-2.0, over fetch.
import rpc from "json-rpc-2.0";
import { assert, end, key, refused, scenario, url } from "../scenario.mjs";

const { JSONRPCClient, createJSONRPCNotification, createJSONRPCRequest } = rpc;

let sent; // the last request, since notify does not wait for its own

function connect(path = "/rpc", headers = { "X-API-Key": key }) {
  const send = async (request) => {
    const res = await fetch(url + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(request),
    });
    if (res.status === 200) return client.receive(await res.json());
    if (res.status !== 204) throw new Error(`status ${res.status}`);
    if (request.id !== undefined) throw new Error("a request was not answered");
  };
  const client = new JSONRPCClient((request) => (sent = send(request)));
  return client;
}

const client = connect();
const id = `rpc-${process.pid}`;

await scenario("create and read back", async () => {
  const made = await client.request("Product.create", { data: { id, title: "é 😀", price: 12.5, stock: 1 } });
  assert.equal(made.data.id, id);
  assert.equal(made.data._version, 1);
  assert.match(made.metadata.position, /-\d+$/);
  const got = await client.request("products.findById", { id, minPosition: made.metadata.position });
  assert.deepEqual(got.data, made.data);
});

await scenario("every op of one record", async () => {
  assert.equal((await client.request("Product.update", { id, data: { price: 10 }, expectedVersion: 1 })).data.price, 10);
  assert.equal((await client.request("Product.increment", { id, field: "stock", amount: 4 })).data.stock, 5);
  assert.equal((await client.request("Product.upsert", { filter: { id }, data: { title: "T" } })).data.title, "T");
  assert.equal((await client.request("Product.findOne", { filter: { id } })).data.id, id);
});

await scenario("lists, counts, search, aggregate, stream", async () => {
  const filter = { id };
  assert.equal((await client.request("Product.findAll", { filter, sort: { price: -1 }, limit: 5 })).metadata.count, 1);
  assert.equal((await client.request("Product.count", { filter })).data, 1);
  assert.equal((await client.request("Product.search", { query: "T", searchFields: ["title"] })).data[0].id, id);
  const sum = await client.request("Product.aggregate", { stages: [{ $match: filter }, { $group: { _by: null, n: { $sum: "stock" } } }] });
  assert.equal(sum.data[0].n, 5);
  assert.equal((await client.request("Product.stream", { filter })).data.length, 1);
});

await scenario("a transaction", async () => {
  const done = await client.request("_project.transaction", {
    operations: [
      { op: "update", entity: "Product", id, data: { stock: 7 } },
      { op: "create", entity: "Product", data: { id: `${id}-2`, title: "second", price: 1 } },
    ],
  });
  assert.equal(done.metadata.count, 2);
});

await scenario("updateMany and deleteMany", async () => {
  const filter = { id: { $in: [`${id}-2`] } };
  assert.equal((await client.request("Product.updateMany", { filter, data: { stock: 0 } })).metadata.count, 1);
  assert.equal((await client.request("Product.deleteMany", { filter })).data, 1);
});

await scenario("errors have their numbers", async () => {
  for (const [method, params, number, code] of [
    ["Product.create", { data: { id, title: "again", price: 1 } }, -32009, "CONFLICT"],
    ["Product.create", { data: { title: 7 } }, -32022, "VALIDATION_ERROR"],
    ["Product.findAll", { filter: { nothing: 1 } }, -32602, "INVALID_FILTER"],
    ["Product.create", {}, -32602, "MISSING_DATA"],
    ["Product.update", { id, data: {}, expectedVersion: 1 }, -32009, "CONFLICT"],
    ["Product.fly", {}, -32601, "UNKNOWN_OP"],
    ["Nothing.findAll", {}, -32601, "UNKNOWN_ENTITY"],
    ["fly", {}, -32601, "UNKNOWN_OP"],
    ["Product.count", [1], -32602, "INVALID_REQUEST"],
  ]) {
    const e = await refused(client.request(method, params));
    assert.equal(e.code, number, `${method}: ${e.message}`);
    assert.equal(e.data.code, code);
    assert.ok(e.data.requestId);
  }
});

await scenario("a key that is unknown, and none", async () => {
  assert.equal((await refused(connect("/rpc", { "X-API-Key": "sk_test_AAAAAAAA_no" }).request("Product.count", {}))).code, -32001);
  assert.equal((await refused(connect("/rpc", {}).request("Product.count", {}))).code, -32001);
});

await scenario("notifications are carried out and not answered", async () => {
  client.notify("Product.update", { id, data: { stock: 99 } });
  await sent;
  client.notify("fly", {});
  await sent;
  assert.equal((await client.request("Product.findById", { id })).data.stock, 99);
});

await scenario("a batch in one request", async () => {
  const replies = await client.requestAdvanced([
    createJSONRPCRequest("a", "Product.findById", { id }),
    createJSONRPCNotification("Product.count", {}),
    createJSONRPCRequest(2, "Product.fly", {}),
    createJSONRPCRequest(3, "Product.count", { filter: { id } }),
  ]);
  assert.deepEqual(replies.map((r) => r.id), ["a", 2, 3]);
  assert.equal(replies[0].result.data.id, id);
  assert.equal(replies[1].error.code, -32601);
  assert.equal(replies[2].result.data, 1);
});

await scenario("a project that there is not", async () => {
  assert.equal((await refused(connect("/nowhere/rpc").request("Product.count", {}))).code, -32004);
});

await scenario("an idempotency key", async () => {
  const params = { id, field: "stock", amount: 1, idempotencyKey: `key-${id}` };
  const first = await client.request("Product.increment", params);
  assert.deepEqual(await client.request("Product.increment", params), first);
});

await scenario("delete", async () => {
  assert.equal((await client.request("Product.delete", { id })).data, true);
  assert.equal((await client.request("Product.delete", { id })).data, false);
  assert.equal((await client.request("Product.findById", { id })).data, null);
});

end();
