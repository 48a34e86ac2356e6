// @trpc/client with httpLink, httpBatchLink and httpBatchStreamLink: the same
// scenarios over each.
import { createTRPCClient, httpBatchLink, httpBatchStreamLink, httpLink, TRPCClientError } from "@trpc/client";
import { assert, end, key, refused, scenario, url } from "../scenario.mjs";

const requests = []; // what went over the wire: [method, url, status]
const watched = async (input, init) => {
  const res = await fetch(input, init);
  requests.push([init.method, String(input), res.status]);
  return res;
};
const headers = { "X-API-Key": key };

for (const [name, link] of Object.entries({ httpLink, httpBatchLink, httpBatchStreamLink })) {
  const client = createTRPCClient({ links: [link({ url: url + "/trpc", headers, fetch: watched })] });
  const id = `trpc-${name}-${process.pid}`;

  await scenario(`${name}: create and read back`, async () => {
    const made = await client.Product.create.mutate({ data: { id, title: "é 😀 &,", price: 12.5, stock: 1 } });
    assert.equal(made.status, "ok");
    assert.equal(made.data.id, id);
    const got = await client.Product.findById.query({ id, minPosition: made.metadata.position });
    assert.deepEqual(got.data, made.data);
  });

  await scenario(`${name}: every query and mutation`, async () => {
    const filter = { id };
    assert.equal((await client.Product.findAll.query({ filter, sort: { price: -1 }, limit: 5 })).metadata.count, 1);
    assert.equal((await client.Product.findOne.query({ filter })).data.id, id);
    assert.equal((await client.Product.count.query({ filter })).data, 1);
    assert.equal((await client.Product.search.query({ query: "😀", searchFields: ["title"] })).data[0].id, id);
    assert.equal((await client.Product.aggregate.query({ stages: [{ $match: filter }, { $group: { _by: null, n: { $sum: "stock" } } }] })).data[0].n, 1);
    assert.equal((await client.Product.stream.query({ filter })).data.length, 1);
    assert.equal((await client.Product.update.mutate({ id, data: { price: 10 }, expectedVersion: 1 })).data.price, 10);
    assert.equal((await client.Product.increment.mutate({ id, field: "stock", amount: 4 })).data.stock, 5);
    assert.equal((await client.Product.upsert.mutate({ filter, data: { title: "T" } })).data.title, "T");
    assert.equal((await client.Product.updateMany.mutate({ filter, data: { stock: 7 } })).metadata.count, 1);
    assert.equal((await client._project.transaction.mutate({ operations: [{ op: "update", entity: "Product", id, data: { stock: 8 } }] })).data[0].stock, 8);
    assert.equal((await client.Product.findAll.query()).status, "ok"); // no input at all
  });

  await scenario(`${name}: errors`, async () => {
    for (const [call, code, number, status, own] of [
      [() => client.Product.create.mutate({ data: { id, title: "again", price: 1 } }), "CONFLICT", -32009, 409, "CONFLICT"],
      [() => client.Product.create.mutate({ data: { title: 7 } }), "UNPROCESSABLE_CONTENT", -32022, 422, "VALIDATION_ERROR"],
      [() => client.Product.findAll.query({ filter: { nothing: 1 } }), "BAD_REQUEST", -32600, 400, "INVALID_FILTER"],
      [() => client.Product.fly.query(), "NOT_FOUND", -32004, 404, "UNKNOWN_OP"],
      [() => client.Nothing.findAll.query(), "NOT_FOUND", -32004, 404, "UNKNOWN_ENTITY"],
      [() => client.Product.delete.query({ id }), "METHOD_NOT_SUPPORTED", -32005, 405, "METHOD_NOT_ALLOWED"],
    ]) {
      const e = await refused(call());
      assert.ok(e instanceof TRPCClientError);
      assert.equal(e.data?.code, code, e.message);
      assert.equal(e.shape.code, number);
      assert.equal(e.data.httpStatus, status);
      assert.equal(e.data.error.code, own);
      assert.ok(e.data.requestId && e.data.path);
    }
  });

  await scenario(`${name}: calls of one tick`, async () => {
    requests.length = 0;
    const all = await Promise.allSettled([
      client.Product.findById.query({ id }), client.Product.count.query({ filter: { id } }), client.Product.fly.query(), client.Product.findOne.query({ filter: { id } }),
    ]);
    assert.deepEqual(all.map((r) => r.status), ["fulfilled", "fulfilled", "rejected", "fulfilled"]);
    assert.equal(all[1].value.data, 1);
    assert.equal(all[3].value.data.id, id);
    assert.equal(requests.length, name === "httpLink" ? 4 : 1, JSON.stringify(requests));
    if (name === "httpBatchLink") assert.equal(requests[0][2], 207);
  });

  await scenario(`${name}: nobody, and a project that there is not`, async () => {
    const nobody = createTRPCClient({ links: [link({ url: url + "/trpc" })] });
    assert.equal((await refused(nobody.Product.count.query())).data.code, "UNAUTHORIZED");
    const nowhere = createTRPCClient({ links: [link({ url: url + "/nowhere/trpc", headers })] });
    assert.equal((await refused(nowhere.Product.count.query())).data.code, "NOT_FOUND");
  });

  await scenario(`${name}: delete`, async () => {
    assert.equal((await client.Product.delete.mutate({ id })).data, true);
    assert.equal((await client.Product.findById.query({ id })).data, null);
  });
}

await scenario("methodOverride", async () => {
  const client = createTRPCClient({ links: [httpBatchLink({ url: url + "/trpc", headers, methodOverride: "POST", fetch: watched })] });
  requests.length = 0;
  assert.equal((await client.Product.count.query({ filter: {} })).status, "ok");
  assert.equal(requests[0][0], "POST");
});

await scenario("a batch that is too large", async () => {
  const client = createTRPCClient({ links: [httpBatchLink({ url: url + "/trpc", headers })] });
  const all = await Promise.allSettled(Array.from({ length: 101 }, () => client.Product.count.query()));
  assert.ok(all.every((r) => r.status === "rejected" && r.reason.data.code === "BAD_REQUEST"));
});

await scenario("Octonet's bodies", async () => {
  for (const body of [{ input: { filter: '{"id":"nobody"}' } }, { filter: { id: "nobody" } }]) {
    const res = await fetch(url + "/trpc/Product.findAll", { method: "POST", headers: { ...headers, "content-type": "application/json" }, body: JSON.stringify(body) });
    assert.deepEqual(await res.json(), { result: { data: { status: "ok", data: [], metadata: { count: 0 } } } });
  }
});

await scenario("Octonet's list", async () => {
  const list = await (await fetch(url + "/trpc", { headers })).json();
  const one = list.procedures.find((p) => p.name === "Product.findAll");
  assert.deepEqual(one, { name: "Product.findAll", type: "query", entity: "Product", operation: "findAll" });
  assert.equal(list.procedures.find((p) => p.name === "Product.create").type, "mutation");
  assert.match(list.types, /export type AppRouter/);
});

end();
