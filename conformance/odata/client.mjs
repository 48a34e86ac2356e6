// @odata/client: entity sets, filters, batches. The records are those of
// services/octomesh/odata_test.go.
import client from "@odata/client";
import { assert, end, key, refused, scenario, url } from "../scenario.mjs";

const { OData, EdmV4 } = client;
const odata = OData.New4({
  serviceEndpoint: `${url}/odata/`,
  processCsrfToken: false,
  fetchProxy: async (u, init) => {
    const r = await fetch(u, { ...init, headers: { ...init.headers, "X-API-Key": key } });
    const type = r.headers.get("content-type") ?? "";
    return { content: type.startsWith("application/json") ? await r.json() : await r.text(), response: r };
  },
});
const books = odata.getEntitySet("books");
const authors = odata.getEntitySet("authors");
const literal = (text) => EdmV4.DateTimeOffset.from(new Date(text));
const ids = (list) => list.map((b) => b.id).sort().join(" ");

await scenario("query", async () => assert.equal(ids(await books.query()), "b1 b2 b3 b4 b5"));

await scenario("retrieve", async () => assert.equal((await books.retrieve("b1")).title, "One"));

await scenario("retrieve of nobody", async () => assert.match(String(await refused(books.retrieve("nobody"))), /no record/));

await scenario("find by members", async () => assert.equal(ids(await books.find({ title: "Two" })), "b2"));

await scenario("a filter", async () => {
  const f = books.newFilter().property("pages").ge(200).property("pages").lt(400);
  assert.equal(ids(await books.query(f)), "b2 b3");
});

await scenario("a filter of a list", async () =>
  assert.equal(ids(await books.query(books.newFilter().fieldIn("title", ["One", "Five"]))), "b1 b5"));

await scenario("between times", async () => {
  const f = books.newFilter().property("at").ge(literal("2026-01-01T00:00:00Z")).property("at").lt(literal("2026-02-01T00:00:00Z"));
  assert.equal(ids(await books.query(f)), "b1");
});

await scenario("groups", async () => {
  const either = books.newFilter().property("title").eq("One");
  assert.equal(ids(await books.query(books.newFilter().property("pages").eq(100).group(either))), "b1");
});

await scenario("options", async () => {
  const p = books.newParam().select(["title", "author"]).orderby("pages", "desc").top(2).skip(1).expand("author").count(true);
  const list = await books.query(p);
  assert.equal(list.map((b) => b.id).join(" "), "b3 b2");
  assert.equal(list[1].author.name, "Ada");
});

await scenario("search", async () => {
  const p = books.newParam().search("fo/ur", false);
  assert.equal(ids(await books.query(p)), "b4");
});

await scenario("count", async () => assert.equal(await books.count(), 5));

await scenario("count by a filter", async () => assert.equal(await books.count(books.newFilter().property("pages").gt(150)), 3));

await scenario("create, update, delete", async () => {
  const made = await authors.create({ name: "Client" });
  assert.equal(made.rank, 7);
  await authors.update(made.id, { rank: 1 });
  assert.equal((await authors.retrieve(made.id)).rank, 1);
  await authors.delete(made.id);
  await refused(authors.retrieve(made.id));
});

await scenario("an error names its reason", async () => {
  const e = await refused(authors.create({ name: 7 }));
  assert.match(String(e), /name/);
});

await scenario("an action", async () => {
  const r = await authors.action("MostaJS.increment", "bob", { field: "rank", amount: 3 });
  assert.equal(r.rank, 5);
});

await scenario("a batch", async () => {
  const replies = await odata.execBatchRequests([
    odata.newBatchRequest({ collection: "books", id: "b1", withContentLength: true }),
    odata.newBatchRequest({ collection: "authors", method: "POST", entity: { id: "bat", name: "Bat" }, withContentLength: true }),
    odata.newBatchRequest({ collection: "authors", id: "bat", method: "DELETE", withContentLength: true }),
  ]);
  assert.deepEqual(replies.map((r) => r.status), [200, 201, 204], await replies[1].text());
  assert.equal((await replies[0].json()).title, "One");
});

await scenario("a batch with an error", async () => {
  const replies = await odata.execBatchRequests([
    odata.newBatchRequest({ collection: "books", id: "nobody", withContentLength: true }),
  ]);
  assert.equal(replies[0].status, 404);
});

end();
