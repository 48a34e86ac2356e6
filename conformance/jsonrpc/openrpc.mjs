// rpc.discover against OpenRPC's own meta schema, and its schemas against data.
import Ajv from "ajv";
import draft7 from "ajv/dist/refs/json-schema-draft-07.json" with { type: "json" };
import metaSchema from "@open-rpc/meta-schema";
import { assert, end, key, scenario, url } from "../scenario.mjs";

async function call(method, params, apiKey = key) {
  const res = await fetch(url + "/rpc", {
    method: "POST", headers: { "content-type": "application/json", ...(apiKey && { "X-API-Key": apiKey }) },
    body: JSON.stringify({ jsonrpc: "2.0", method, params, id: 1 }),
  });
  return res.json();
}

const document = (await call("rpc.discover")).result;

/** resolve follows references within the document. */
function resolve(o) {
  return o.$ref ? o.$ref.slice(2).split("/").reduce((at, part) => at[part.replaceAll("~1", "/")], document) : o;
}

await scenario("the document is valid", () => {
  const ajv = new Ajv({ strict: false, logger: false });
  const schema = structuredClone(metaSchema.default ?? metaSchema);
  delete schema.$schema; // another address of draft 7, whose text ajv has
  ajv.addSchema({
    ...draft7, $id: "https://meta.json-schema.tools/",
    definitions: { ...draft7.definitions, JSONSchemaObject: { properties: { $ref: { type: "string" } } } },
  });
  const text = JSON.stringify(schema).replaceAll('"https://meta.json-schema.tools"', '"https://meta.json-schema.tools/"');
  const validate = ajv.compile(JSON.parse(text));
  assert.ok(validate(document), JSON.stringify(validate.errors?.slice(0, 3)));
});

await scenario("every reference leads somewhere", () => {
  let n = 0;
  (function walk(o) {
    if (Array.isArray(o)) return o.forEach(walk);
    if (o === null || typeof o !== "object") return;
    if (typeof o.$ref === "string" && o.$ref.startsWith("#")) {
      n++;
      assert.notEqual(resolve(o), undefined, o.$ref);
    }
    Object.values(o).forEach(walk);
  })(document);
  assert.ok(n > 50, `${n} references`);
});

await scenario("names are unique, required params come first", () => {
  const names = document.methods.map((m) => m.name);
  assert.equal(new Set(names).size, names.length);
  for (const m of document.methods) {
    const required = m.params.map((p) => resolve(p).required);
    assert.ok(required.every((r, i) => !r || i === 0 || required[i - 1]), m.name);
  }
});

await scenario("the methods are those of the list", async () => {
  const list = await (await fetch(url + "/rpc", { headers: { "X-API-Key": key } })).json();
  assert.deepEqual(document.methods.map((m) => m.name), list.methods);
});

await scenario("a result fits its schema", async () => {
  const ajv = new Ajv({ strict: false, logger: false, validateFormats: false });
  const method = document.methods.find((m) => m.name === "Product.create");
  ajv.addSchema({ $id: "doc", ...document });
  const made = await call("Product.create", { data: { title: "fits", price: 3 } });
  const point = (s) => JSON.parse(JSON.stringify(s).replaceAll('"#/', '"doc#/'));
  const validate = ajv.compile(point(method.result.schema));
  assert.ok(validate(made.result), JSON.stringify(validate.errors));
  await call("Product.delete", { id: made.result.data.id });
});

await scenario("nothing is shown to nobody", async () => {
  const bare = (await call("rpc.discover", undefined, "")).result;
  assert.deepEqual(bare.methods.map((m) => m.name), ["rpc.discover"]);
  assert.equal(bare.components.schemas, undefined);
});

end();
