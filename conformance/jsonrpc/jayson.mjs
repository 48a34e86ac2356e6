// jayson's HTTP client, which checks the versions and ids of responses itself.
import jayson from "jayson/promise/index.js";
import { assert, end, key, scenario, url } from "../scenario.mjs";

const at = new URL(url);
const client = jayson.Client.http({
  hostname: at.hostname, port: at.port, path: "/rpc", headers: { "X-API-Key": key }, version: 2,
});
const id = `jayson-${process.pid}`;

await scenario("a call", async () => {
  const r = await client.request("Product.create", { data: { id, title: "J", price: 1 } });
  assert.equal(r.error, undefined, r.error?.message);
  assert.equal(r.result.data.id, id);
});

await scenario("an error", async () => {
  const r = await client.request("Product.create", { data: { id, title: "J", price: 1 } });
  assert.equal(r.error.code, -32009);
  assert.equal(r.error.data.code, "CONFLICT");
});

await scenario("a notification", async () => {
  assert.equal(await client.request("Product.update", { id, data: { price: 2 } }, null), undefined);
  assert.equal((await client.request("Product.findById", { id })).result.data.price, 2);
});

await scenario("a batch", async () => {
  const replies = await client.request([
    client.request("Product.count", { filter: { id } }, undefined, false),
    client.request("Product.fly", {}, undefined, false),
    client.request("Product.count", {}, null, false),
  ]);
  assert.equal(replies.length, 2);
  assert.equal(replies[0].result.data, 1);
  assert.equal(replies[1].error.code, -32601);
});

await scenario("a batch of notifications", async () => {
  assert.equal(await client.request([client.request("Product.count", {}, null, false)]), undefined);
});

await scenario("no JSON", async () => {
  const res = await fetch(url + "/rpc", { method: "POST", headers: { "X-API-Key": key, "content-type": "application/json" }, body: '{"jsonrpc":"2.0","method"' });
  const body = await res.json();
  assert.equal(body.error.code, -32700);
  assert.ok(jayson.Utils.Response.isValidResponse(body, 2));
});

await scenario("delete", async () => {
  assert.equal((await client.request("Product.delete", { id })).result.data, true);
});

end();
