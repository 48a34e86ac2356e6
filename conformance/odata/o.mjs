// o.js: requests in a chain, batches with change sets.
import { createRequire } from "node:module";
import { assert, end, key, refused, scenario, url } from "../scenario.mjs";

const { o } = createRequire(import.meta.url)("o.js");
const headers = { "X-API-Key": key, "Content-Type": "application/json" };
const at = (config = {}) => o("", { rootUrl: `${url}/odata/`, headers, referrer: undefined, ...config });
const ids = (list) => list.map((b) => b.id).sort().join(" ");

await scenario("a set", async () => assert.equal(ids(await at().get("books").query()), "b1 b2 b3 b4 b5"));

await scenario("a record", async () => assert.equal((await at().get("books('b1')").query()).title, "One"));

await scenario("options", async () => {
  const list = await at().get("books").query({ $filter: "contains(title,'o') or pages eq null", $orderby: "title desc", $top: 2, $select: "title" });
  assert.deepEqual(list.map((b) => b.title), ["Two", "Four é".replace("Four", "Fo/ur")]);
});

await scenario("count", async () => assert.equal(await at({ fragment: "@odata.count" }).get("books").query({ $count: true, $top: 1 }), 5));

await scenario("expand", async () => {
  const list = await at().get("authors").query({ $expand: "books($select=title;$orderby=pages desc)", $filter: "id eq 'ada'" });
  assert.deepEqual(list[0].books.map((b) => b.title), ["Two", "One"]);
});

await scenario("create, patch, delete", async () => {
  const made = await at().post("authors", { name: "O" }).query();
  assert.equal((await at().patch(`authors('${made.id}')`, { rank: 2 }).query()).rank, 2);
  assert.equal((await at().delete(`authors('${made.id}')`).query()).status, 204);
  assert.equal((await refused(at().get(`authors('${made.id}')`).query())).status, 404);
});

await scenario("a deep link", async () => assert.equal((await at().get("books('b1')/author/city").query()).name, "Rome"));

await scenario("a chain", async () => {
  const [one, two] = await at().get("books('b1')").get("books('b2')").query();
  assert.equal(one.title + two.title, "OneTwo");
});

const batch = { endpoint: "$batch", headers: new Headers({ "X-API-Key": key, "Content-Type": "multipart/mixed" }), boundaryPrefix: "batch_", changsetBoundaryPrefix: "changset_" };

for (const useRelativeURLs of [true, false]) {
  await scenario(`a batch of reads, relative ${useRelativeURLs}`, async () => {
    const data = await at({ batch: { ...batch, useChangset: false, useRelativeURLs } }).get("books('b1')").get("authors('bob')").batch();
    assert.equal(JSON.stringify(data).includes("One") && JSON.stringify(data).includes("Bob"), true, JSON.stringify(data));
  });
}

await scenario("a batch with a change set", async () => {
  const data = await at({ batch: { ...batch, useChangset: true, useRelativeURLs: true } })
    .post("authors", { id: "oset", name: "Set" }).patch("authors('bob')", { rank: 4 }).batch();
  assert.deepEqual(data.map((p) => [p.contentId, p.status]), [[1, 201], [2, 200]]);
  assert.equal((await at().get("authors('oset')").query()).name, "Set");
  await at().delete("authors('oset')").query();
});

end();
