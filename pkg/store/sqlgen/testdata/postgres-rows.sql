-- load Person
SELECT "id", "_version", "name", "we""ird]", "age", "level", "active", "born", "balance", "extra", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE "id" = $1 FOR UPDATE

-- insert Person
INSERT INTO "people" ("id", "_version", "name", "we""ird]", "age", "level", "active", "born", "balance", "extra", "boss", "createdAt", "updatedAt", "deletedAt") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
-- "i1" 1 null null null null null null null null null null null null

-- update Person
UPDATE "people" SET "_version" = $1, "name" = $2 WHERE "id" = $3
-- 1 null "i1"

-- delete Person
DELETE FROM "people" WHERE "id" = $1

-- link
INSERT INTO "friends" ("personId", "relatedPersonId") VALUES ($1, $2) ON CONFLICT DO NOTHING

-- unlink 3
DELETE FROM "friends" WHERE "personId" = $1 AND "relatedPersonId" IN ($2, $3, $4, $5)

-- links of 1
SELECT "personId", "relatedPersonId" FROM "friends" WHERE "personId" IN ($1) ORDER BY "personId", "relatedPersonId"

-- links to 3
SELECT "personId", "relatedPersonId" FROM "friends" WHERE "relatedPersonId" IN ($1, $2, $3, $4) ORDER BY "personId", "relatedPersonId"

-- load Cat
SELECT "id", "_version", "name", "kind" FROM "pets" WHERE "id" = $1 AND "kind" = 'it''s a cat' FOR UPDATE

-- insert Cat
INSERT INTO "pets" ("id", "_version", "name", "kind") VALUES ($1, $2, $3, $4)
-- "i1" 1 null "it's a cat"

-- update Cat
UPDATE "pets" SET "_version" = $1, "name" = $2 WHERE "id" = $3 AND "kind" = 'it''s a cat'
-- 1 null "i1"

-- delete Cat
DELETE FROM "pets" WHERE "id" = $1 AND "kind" = 'it''s a cat'

-- log
INSERT INTO "_octo_changes" ("seq", "tx", "entity", "rec_id", "verb", "version", "after", "old", "changed", "principal", "request_id", "transport", "idem", "req_hash", "at") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)

-- log
SELECT "seq", "tx", "entity", "rec_id", "verb", "version", "after", "old", "changed", "principal", "request_id", "transport", "idem", "req_hash", "at" FROM "_octo_changes" WHERE "seq" > $1 ORDER BY "seq" LIMIT $2

-- log
SELECT MIN("seq") FROM "_octo_changes"

-- log
SELECT "seq", "tx", "entity", "rec_id", "verb", "version", "after", "old", "changed", "principal", "request_id", "transport", "idem", "req_hash", "at" FROM "_octo_changes" WHERE "principal" = $1 AND "idem" = $2

-- log
SELECT "req_hash", "body", "seq" FROM "_octo_replies" WHERE "principal" = $1 AND "idem" = $2

-- log
INSERT INTO "_octo_replies" ("principal", "idem", "req_hash", "body", "seq", "at") VALUES ($1, $2, $3, $4, $5, $6)

-- log
SELECT "value" FROM "_octo_meta" WHERE "key" = $1

-- log
UPDATE "_octo_meta" SET "value" = $1 WHERE "key" = $2

-- log
INSERT INTO "_octo_meta" ("value", "key") VALUES ($1, $2)

