// @trpc/client with superjson as its transformer, over every link.
import { createTRPCClient, httpBatchLink, httpBatchStreamLink, httpLink, httpSubscriptionLink } from "@trpc/client";
import { EventSource } from "eventsource";
import superjson from "superjson";
import { assert, end, key, refused, scenario, url } from "../scenario.mjs";

const headers = { "X-API-Key": key };
const at = url + "/trpc?transformer=superjson";

for (const [name, link] of Object.entries({ httpLink, httpBatchLink, httpBatchStreamLink })) {
  const client = createTRPCClient({ links: [link({ url: at, headers, transformer: superjson })] });
  const id = `super-${name}-${process.pid}`;

  await scenario(`${name}: dates arrive as dates`, async () => {
    const user = await client.User.create.mutate({ data: { id: `u-${id}`, email: `${id}@example.com`, name: "S" } });
    const made = await client.Order.create.mutate({ data: { id, userId: user.data.id, total: 1, status: undefined } });
    assert.ok(made.data.createdAt instanceof Date, typeof made.data.createdAt);
    const all = await client.Order.findAll.query({ filter: { createdAt: { $gte: made.data.createdAt, $lt: new Date(Date.now() + 60_000) }, id }, limit: undefined, sort: "id" });
    assert.ok(all.data[0].createdAt instanceof Date);
    assert.equal(all.metadata.count, 1);
    assert.equal((await client.Order.count.query()).status, "ok");
    assert.equal((await client.Order.findById.query({ id: "nobody" })).data, null);
  });

  await scenario(`${name}: errors`, async () => {
    assert.equal((await refused(client.Order.findAll.query({ filter: { nothing: 1 } }))).data.error.code, "INVALID_FILTER");
    assert.equal((await refused(client.Order.fly.query())).data.code, "NOT_FOUND");
  });
}

await scenario("httpSubscriptionLink: dates in events", async () => {
  const client = createTRPCClient({
    links: [httpSubscriptionLink({
      url: at, EventSource, transformer: superjson,
      eventSourceOptions: { fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }) },
    })],
  });
  const id = `super-sub-${process.pid}`;
  const event = await new Promise((resolve, reject) => {
    const sub = client.Order.events.subscribe({ filter: { id }, lastEventId: undefined }, {
      onStarted() {
        fetch(url + "/api/v1/orders", {
          method: "POST", headers: { ...headers, "content-type": "application/json" }, body: JSON.stringify({ id, userId: "x", total: 2 }),
        }).then(async (r) => { if (!r.ok) reject(new Error(await r.text())); }, reject);
      },
      onData(e) { sub.unsubscribe(); resolve(e); },
      onError: reject,
    });
  });
  assert.ok(event.data.at instanceof Date);
  assert.equal(event.data.data.id, id);
  assert.ok(event.data.data.createdAt === null || event.data.data.createdAt instanceof Date);
});

await scenario("a client without the frame is told", async () => {
  const client = createTRPCClient({ links: [httpLink({ url: at, headers })] });
  const e = await refused(client.Order.count.query({ filter: {} }));
  assert.match(JSON.stringify(e.meta?.responseJSON ?? e.message), /superjson/);
});

end();
