// Scenarios of @modelcontextprotocol/sdk's client against a running server with
// the admin key: tools, resources, prompts, changes of the catalog, sessions.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ToolListChangedNotificationSchema, ResourceListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import assert from 'node:assert/strict';

const { OCTOMESH_URL, OCTOMESH_KEY, OCTOMESH_READER, OCTOMESH_BIN } = process.env;
const url = new URL(OCTOMESH_URL + '/mcp');
let failed = 0;

async function scenario(name, run) {
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (e) {
    failed++;
    console.log(`not ok ${name}: ${String(e.stack ?? e).replaceAll('\n', ' ')}`);
  }
}

const transport = (key = OCTOMESH_KEY, to = url, more = {}) =>
  new StreamableHTTPClientTransport(to, { requestInit: { headers: { 'X-API-Key': key } }, ...more });

async function connect(t = transport()) {
  const client = new Client({ name: 'conformance', version: '1' });
  client.onerror = () => {};
  await client.connect(t);
  return client;
}

const call = async (client, name, args) => {
  const r = await client.callTool({ name, arguments: args });
  return { ...r, text: r.content.map((c) => c.text).join('\n'), value: r.structuredContent };
};

const client = await connect();

await scenario('initialize', async () => {
  assert.equal(client.getServerVersion().name, 'octomesh');
  const c = client.getServerCapabilities();
  assert.ok(c.tools.listChanged && c.resources.listChanged && c.prompts && c.completions);
  assert.match(client.getInstructions(), /describe/);
  await client.ping();
});

await scenario('tools are listed with schemas and annotations', async () => {
  const { tools } = await client.listTools();
  const names = tools.map((t) => t.name).sort();
  assert.deepEqual(names, ['aggregate', 'count', 'create', 'delete', 'delete_many', 'describe', 'get', 'list', 'modify', 'search', 'transaction', 'update', 'update_many', 'upsert']);
  for (const t of tools) {
    assert.equal(t.inputSchema.type, 'object');
    assert.ok(t.description && t.annotations.openWorldHint === false);
  }
  const of = (name) => tools.find((t) => t.name === name);
  assert.equal(of('list').annotations.readOnlyHint, true);
  assert.equal(of('delete').annotations.destructiveHint, true);
  assert.equal(of('create').annotations.destructiveHint, false);
  assert.ok(of('list').inputSchema.properties.entity.enum.includes('Desk'));
});

await scenario('a record lives and dies', async () => {
  let r = await call(client, 'create', { entity: 'Team', data: { id: 't1', name: 'Red <b>&é' } });
  assert.equal(r.value.data.name, 'Red <b>&é');
  assert.equal(r.text, JSON.stringify(r.value));
  r = await call(client, 'create', { entity: 'Desk', data: '{"id":"d1","label":"one","team":"t1","tags":["a"]}' });
  assert.equal(r.value.data._version, 1);
  r = await call(client, 'get', { entity: 'Desk', id: 'd1', relations: ['team'] });
  assert.equal(r.value.data.team.name, 'Red <b>&é');
  r = await call(client, 'update', { entity: 'Desk', id: 'd1', data: { n: 9007199254740991 }, expectedVersion: 1 });
  assert.equal(r.value.data.n, 9007199254740991);
  r = await call(client, 'update', { entity: 'Desk', id: 'd1', data: { n: 1 }, expectedVersion: 1 });
  assert.ok(r.isError && r.value.code === 'CONFLICT');
  r = await call(client, 'modify', { entity: 'Desk', id: 'd1', action: 'addToSet', field: 'tags', value: 'b' });
  assert.deepEqual(r.value.data.tags, ['a', 'b']);
  r = await call(client, 'modify', { entity: 'Desk', id: 'd1', action: 'increment', field: 'n', amount: -1 });
  assert.equal(r.value.data.n, 9007199254740990);
  r = await call(client, 'upsert', { entity: 'Team', filter: { id: 't2' }, data: { name: 'Blue' } });
  assert.equal(r.value.data.id, 't2');
  r = await call(client, 'update_many', { entity: 'Desk', filter: {}, data: { note: 'all' } });
  assert.equal(r.value.metadata.count, 1);
  r = await call(client, 'transaction', { operations: [{ op: 'create', entity: 'Team', data: { id: 't3', name: 'Green' } }, { op: 'update', entity: 'Desk', id: 'd1', data: { team: { $ref: 0 } } }] });
  assert.equal(r.value.data[1].team, 't3');
  r = await call(client, 'delete', { entity: 'Desk', id: 'd1' });
  assert.equal(r.value.data, true);
  r = await call(client, 'delete_many', { entity: 'Team', filter: { id: { $in: ['t2', 't3'] } } });
  assert.equal(r.value.data, 2);
});

await scenario('queries', async () => {
  const operations = Array.from({ length: 50 }, (_, i) => ({ op: 'create', entity: 'Desk', data: { id: `q${String(i).padStart(2, '0')}`, label: `Desk ${i}`, n: i } }));
  assert.ok(!(await call(client, 'transaction', { operations })).isError);
  let r = await call(client, 'list', { entity: 'Desk', filter: { n: { $gte: 40 } }, sort: { n: -1 }, select: ['n'], limit: 3 });
  assert.deepEqual(r.value.data.map((d) => d.n), [49, 48, 47]);
  r = await call(client, 'search', { entity: 'Desk', query: 'dESK 4', fields: ['label'], limit: 100 });
  assert.equal(r.value.data.length, 11);
  r = await call(client, 'count', { entity: 'Desk', filter: '{"n":{"$lt":10}}' });
  assert.equal(r.value.data, 10);
  r = await call(client, 'aggregate', { entity: 'Desk', stages: [{ $group: { _by: null, sum: { $sum: 'n' } } }] });
  assert.equal(r.value.data[0].sum, 1225);
});

await scenario('pages by cursor, each told of the next', async () => {
  const seen = [];
  for (let cursor; ; ) {
    const r = await call(client, 'list', { entity: 'Desk', sort: 'n', ...(cursor && { cursor }) });
    seen.push(...r.value.data.map((d) => d.n));
    cursor = r.value.metadata.next;
    if (!cursor) break;
    assert.equal(r.value.data.length, 20);
    assert.ok(r.content[1].text.includes(cursor));
  }
  assert.deepEqual(seen, Array.from({ length: 50 }, (_, i) => i));
});

await scenario('what is too long is cut visibly', async () => {
  for (let i = 0; i < 10; i++) {
    await call(client, 'create', { entity: 'Desk', data: { id: `long${i}`, label: `Long ${i}`, n: 1000 + i, note: 'x'.repeat(10_000) } });
  }
  const r = await call(client, 'list', { entity: 'Desk', filter: { n: { $gte: 1000 } }, sort: 'n' });
  assert.ok(r.value.data.length < 10 && r.value.data.length > 3 && r.content[1].text.startsWith('Truncated'));
  const rest = await call(client, 'list', { entity: 'Desk', filter: { n: { $gte: 1000 } }, sort: 'n', cursor: r.value.metadata.next });
  assert.equal(rest.value.data[0].n, 1000 + r.value.data.length);
  await call(client, 'delete_many', { entity: 'Desk', filter: { n: { $gte: 1000 } } });
});

await scenario('faults are results that say what to do', async () => {
  for (const [tool, args, code] of [
    ['create', { entity: 'Desk', data: { label: 7 } }, 'VALIDATION_ERROR'],
    ['list', { entity: 'Desk', filter: { nothing: 1 } }, 'INVALID_FILTER'],
    ['list', { entity: 'Nobody' }, 'UNKNOWN_ENTITY'],
    ['list', { entity: 'Desk', surprise: 1 }, 'INVALID_REQUEST'],
    ['create', { entity: 'Desk' }, 'MISSING_DATA'],
    ['delete_many', { entity: 'Desk' }, 'MISSING_PARAMS'],
    ['list', { entity: 'Desk', filter: { secret: 's' } }, 'INVALID_FILTER'],
  ]) {
    const r = await call(client, tool, args);
    assert.ok(r.isError && r.value.code === code && r.text === `Error: ${code}: ${r.value.message}`, `${tool}: ${r.text}`);
  }
  await assert.rejects(client.callTool({ name: 'nothing', arguments: {} }), /nothing/);
});

await scenario('an idempotency key', async () => {
  const once = { name: 'create', arguments: { entity: 'Team', data: { name: 'Once' } }, _meta: { idempotencyKey: 'mcp-once' } };
  const [a, b] = [await client.callTool(once), await client.callTool(once)];
  assert.equal(a.structuredContent.data.id, b.structuredContent.data.id);
  assert.equal(b._meta.replayed, true);
});

await scenario('resources', async () => {
  const { resources } = await client.listResources();
  assert.ok(resources.some((r) => r.uri === 'entity://Desk/schema'));
  const schema = JSON.parse((await client.readResource({ uri: 'entity://Desk/schema' })).contents[0].text);
  assert.ok(schema.fields.label.required && !schema.fields.secret);
  const { resourceTemplates } = await client.listResourceTemplates();
  assert.ok(resourceTemplates.length > 0);
  const record = JSON.parse((await client.readResource({ uri: 'entity://Desk/records/q07' })).contents[0].text);
  assert.equal(record.n, 7);
  await assert.rejects(client.readResource({ uri: 'entity://Desk/records/none' }));
  await assert.rejects(client.readResource({ uri: 'file:///etc/passwd' }));
});

await scenario('prompts', async () => {
  const { prompts } = await client.listPrompts();
  assert.deepEqual(prompts.map((p) => p.name).sort(), ['describe-schema', 'explain-data', 'list-entities', 'suggest-query']);
  const p = await client.getPrompt({ name: 'suggest-query', arguments: { entity: 'Desk', goal: 'the fullest desks' } });
  assert.match(p.messages[0].content.text, /the fullest desks[\s\S]*"label"/);
  await assert.rejects(client.getPrompt({ name: 'describe-schema', arguments: {} }), /MISSING_PARAMS/);
  const c = await client.complete({ ref: { type: 'ref/prompt', name: 'describe-schema' }, argument: { name: 'entity', value: 'de' } });
  assert.deepEqual(c.completion.values, ['Desk']);
});

await scenario('a reading key sees reading tools alone', async () => {
  const reader = await connect(transport(OCTOMESH_READER));
  const { tools } = await reader.listTools();
  assert.deepEqual(tools.map((t) => t.name).sort(), ['aggregate', 'count', 'describe', 'get', 'list', 'search']);
  await assert.rejects(reader.callTool({ name: 'create', arguments: { entity: 'Team', data: { name: 'x' } } }));
  await reader.close();
});

await scenario('nobody, and a wrong key', async () => {
  await assert.rejects(connect(new StreamableHTTPClientTransport(url)), /UNAUTHORIZED|401|Unauthorized/i);
  await assert.rejects(connect(transport('sk_live_AAAAAAAA_' + 'a'.repeat(43))), /UNAUTHORIZED|401|Unauthorized/i);
});

await scenario('a session is bound to its key', async () => {
  const t = transport();
  const mine = await connect(t);
  const theirs = transport(OCTOMESH_READER, url, { sessionId: t.sessionId });
  await theirs.start();
  await assert.rejects(theirs.send({ jsonrpc: '2.0', id: 1, method: 'tools/list' }), /403|mismatch/);
  assert.ok((await mine.listTools()).tools.length > 0);
  await mine.close();
});

await scenario('a session ends', async () => {
  const t = transport();
  const c = await connect(t);
  await t.terminateSession();
  const again = transport(OCTOMESH_KEY, url, { sessionId: t.sessionId ?? 'gone' });
  await again.start();
  await assert.rejects(again.send({ jsonrpc: '2.0', id: 1, method: 'tools/list' }), /404|not found/);
  await c.close();
});

await scenario('a project by its path', async () => {
  const c = await connect(transport(OCTOMESH_KEY, new URL(OCTOMESH_URL + '/default/mcp')));
  const { tools } = await c.listTools();
  assert.ok(tools.every((t) => !t.inputSchema.properties.project));
  await c.close();
});

await scenario('a changed catalog is told, and served', async () => {
  const told = new Promise((resolve, reject) => {
    const seen = new Set();
    const note = (what) => () => seen.add(what).size === 2 && resolve();
    client.setNotificationHandler(ToolListChangedNotificationSchema, note('tools'));
    client.setNotificationHandler(ResourceListChangedNotificationSchema, note('resources'));
    setTimeout(() => reject(new Error(`after 20 s only ${[...seen]}`)), 20_000).unref();
  });
  const lamp = { name: 'Lamp', collection: 'lamps', fields: { watts: { type: 'number', description: 'Power in W.' } } };
  assert.ok((await fetch(process.env.OCTOMESH_CHANGE_URL, { method: 'POST', body: JSON.stringify(lamp) })).ok);
  await told;
  const r = await call(client, 'describe', { entity: 'Lamp' });
  assert.equal(r.value.fields.watts.description, 'Power in W.');
});

await scenario('a stream that breaks is resumed', async () => {
  // The client reconnects its stream by itself; a session outlives the break.
  let streams = 0, broken;
  const t = transport(OCTOMESH_KEY, url, {
    reconnectionOptions: { initialReconnectionDelay: 10, maxReconnectionDelay: 50, reconnectionDelayGrowFactor: 1, maxRetries: 20 },
    fetch: async (u, init) => {
      if (init?.method !== 'GET') return fetch(u, init);
      streams++;
      const res = await fetch(u, init);
      const cut = new TransformStream({ start: (c) => { broken = () => c.error(new Error('the line was cut')); } });
      return new Response(res.body.pipeThrough(cut), res);
    },
  });
  const c = await connect(t);
  while (!broken) await new Promise((r) => setTimeout(r, 5));
  const before = streams;
  broken();
  for (let i = 0; streams === before && i < 1000; i++) await new Promise((r) => setTimeout(r, 5));
  assert.ok(streams > before);
  assert.ok((await c.listTools()).tools.length > 0);
  await c.close();
});

if (OCTOMESH_BIN) {
  await scenario('over stdio', async () => {
    const c = await connect(new StdioClientTransport({
      command: OCTOMESH_BIN, args: ['mcp', '--url', OCTOMESH_URL],
      env: { ...process.env, MOSTAJS_NET_API_KEY: OCTOMESH_KEY, OCTOMESH_TEST_ROLE: 'octomesh' }, stderr: 'inherit',
    }));
    assert.ok((await c.listTools()).tools.length > 0);
    assert.equal((await call(c, 'count', { entity: 'Desk' })).value.data, 50);
    const p = await c.getPrompt({ name: 'list-entities' });
    assert.match(p.messages[0].content.text, /Desk/);
    await c.close();
  });
}

await client.close();
process.exit(failed ? 1 : 0);
