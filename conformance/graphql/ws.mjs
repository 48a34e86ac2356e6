// The client of graphql-ws over graphql-transport-ws: queries, mutations and
// subscriptions in one connection, filtered and resumed.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { assert, end, key, refused, scenario, url } from '../scenario.mjs';

const target = `${url.replace('http', 'ws')}/graphql`;
const connect = (connectionParams = { apiKey: key }, more = {}) => createClient({ url: target, webSocketImpl: WebSocket, connectionParams, retryAttempts: 0, lazy: true, lazyCloseTimeout: 1000, ...more });
const client = connect();
const mark = `ws-${process.pid}`;

async function one(c, query, variables) {
  for await (const result of c.iterate({ query, variables })) return result;
}

// take reads n results of a subscription, which f sets going once it is open.
async function take(n, query, variables, f) {
  const out = [];
  const it = client.iterate({ query, variables });
  const first = it.next();
  await f?.();
  for (let r = await first; !r.done; r = await it.next()) {
    if (r.value.errors) throw new Error(JSON.stringify(r.value.errors));
    if (out.push(r.value.data.productChanged) === n) break;
  }
  await it.return();
  return out;
}

const create = (id, price) => one(client, 'mutation($i: ProductInput!) { createProduct(input: $i) { id } }', { i: { id, title: `T ${id}`, price } });

// now tells the position of the latest change: that of an event just made.
async function now() {
  const it = client.iterate({ query: 'subscription { productChanged { position } }' });
  const first = it.next();
  const timer = setInterval(() => one(client, 'mutation($i: ProductInput!) { createProduct(input: $i) { id } }', { i: { title: mark, price: 1 } }), 100);
  const { value } = await first;
  clearInterval(timer);
  await it.return();
  return value.data.productChanged.position;
}

let position;
await scenario('a query', async () => {
  assert.deepEqual(await one(client, '{ __typename }'), { data: { __typename: 'Query' } });
});
await scenario('a mutation, then events', async () => {
  position = await now();
});
await scenario('a subscription resumes behind a position', async () => {
  await create(`${mark}-1`, 5);
  await create(`${mark}-2`, 50);
  const [e] = await take(1, 'subscription($p: String) { productChanged(position: $p, where: {id: {startsWith: "ws-"}}) { event id match position data { title price } } }', { p: position });
  assert.equal(e.event, 'created');
  assert.equal(e.id, `${mark}-1`);
  assert.equal(e.data.price, 5);
});
await scenario('a filter lets enter, stay and leave be seen', async () => {
  const [a] = await take(1, 'subscription($p: String) { productChanged(position: $p, where: {price: {gt: 10}, id: {startsWith: "ws-"}}) { id match data { price } } }', { p: position });
  assert.deepEqual(a, { id: `${mark}-2`, match: 'enter', data: { price: 50 } });
});
await scenario('a document that is not valid is refused', async () => {
  const why = await refused(one(client, '{ nothing }'));
  assert.equal(why[0].extensions.code, 'INVALID_REQUEST');
});
await scenario('a filter that is not valid is refused', async () => {
  const why = await refused(one(client, 'subscription { productChanged(filter: "{\\"nothing\\":1}") { id } }'));
  assert.equal(why[0].extensions.code, 'INVALID_FILTER');
});
await scenario('a position that is gone is a gap', async () => {
  const [e] = await take(1, 'subscription { productChanged(position: "other-1") { event position } }');
  assert.equal(e.event, 'gap');
  assert.match(e.position, /-\d+$/);
});
await scenario('twenty operations at a time', async () => {
  const all = await Promise.all(Array.from({ length: 20 }, () => one(client, '{ productCount }')));
  assert.ok(all.every((r) => r.data.productCount === all[0].data.productCount));
});
await scenario('without a credential the connection is refused', async () => {
  const why = await refused(one(connect({}), '{ __typename }'));
  assert.equal(why.code, 4403);
});
await scenario('no subprotocol is refused', async () => {
  const code = await new Promise((resolve) => new WebSocket(target).on('close', resolve).on('error', () => {}));
  assert.equal(code, 4406);
});
await scenario('a ping is answered', async () => {
  let latency;
  const c = connect(undefined, { keepAlive: 50 });
  const pong = new Promise((resolve) => c.on('pong', resolve));
  const it = c.iterate({ query: 'subscription { productChanged { id } }' });
  it.next();
  latency = await pong;
  await it.return();
  await c.dispose();
});
await client.dispose();
end();
