// The declarations of /trpc/types.d.ts, compiled by TypeScript with the stock
// client: what is right must compile, what is wrong must not. They are compiled
// as a module, since TypeScript looks into declaration files of others only
// together with all of them, which takes minutes.
import { mkdtempSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import path from "node:path";
import ts from "typescript";
import { assert, end, key, scenario, url } from "../scenario.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const dir = mkdtempSync(path.join(process.env.TMPDIR ?? "/tmp", "octomesh-types-"));
const declarations = await (await fetch(url + "/trpc/types.d.ts", { headers: { "X-API-Key": key } })).text();
writeFileSync(path.join(dir, "octomesh.ts"), declarations);

/** compile returns what TypeScript says of a module. */
function compile(name, source) {
  const file = path.join(dir, `${name}.ts`);
  writeFileSync(file, source);
  const modules = path.resolve(here, "../node_modules");
  const program = ts.createProgram([file], {
    strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts", "lib.esnext.disposable.d.ts"], types: [], exactOptionalPropertyTypes: false,
    skipLibCheck: true, allowImportingTsExtensions: true, paths: { "*": [path.join(modules, "*")] },
  });
  return ts.getPreEmitDiagnostics(program)
    .filter((d) => !d.file || !d.file.fileName.includes("node_modules"))
    .map((d) => `${d.file ? path.basename(d.file.fileName) + ":" + (d.file.getLineAndCharacterOfPosition(d.start).line + 1) : ""} ${ts.flattenDiagnosticMessageText(d.messageText, " ")}`);
}

const head = `
import { createTRPCClient, httpBatchLink, httpSubscriptionLink, TRPCClientError } from "@trpc/client";
import type { inferRouterInputs, inferRouterOutputs } from "@trpc/server";
import type { AppRouter, SuperJSONRouter, Product } from "./octomesh.ts";
const client = createTRPCClient<AppRouter>({ links: [httpBatchLink({ url: "" })] });
`;

await scenario("right calls compile", () => {
  assert.deepEqual(compile("right", head + `
export async function main() {
  const made = await client.Product.create.mutate({ data: { title: "a", price: 1 }, idempotencyKey: "k" });
  const price: number | undefined = made.data.price;
  const title: string = made.data.title ?? "";
  const page = await client.Product.findAll.query({ filter: { price: { $gt: 1 } }, sort: { price: -1 }, limit: 5 });
  const next: string | undefined = page.metadata?.next;
  const ids: string[] = page.data.map((p) => p.id);
  await client.Product.findAll.query();
  const one = await client.Product.findById.query({ id: "x", select: ["title"] });
  if (one.data) console.log(one.data.title, price, title, next, ids);
  const n: number = (await client.Product.count.query({})).data;
  const gone: boolean = (await client.Product.delete.mutate({ id: "x" })).data;
  await client._project.transaction.mutate({ operations: [{ op: "create", entity: "Product", data: {} }] });
  const order = await client.Order.findById.query({ id: "x" });
  const when: string | null | undefined = order.data?.createdAt;
  client.Product.events.subscribe({ filter: { price: 1 } }, {
    onData(e) {
      const id: string = e.id;
      if (e.data.type === "event") console.log(id, e.data.data?.title, e.data.changed);
      else console.log(e.data.position);
    },
  });
  client._project.events.subscribe(undefined, { onData(e) { console.log(e.data.position) } });
  try { await client.Product.count.query(); } catch (e) {
    if (e instanceof TRPCClientError) {
      const err = e as TRPCClientError<AppRouter>;
      if (err.data?.error.code === "CONFLICT") console.log(err.data.requestId, err.data.retryAfter, n, gone, when);
    }
  }
}
type In = inferRouterInputs<AppRouter>["Product"]["update"];
const input: In = { id: "x", data: { price: 2 } };
type Out = inferRouterOutputs<AppRouter>["Product"]["findAll"];
export const out: Out = { status: "ok", data: [{ id: "x", _version: 1 } satisfies Product<string>] };
export { input };
`), []);
});

await scenario("superjson's router has dates", () => {
  assert.deepEqual(compile("superjson", `
import { createTRPCClient, httpLink } from "@trpc/client";
import superjson from "superjson";
import type { SuperJSONRouter } from "./octomesh.ts";
const client = createTRPCClient<SuperJSONRouter>({ links: [httpLink({ url: "", transformer: superjson })] });
export const when = async (): Promise<Date | null | undefined> => (await client.Order.findById.query({ id: "x" })).data?.createdAt;
`), []);
});

const wrong = {
  "an unknown entity": `client.Nothing.findAll.query()`,
  "an unknown procedure": `client.Product.fly.query()`,
  "a query as a mutation": `client.Product.findAll.mutate({})`,
  "a field of another type": `client.Product.create.mutate({ data: { title: 7, price: 1 } })`,
  "a required field left out": `client.Product.create.mutate({ data: { title: "a" } })`,
  "an unknown field": `client.Product.update.mutate({ id: "x", data: { colour: 1 } })`,
  "no id": `client.Product.findById.query({})`,
  "an unknown member": `client.Product.findAll.query({ colour: 1 })`,
  "a result's unknown field": `client.Product.findById.query({ id: "x" }).then((r) => r.data?.colour)`,
  "a transformer that the router has not": `createTRPCClient<SuperJSONRouter>({ links: [httpBatchLink({ url: "" })] })`,
};
const source = head + Object.values(wrong).map((line) => line + ";").join("\n") + "\nexport {};\n";
const first = source.split("\n").length - 2 - Object.keys(wrong).length; // the line before them
const told = compile("wrong", source);
for (const [i, name] of Object.keys(wrong).entries()) {
  await scenario(`${name} does not compile`, () => {
    assert.ok(told.some((d) => d.startsWith(`wrong.ts:${first + 1 + i} `)), told.join(" | "));
  });
}

await scenario("nobody gets no entities", async () => {
  const bare = await (await fetch(url + "/trpc/types.d.ts")).text();
  assert.doesNotMatch(bare, /Product/);
  writeFileSync(path.join(dir, "octomesh.ts"), bare);
  assert.deepEqual(compile("bare", `import type { AppRouter } from "./octomesh.ts";\nexport type R = AppRouter;\n`), []);
});

end();
