// The client of graphql-sse, in its distinct connections mode and in its single
// connection mode.
import { createClient } from 'graphql-sse';
import { assert, end, key, refused, scenario, url } from '../scenario.mjs';

async function one(c, query, variables) {
  for await (const result of c.iterate({ query, variables })) return result;
}

for (const singleConnection of [false, true]) {
  const how = singleConnection ? ', over a single connection' : '';
  const messages = [];
  const connect = (headers = { 'X-API-Key': key }) =>
    createClient({ url: `${url}/graphql`, headers, singleConnection, retryAttempts: 0, onMessage: (m) => messages.push(m) });
  const client = connect();
  const mark = `sse-${process.pid}-${Number(singleConnection)}`;
  const create = (id) => one(client, 'mutation($i: ProductInput!) { createProduct(input: $i) { id } }', { i: { id, title: id, price: 1 } });

  let position;
  await scenario(`a query${how}`, async () => {
    assert.deepEqual(await one(client, '{ __typename }'), { data: { __typename: 'Query' } });
  });
  await scenario(`a mutation, and the event of it${how}`, async () => {
    const it = client.iterate({ query: 'subscription { productChanged(where: {id: {startsWith: "sse-"}}) { event id position data { title } } }' });
    const first = it.next();
    let n = 0;
    const timer = setInterval(() => create(`${mark}-${n++}`), 100);
    const { value } = await first;
    clearInterval(timer);
    await it.return();
    const e = value.data.productChanged;
    assert.equal(e.event, 'created');
    assert.equal(e.data.title, e.id);
    position = e.position;
  });
  await scenario(`a subscription resumes behind a position${how}`, async () => {
    await create(`${mark}-last`);
    const got = [];
    for await (const r of client.iterate({ query: 'subscription($p: String) { productChanged(position: $p, where: {id: {startsWith: "sse-"}}) { id } }', variables: { p: position } })) {
      got.push(r.data.productChanged.id);
      if (got.at(-1) === `${mark}-last`) break;
    }
    assert.equal(new Set(got).size, got.length);
  });
  await scenario(`operations side by side${how}`, async () => {
    const all = await Promise.all(Array.from({ length: 20 }, (_, i) => one(client, `{ a${i}: __typename }`)));
    all.forEach((r, i) => assert.deepEqual(r, { data: { [`a${i}`]: 'Query' } }));
  });
  await scenario(`a document that is not valid is refused${how}`, async () => {
    const why = await refused(one(client, '{ nothing }'));
    assert.equal(why.response.status, 400);
  });
  await scenario(`a filter that is not valid is refused${how}`, async () => {
    const why = await refused(one(client, 'subscription { productChanged(filter: "{\\"nothing\\":1}") { id } }'));
    assert.equal(why.response.status, 400);
  });
  await scenario(`without a credential the request is refused${how}`, async () => {
    const why = await refused(one(connect({}), '{ __typename }'));
    assert.equal(why.response.status, 401);
  });
  await scenario(`responses name their operation where several share a connection${how}`, async () => {
    assert.ok(messages.length > 20 && messages.every((m) => Boolean(m.data?.id) === singleConnection));
  });
  client.dispose();
}
end();
