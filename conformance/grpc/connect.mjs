// Connect's own client for Node, over the descriptors that the server hands out:
// the protocols Connect, gRPC-Web and gRPC, in protobuf and in JSON.
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { assert, end, key, refused, scenario, url } from "../scenario.mjs";

const set = await (await fetch(url + "/api/grpc/descriptors", { headers: { "X-API-Key": key } })).arrayBuffer();
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, new Uint8Array(set)));
const service = registry.getService("mostajs.ProductService");
const headers = { "x-api-key": key };
const baseUrl = "http://" + process.env.OCTOMESH_GRPC;

const transports = {
  "connect": createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
  "connect in JSON": createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
  "gRPC-Web": createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  "gRPC-Web in JSON": createGrpcWebTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
  "gRPC": createGrpcTransport({ baseUrl }),
};

for (const [name, transport] of Object.entries(transports)) {
  const client = createClient(service, transport);
  const id = `connect-${process.pid}-${name.replaceAll(" ", "-")}`;

  await scenario(`${name}, create and read`, async () => {
    let position;
    const made = await client.create({ record: { id, title: "Stuhl, grün", price: 49.5, stock: 3 } }, {
      headers, onHeader: (h) => (position = h.get("octo-position")),
    });
    assert.equal(made.title, "Stuhl, grün");
    assert.ok(position);
    const read = await client.findById({ id }, { headers });
    assert.equal(read.price, 49.5);
    assert.equal(read.category, undefined);
  });

  await scenario(`${name}, an error has its code and details`, async () => {
    const e = await refused(client.create({ data: JSON.stringify({ id }) }, { headers }));
    assert.equal(e.code, Code.InvalidArgument);
    assert.ok(e.details.length > 0);
    assert.equal((await refused(client.findById({ id }, { headers: { "x-api-key": "rubbish" } }))).code, Code.Unauthenticated);
    assert.equal((await refused(client.findById({ id: "nobody" }, { headers }))).code, Code.NotFound);
  });

  await scenario(`${name}, a stream`, async () => {
    const ids = [];
    for await (const p of client.stream({ filter: JSON.stringify({ id }) }, { headers })) ids.push(p.id);
    assert.deepEqual(ids, [id]);
    const e = await refused((async () => { for await (const _ of client.stream({ filter: "{" }, { headers })); })());
    assert.equal(e.code, Code.InvalidArgument);
  });

  await scenario(`${name}, a watch`, async () => {
    const stop = new AbortController();
    let seen;
    let opened;
    const open = new Promise((resolve) => (opened = resolve));
    const watching = (async () => {
      try {
        for await (const e of client.watch({ filter: JSON.stringify({ id }) }, { headers, signal: stop.signal, onHeader: opened })) {
          if (e.id === id) { seen = e; break; }
        }
      } finally { opened(); }
    })();
    await open;
    await client.increment({ id, field: "stock", amount: 5 }, { headers });
    await watching;
    stop.abort();
    assert.equal(seen.id, id);
  });

  await client.delete({ id }, { headers });
}

await scenario("curl's way", async () => {
  const res = await fetch(baseUrl + "/mostajs.ProductService/Count", { method: "POST", headers: { ...headers, "content-type": "application/json" }, body: "{}" });
  assert.equal(res.status, 200);
  assert.match(await res.text(), /"count":\s*"\d+"/);
});

end();
