// graphql-js reads the schema, by introspection and as text, and finds them the
// same and valid; its own queries and validation agree with the server.
import { buildClientSchema, buildSchema, getIntrospectionQuery, lexicographicSortSchema, parse, printSchema, validate, validateSchema } from 'graphql';
import { assert, end, key, scenario, url } from '../scenario.mjs';

async function ask(query) {
  const res = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-API-Key': key },
    body: JSON.stringify({ query }),
  });
  return res.json();
}

let client;
await scenario('the standard introspection is answered', async () => {
  const body = await ask(getIntrospectionQuery({ specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true, inputValueDeprecation: true, oneOf: true }));
  if (body.errors) throw new Error(JSON.stringify(body.errors));
  client = buildClientSchema(body.data);
});
await scenario('the schema is valid', async () => {
  const errors = validateSchema(client);
  if (errors.length > 0) throw new Error(errors.map((e) => e.message).join('; '));
});
await scenario('the schema as text is the same', async () => {
  const res = await fetch(`${url}/graphql/schema.graphql`, { headers: { 'X-API-Key': key } });
  const text = buildSchema(await res.text());
  assert.equal(printSchema(lexicographicSortSchema(text)), printSchema(lexicographicSortSchema(client)));
});
for (const [name, query] of Object.entries({
  'a document that is valid': '{ users { id email __typename } }',
  'an unknown field': '{ users { nothing } }',
  'an unknown argument': '{ users(nothing: 1) { id } }',
  'a leaf with a selection': '{ users { id { x } } }',
  'no selection': '{ users }',
  'a wrong literal': '{ users(limit: "x") { id } }',
  'a missing argument': '{ user { id } }',
  'a variable that is not declared': '{ user(id: $id) { id } }',
  'a variable that is not used': 'query($x: Int) { userCount }',
  'a fragment on another type': '{ users { ... on Query { userCount } } }',
  'fields that do not merge': '{ users { a: id a: email } }',
  'a directive that is unknown': '{ userCount @nothing }',
  'a directive elsewhere': 'query @skip(if: true) { userCount }',
  'a fragment of itself': '{ users { ...a } } fragment a on User { ...a }',
  'two operations of one name': 'query A { userCount } query A { userCount }',
})) {
  await scenario(`${name}, seen alike`, async () => {
    const here = validate(client, parse(query)).length === 0;
    const body = await ask(query);
    const there = body.data !== undefined;
    if (here !== there) throw new Error(`graphql-js says ${here}, the server ${JSON.stringify(body)}`);
  });
}
await scenario('the subgraph is a schema by the definitions of Federation 2', async () => {
  const { data } = await ask('{ _service { sdl } }');
  const definitions = `schema { query: Query } scalar FieldSet scalar link__Import
    directive @link(url: String!, as: String, import: [link__Import]) repeatable on SCHEMA
    directive @key(fields: FieldSet!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE\n`;
  const subgraph = buildSchema(definitions + data._service.sdl);
  assert.deepEqual(validateSchema(subgraph), []);
  const keys = Object.values(subgraph.getTypeMap()).filter((t) => t.astNode?.directives?.some((d) => d.name.value === 'key'));
  assert.ok(keys.length > 0 && keys.every((t) => t.getFields().id));
});
end();
