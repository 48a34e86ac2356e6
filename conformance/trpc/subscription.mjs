// @trpc/client's httpSubscriptionLink with the package eventsource.
import net from "node:net";
import { createTRPCClient, httpBatchLink, httpSubscriptionLink, splitLink } from "@trpc/client";
import { EventSource } from "eventsource";
import { assert, end, key, scenario, url } from "../scenario.mjs";

const headers = { "X-API-Key": key };
const tag = `sub-${process.pid}`;

// A proxy in between, whose connections break as a network's do.
const pipes = new Set();
const target = new URL(url);
const proxy = net.createServer((near) => {
  const far = net.connect(Number(target.port), target.hostname);
  pipes.add(near);
  near.pipe(far).pipe(near);
  for (const s of [near, far]) s.on("error", () => {}).on("close", () => { near.destroy(); far.destroy(); pipes.delete(near); });
});
await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
const cut = () => { for (const s of pipes) s.destroy(); };

function connect(apiKey = key) {
  const link = httpSubscriptionLink({
    url: `http://127.0.0.1:${proxy.address().port}/trpc`, EventSource,
    eventSourceOptions: { fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, "X-API-Key": apiKey } }) },
  });
  return createTRPCClient({ links: [splitLink({ condition: (op) => op.type === "subscription", true: link, false: httpBatchLink({ url: url + "/trpc", headers }) })] });
}

/** listen collects events; wait(n) waits until there are n. */
async function listen(procedure, input) {
  const events = [], waiting = [], states = [];
  let failed;
  let started;
  const ready = new Promise((resolve) => (started = resolve));
  const sub = procedure.subscribe(input, {
    onStarted: started,
    onData(e) {
      events.push(e);
      waiting.splice(0).forEach((f) => f());
    },
    onError(e) {
      failed = e;
      started();
      waiting.splice(0).forEach((f) => f());
    },
    onConnectionStateChange(s) {
      states.push(s.state);
      waiting.splice(0).forEach((f) => f());
    },
  });
  const until = async (ok) => {
    const timer = setTimeout(() => { failed = new Error(`timed out with ${events.length} events, ${states}`); waiting.splice(0).forEach((f) => f()); }, 20_000);
    while (!ok() && !failed) await new Promise((resolve) => waiting.push(resolve));
    clearTimeout(timer);
    if (failed) throw failed;
  };
  await ready;
  return { events, states, until, wait: (n) => until(() => events.length >= n), error: () => failed, stop: () => sub.unsubscribe() };
}

const client = connect();
const make = (n, more = {}) => client.Product.create.mutate({ data: { id: `${tag}-${n}`, title: tag, price: n, ...more } });

await scenario("events with their positions", async () => {
  const l = await listen(client.Product.events, { filter: { title: tag } });
  await make(1);
  await client.Product.update.mutate({ id: `${tag}-1`, data: { price: 2 } });
  await l.wait(2);
  assert.deepEqual(l.events.map((e) => e.data.event), ["entity.created", "entity.updated"]);
  assert.equal(l.events[0].id, l.events[0].data.position);
  assert.equal(l.events[0].data.data.title, tag);
  l.stop();
});

await scenario("goes on by itself after the connection broke", async () => {
  const l = await listen(client.Product.events, { filter: { title: tag } });
  await make(10);
  await l.wait(1);
  cut();
  for (const n of [11, 12, 13]) await make(n);
  await l.wait(4);
  assert.deepEqual(l.events.map((e) => e.data.data.price), [10, 11, 12, 13]);
  l.stop();
});

await scenario("resumes at lastEventId", async () => {
  const l = await listen(client._project.events, { entity: ["Product"], filter: { title: tag } });
  await make(20);
  await make(21);
  await l.wait(2);
  l.stop();
  const again = await listen(client._project.events, { entity: "Product", filter: { title: tag }, lastEventId: l.events[0].id });
  await again.wait(1);
  assert.equal(again.events[0].data.data.price, 21);
  again.stop();
});

await scenario("a position out of reach is a gap", async () => {
  const l = await listen(client.Product.events, { lastEventId: "nothing-1" });
  await l.wait(1);
  assert.equal(l.events[0].data.type, "gap");
  l.stop();
});

for (const [name, c, procedure, input, code] of [
  ["an unknown key", connect("sk_test_AAAAAAAA_no"), "Product", undefined, "UNAUTHORIZED"],
  ["an unknown entity", client, "Nothing", undefined, "NOT_FOUND"],
  ["a bad filter", client, "Product", { filter: { nothing: 1 } }, "BAD_REQUEST"],
  ["a bad input", client, "Product", { colour: 1 }, "BAD_REQUEST"],
  ["a bad position", client, "Product", { lastEventId: "?" }, "BAD_REQUEST"],
]) {
  await scenario(`${name} is told`, async () => {
    const l = await listen(c[procedure].events, input);
    await l.until(() => false).catch(() => {});
    assert.equal(l.error()?.data?.code, code, String(l.error()));
    l.stop();
  });
}

end();
