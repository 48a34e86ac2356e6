-- table people
CREATE TABLE "people" ("id" VARCHAR(255) NOT NULL, "_version" BIGINT DEFAULT 1 NOT NULL, "name" VARCHAR(255) NULL, "bio" VARCHAR(1000) NULL, "email" VARCHAR(255) NULL, "age" DOUBLE PRECISION NULL, "level" BIGINT NULL, "active" TINYINT NULL, "born" BIGDATETIME NULL, "balance" NUMERIC(38,15) NULL, "extra" VARCHAR(1000) NULL, "rank" VARCHAR(255) NULL, "boss" VARCHAR(255) NULL, "createdAt" BIGDATETIME NULL, "updatedAt" BIGDATETIME NULL, "deletedAt" BIGDATETIME NULL, "_octo_efa7c0d5" AS CASE WHEN "deletedAt" IS NULL AND "email" IS NOT NULL THEN '*' ELSE "id" END MATERIALIZED, "_octo_c54cc55f" AS CASE WHEN "name" IS NOT NULL AND "level" IS NOT NULL AND "deletedAt" IS NULL THEN '*' ELSE "id" END MATERIALIZED, PRIMARY KEY ("id")) LOCK DATAROWS

-- table pets
CREATE TABLE "pets" ("id" VARCHAR(255) NOT NULL, "_version" BIGINT DEFAULT 1 NOT NULL, "name" VARCHAR(1000) NULL, "kind" VARCHAR(255) NULL, "age" BIGINT NULL, PRIMARY KEY ("id")) LOCK DATAROWS

-- table friends
CREATE TABLE "friends" ("personId" VARCHAR(255) NOT NULL, "relatedPersonId" VARCHAR(255) NOT NULL, PRIMARY KEY ("personId", "relatedPersonId")) LOCK DATAROWS

-- table _octo_changes
CREATE TABLE "_octo_changes" ("seq" BIGINT NOT NULL, "tx" BIGINT NOT NULL, "entity" VARCHAR(255) NOT NULL, "rec_id" VARCHAR(255) NOT NULL, "verb" VARCHAR(255) NOT NULL, "version" BIGINT NOT NULL, "after" TEXT NULL, "old" TEXT NULL, "changed" TEXT NULL, "principal" VARCHAR(255) NOT NULL, "request_id" VARCHAR(255) NOT NULL, "transport" VARCHAR(255) NOT NULL, "idem" VARCHAR(255) NULL, "req_hash" VARBINARY(255) NULL, "at" BIGINT NOT NULL, "_octo_d141c3bd" AS CASE WHEN "idem" IS NOT NULL THEN 0 ELSE "seq" END MATERIALIZED, PRIMARY KEY ("seq")) LOCK DATAROWS

-- table _octo_meta
CREATE TABLE "_octo_meta" ("key" VARCHAR(255) NOT NULL, "value" TEXT NOT NULL, PRIMARY KEY ("key")) LOCK DATAROWS

-- table _octo_replies
CREATE TABLE "_octo_replies" ("principal" VARCHAR(255) NOT NULL, "idem" VARCHAR(255) NOT NULL, "req_hash" VARBINARY(255) NULL, "body" TEXT NULL, "seq" BIGINT NOT NULL, "at" BIGINT NOT NULL, PRIMARY KEY ("principal", "idem")) LOCK DATAROWS

-- table _octo_schema_journal
CREATE TABLE "_octo_schema_journal" ("n" BIGINT IDENTITY NOT NULL, "catalog" TEXT NOT NULL, "step" TEXT NOT NULL, "at" BIGINT NOT NULL, "ref" VARCHAR(255) NULL, "state" VARCHAR(255) NULL, "error" TEXT NULL, PRIMARY KEY ("n")) LOCK DATAROWS

-- index uq_people_email
CREATE UNIQUE INDEX "uq_people_email" ON "people" ("email", "_octo_efa7c0d5")

-- index ix_people_boss
CREATE INDEX "ix_people_boss" ON "people" ("boss")

-- index idx_people_0
CREATE INDEX "idx_people_0" ON "people" ("level" DESC, "age")

-- index idx_people_1
CREATE UNIQUE INDEX "idx_people_1" ON "people" ("name", "level", "_octo_c54cc55f")

-- index ix_friends_relatedPersonId
CREATE INDEX "ix_friends_relatedPersonId" ON "friends" ("relatedPersonId", "personId")

-- index uq_octo_changes_idem
CREATE UNIQUE INDEX "uq_octo_changes_idem" ON "_octo_changes" ("principal", "idem", "_octo_d141c3bd")

-- index ix_octo_replies_at
CREATE INDEX "ix_octo_replies_at" ON "_octo_replies" ("at")

-- insert p1
INSERT INTO "people" ("id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- "p1" 1 "a" null "x@y" 1 1 true "1970-01-01T00:00:00.000Z" 1.5 {"a":1} "a" null null null null

-- insert p2
INSERT INTO "people" ("id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- "p2" 1 "ab" null null 1.5 2 false "2020-01-01T00:00:00.000Z" 10 null null "p1" null null null

-- insert p3
INSERT INTO "people" ("id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- "p3" 1 "AB" "it's 100%" null 2 3 null null -2 null null null null null null

-- insert p4
INSERT INTO "people" ("id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- "p4" 1 "a " null null null 2 null null null null null null null null null

-- insert p5
INSERT INTO "people" ("id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- "p5" 1 null null null 3 null null null null null null "p2" null null null

-- insert p6
INSERT INTO "people" ("id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- "p6" 1 "xabx" "ab" null null null true null null null "b" null null null null

-- insert p7
INSERT INTO "people" ("id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- "p7" 1 "b" null null null -1 null null null null null null null null "1970-01-01T00:00:00.001Z"

-- {}
SELECT "id" FROM "people"

-- {"name":"a"}
SELECT "id" FROM "people" WHERE "name" + CHAR(0) = ? + CHAR(0)
-- "a"

-- not {"name":"a"}
SELECT "id" FROM "people" WHERE ("name" + CHAR(0) <> ? + CHAR(0) OR "name" IS NULL)
-- "a"

-- {"name":null}
SELECT "id" FROM "people" WHERE "name" IS NULL

-- not {"name":null}
SELECT "id" FROM "people" WHERE "name" IS NOT NULL

-- {"name":{"$ne":"a"}}
SELECT "id" FROM "people" WHERE ("name" + CHAR(0) <> ? + CHAR(0) OR "name" IS NULL)
-- "a"

-- not {"name":{"$ne":"a"}}
SELECT "id" FROM "people" WHERE "name" + CHAR(0) = ? + CHAR(0)
-- "a"

-- {"name":{"$ne":null}}
SELECT "id" FROM "people" WHERE "name" IS NOT NULL

-- not {"name":{"$ne":null}}
SELECT "id" FROM "people" WHERE "name" IS NULL

-- {"id":{"$ne":"p1"}}
SELECT "id" FROM "people" WHERE "id" <> ?
-- "p1"

-- not {"id":{"$ne":"p1"}}
SELECT "id" FROM "people" WHERE "id" = ?
-- "p1"

-- {"id":"p1"}
SELECT "id" FROM "people" WHERE "id" = ?
-- "p1"

-- not {"id":"p1"}
SELECT "id" FROM "people" WHERE "id" <> ?
-- "p1"

-- {"bio":"it's 100%"}
SELECT "id" FROM "people" WHERE "bio" + CHAR(0) = ? + CHAR(0)
-- "it's 100%"

-- not {"bio":"it's 100%"}
SELECT "id" FROM "people" WHERE ("bio" + CHAR(0) <> ? + CHAR(0) OR "bio" IS NULL)
-- "it's 100%"

-- {"age":{"$gt":1,"$lte":2}}
SELECT "id" FROM "people" WHERE "age" > ? AND "age" <= ?
-- 1 2

-- not {"age":{"$gt":1,"$lte":2}}
SELECT "id" FROM "people" WHERE (("age" <= ? OR "age" IS NULL) OR ("age" > ? OR "age" IS NULL))
-- 1 2

-- {"balance":{"$gte":"1.50"}}
SELECT "id" FROM "people" WHERE "balance" >= ?
-- 1.5

-- not {"balance":{"$gte":"1.50"}}
SELECT "id" FROM "people" WHERE ("balance" < ? OR "balance" IS NULL)
-- 1.5

-- {"balance":"10"}
SELECT "id" FROM "people" WHERE "balance" = ?
-- 10

-- not {"balance":"10"}
SELECT "id" FROM "people" WHERE ("balance" <> ? OR "balance" IS NULL)
-- 10

-- {"born":{"$lt":"2020-01-02"}}
SELECT "id" FROM "people" WHERE "born" < ?
-- "2020-01-02T00:00:00.000Z"

-- not {"born":{"$lt":"2020-01-02"}}
SELECT "id" FROM "people" WHERE ("born" >= ? OR "born" IS NULL)
-- "2020-01-02T00:00:00.000Z"

-- {"extra":{"a":1}}
SELECT "id" FROM "people" WHERE "extra" + CHAR(0) = ? + CHAR(0)
-- {"a":1}

-- not {"extra":{"a":1}}
SELECT "id" FROM "people" WHERE ("extra" + CHAR(0) <> ? + CHAR(0) OR "extra" IS NULL)
-- {"a":1}

-- {"active":true}
SELECT "id" FROM "people" WHERE "active" = ?
-- true

-- not {"active":true}
SELECT "id" FROM "people" WHERE ("active" <> ? OR "active" IS NULL)
-- true

-- {"active":{"$ne":true}}
SELECT "id" FROM "people" WHERE ("active" <> ? OR "active" IS NULL)
-- true

-- not {"active":{"$ne":true}}
SELECT "id" FROM "people" WHERE "active" = ?
-- true

-- {"level":{"$in":[1]}}
SELECT "id" FROM "people" WHERE "level" = ?
-- 1

-- not {"level":{"$in":[1]}}
SELECT "id" FROM "people" WHERE ("level" <> ? OR "level" IS NULL)
-- 1

-- {"level":{"$in":[1,2,3]}}
SELECT "id" FROM "people" WHERE "level" IN (?, ?, ?, ?)
-- 1 2 3 3

-- not {"level":{"$in":[1,2,3]}}
SELECT "id" FROM "people" WHERE ("level" NOT IN (?, ?, ?, ?) OR "level" IS NULL)
-- 1 2 3 3

-- {"level":{"$in":[1,null]}}
SELECT "id" FROM "people" WHERE ("level" = ? OR "level" IS NULL)
-- 1

-- not {"level":{"$in":[1,null]}}
SELECT "id" FROM "people" WHERE (("level" <> ? OR "level" IS NULL) AND "level" IS NOT NULL)
-- 1

-- {"level":{"$in":[]}}
SELECT "id" FROM "people" WHERE 1=0

-- not {"level":{"$in":[]}}
SELECT "id" FROM "people" WHERE 1=1

-- {"level":{"$nin":[1,2]}}
SELECT "id" FROM "people" WHERE ("level" NOT IN (?, ?) OR "level" IS NULL)
-- 1 2

-- not {"level":{"$nin":[1,2]}}
SELECT "id" FROM "people" WHERE "level" IN (?, ?)
-- 1 2

-- {"level":{"$nin":[1,null]}}
SELECT "id" FROM "people" WHERE ("level" <> ? OR "level" IS NULL) AND "level" IS NOT NULL
-- 1

-- not {"level":{"$nin":[1,null]}}
SELECT "id" FROM "people" WHERE ("level" = ? OR "level" IS NULL)
-- 1

-- {"level":{"$nin":[null]}}
SELECT "id" FROM "people" WHERE "level" IS NOT NULL

-- not {"level":{"$nin":[null]}}
SELECT "id" FROM "people" WHERE "level" IS NULL

-- {"level":{"$exists":false}}
SELECT "id" FROM "people" WHERE "level" IS NULL

-- not {"level":{"$exists":false}}
SELECT "id" FROM "people" WHERE "level" IS NOT NULL

-- {"name":{"$in":["a","ab"]}}
SELECT "id" FROM "people" WHERE "name" + CHAR(0) IN (? + CHAR(0), ? + CHAR(0))
-- "a" "ab"

-- not {"name":{"$in":["a","ab"]}}
SELECT "id" FROM "people" WHERE ("name" + CHAR(0) NOT IN (? + CHAR(0), ? + CHAR(0)) OR "name" IS NULL)
-- "a" "ab"

-- {"$or":[{"name":"a"},{"age":1,"active":true}]}
SELECT "id" FROM "people" WHERE ("name" + CHAR(0) = ? + CHAR(0) OR ("age" = ? AND "active" = ?))
-- "a" 1 true

-- not {"$or":[{"name":"a"},{"age":1,"active":true}]}
SELECT "id" FROM "people" WHERE (("name" + CHAR(0) <> ? + CHAR(0) OR "name" IS NULL) AND (("age" <> ? OR "age" IS NULL) OR ("active" <> ? OR "active" IS NULL)))
-- "a" 1 true

-- {"boss":"p1"}
SELECT "id" FROM "people" WHERE "boss" = ?
-- "p1"

-- not {"boss":"p1"}
SELECT "id" FROM "people" WHERE ("boss" <> ? OR "boss" IS NULL)
-- "p1"

-- {"rank":{"$gte":"b"}}
SELECT "id" FROM "people" WHERE "rank" + CHAR(0) >= ? + CHAR(0)
-- "b"

-- not {"rank":{"$gte":"b"}}
SELECT "id" FROM "people" WHERE ("rank" + CHAR(0) < ? + CHAR(0) OR "rank" IS NULL)
-- "b"

-- {"name":{"$gte":"a","$lt":"b"}}
SELECT "id" FROM "people" WHERE "name" + CHAR(0) >= ? + CHAR(0) AND "name" + CHAR(0) < ? + CHAR(0)
-- "a" "b"

-- not {"name":{"$gte":"a","$lt":"b"}}
SELECT "id" FROM "people" WHERE (("name" + CHAR(0) < ? + CHAR(0) OR "name" IS NULL) OR ("name" + CHAR(0) >= ? + CHAR(0) OR "name" IS NULL))
-- "a" "b"

-- {"deletedAt":null}
SELECT "id" FROM "people" WHERE "deletedAt" IS NULL

-- not {"deletedAt":null}
SELECT "id" FROM "people" WHERE "deletedAt" IS NOT NULL

-- {"name":{"$regex":"^ab"}}
SELECT "id" FROM "people" WHERE ("name" + CHAR(0) >= ? + CHAR(0) AND "name" + CHAR(0) < ? + CHAR(0))
-- "ab" "ac"

-- not {"name":{"$regex":"^ab"}}
SELECT "id" FROM "people" WHERE ("name" + CHAR(0) < ? + CHAR(0) OR "name" + CHAR(0) >= ? + CHAR(0) OR "name" IS NULL)
-- "ab" "ac"

-- {"name":{"$regex":"^ab$"}}
SELECT "id" FROM "people" WHERE "name" + CHAR(0) = ? + CHAR(0)
-- "ab"

-- not {"name":{"$regex":"^ab$"}}
SELECT "id" FROM "people" WHERE ("name" + CHAR(0) <> ? + CHAR(0) OR "name" IS NULL)
-- "ab"

-- {"name":{"$regex":"ab$"}}
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE "name" IS NOT NULL
-- the worker finishes it

-- not {"name":{"$regex":"ab$"}}
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE ("name" IS NOT NULL OR "name" IS NULL)
-- the worker finishes it

-- {"name":{"$regex":"a.*b"}}
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE "name" IS NOT NULL
-- the worker finishes it

-- not {"name":{"$regex":"a.*b"}}
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE ("name" IS NOT NULL OR "name" IS NULL)
-- the worker finishes it

-- {"name":{"$regex":"ab"}}
SELECT "id" FROM "people" WHERE CHARINDEX(?, "name") > 0
-- "ab"

-- not {"name":{"$regex":"ab"}}
SELECT "id" FROM "people" WHERE (CHARINDEX(?, "name") = 0 OR "name" IS NULL)
-- "ab"

-- {"name":{"$regex":"AB","$regexFlags":"i"}}
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE "name" IS NOT NULL
-- the worker finishes it

-- not {"name":{"$regex":"AB","$regexFlags":"i"}}
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE ("name" IS NOT NULL OR "name" IS NULL)
-- the worker finishes it

-- {"name":{"$regex":"^[a-c]+x|y"}}
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE "name" IS NOT NULL
-- the worker finishes it

-- not {"name":{"$regex":"^[a-c]+x|y"}}
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE ("name" IS NOT NULL OR "name" IS NULL)
-- the worker finishes it

-- {"name":{"$regex":".*"}}
SELECT "id" FROM "people" WHERE "name" IS NOT NULL

-- not {"name":{"$regex":".*"}}
SELECT "id" FROM "people" WHERE "name" IS NULL

-- search
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE ("name" IS NOT NULL OR "bio" IS NOT NULL)
-- the worker finishes it

-- by balance
SELECT "id" FROM "people" ORDER BY "balance" DESC, "id"

-- by name
SELECT "id" FROM "people" ORDER BY "name" + CHAR(0), "id"

-- by id
SELECT "id" FROM "people" ORDER BY "id"

-- sorted page
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" ORDER BY "balance" DESC, "name" + CHAR(0), "id"
-- the worker finishes it

-- limit
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" ORDER BY "id"
-- the worker finishes it

-- skip
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" ORDER BY "id"
-- the worker finishes it

-- count
SELECT COUNT(*) FROM "people"

-- count
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people"
-- the worker finishes it

-- [{"$group":{"_by":"name","n":{"$count":true}}}]
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE "deletedAt" IS NULL
-- the worker finishes it

-- [{"$group":{"_by":"level","n":{"$count":true},"low":{"$min":"age"},"high":{"$max":"born"}}}]
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE "deletedAt" IS NULL
-- the worker finishes it

-- [{"$group":{"_by":"name","total":{"$sum":"age"},"mean":{"$avg":"balance"}}}]
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE "deletedAt" IS NULL
-- the worker finishes it

-- [{"$group":{"_by":null,"first":{"$min":"name"}}}]
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE "deletedAt" IS NULL
-- the worker finishes it

-- [{"$match":{"age":{"$gt":3}}},{"$group":{"_by":"active","n":{"$count":true}}},{"$match":{"n":{"$gte":2}}},{"$sort":{"n":-1}},{"$limit":3}]
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE "deletedAt" IS NULL AND "age" > ?
-- 3
-- the worker finishes it

-- [{"$sort":{"age":-1}},{"$limit":10},{"$match":{"active":true}},{"$project":{"name":1}}]
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE "deletedAt" IS NULL
-- the worker finishes it

-- [{"$sort":{"age":1}},{"$skip":2},{"$limit":3},{"$skip":1},{"$count":"rows"}]
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE "deletedAt" IS NULL
-- the worker finishes it

-- [{"$match":{"name":"a"}},{"$count":"rows"},{"$match":{"rows":{"$ne":0}}}]
SELECT "_stage"."_c0" AS "_c0" FROM (SELECT COUNT(*) AS "_c0" FROM "people" WHERE "deletedAt" IS NULL AND "name" + CHAR(0) = ? + CHAR(0)) "_stage" WHERE ("_stage"."_c0" <> ? OR "_stage"."_c0" IS NULL)
-- "a" 0

-- update
UPDATE "people" SET "_version" = ?, "name" = ? WHERE "id" = ?
-- 1 "a" "p1"

-- load
SELECT "id", "_version", "name", "bio", "email", "age", "level", "active", "born", "balance", "extra", "rank", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE "id" = ?
-- "p1"

-- touch
UPDATE "people" SET "_version" = "_version" WHERE "id" = ?
-- "p1"

-- touch by a filter
UPDATE "people" SET "_version" = "_version" WHERE "id" IN (?)
-- "p1"

-- link
INSERT INTO "friends" ("personId", "relatedPersonId") SELECT CAST(? AS VARCHAR(255)), CAST(? AS VARCHAR(255)) WHERE NOT EXISTS (SELECT 1 FROM "friends" WHERE "personId" = ? AND "relatedPersonId" = ?)
-- "p1" "p2" "p1" "p2"

-- links of 1
SELECT "personId", "relatedPersonId" FROM "friends" WHERE "personId" IN (?) ORDER BY "personId", "relatedPersonId"
-- "p1"

-- links to 3
SELECT "personId", "relatedPersonId" FROM "friends" WHERE "relatedPersonId" IN (?, ?, ?, ?) ORDER BY "personId", "relatedPersonId"
-- "p1" "p1" "p1" "p1"

-- unlink 3
DELETE FROM "friends" WHERE "personId" = ? AND "relatedPersonId" IN (?, ?, ?, ?)
-- "p1" "p1" "p1" "p1" "p1"

-- delete
DELETE FROM "people" WHERE "id" = ?
-- "p1"

-- load Cat
SELECT "id", "_version", "name", "kind" FROM "pets" WHERE "id" = ? AND "kind" = 'it''s a cat'
-- "c1"

-- insert Cat
INSERT INTO "pets" ("id", "_version", "name", "kind") VALUES (?, ?, ?, ?)
-- "c1" 1 null "it's a cat"

-- change
INSERT INTO "_octo_changes" ("seq", "tx", "entity", "rec_id", "verb", "version", "after", "old", "changed", "principal", "request_id", "transport", "idem", "req_hash", "at") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- 1 1 "t" "t" "t" 1 null null null "t" "t" "t" "t" null 1

-- changes
SELECT TOP 256 "seq", "tx", "entity", "rec_id", "verb", "version", "after", "old", "changed", "principal", "request_id", "transport", "idem", "req_hash", "at" FROM "_octo_changes" WHERE "seq" > ? ORDER BY "seq"
-- 0

-- oldest
SELECT MIN("seq") FROM "_octo_changes"

-- newest
SELECT MAX("seq") FROM "_octo_changes"

-- change by key
SELECT "seq", "tx", "entity", "rec_id", "verb", "version", "after", "old", "changed", "principal", "request_id", "transport", "idem", "req_hash", "at" FROM "_octo_changes" WHERE "principal" = ? AND "idem" = ?
-- "t" "t"

-- stored reply
SELECT "req_hash", "body", "seq" FROM "_octo_replies" WHERE "principal" = ? AND "idem" = ?
-- "t" "t"

-- store reply
INSERT INTO "_octo_replies" ("principal", "idem", "req_hash", "body", "seq", "at") VALUES (?, ?, ?, ?, ?, ?)
-- "t" "t" null "t" 1 1

-- add meta
INSERT INTO "_octo_meta" ("value", "key") VALUES (?, ?)
-- "t" "t"

-- set meta
UPDATE "_octo_meta" SET "value" = ? WHERE "key" = ?
-- "t" "t"

-- meta
SELECT "value" FROM "_octo_meta" WHERE "key" = ?
-- "t"

