-- everything
SELECT "id", "_version", "name", "we""ird]", "age", "level", "active", "born", "balance", "extra", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people"

-- sorted page
SELECT "id", "_version", "name", "we""ird]", "age", "level", "active", "born", "balance", "extra", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE "name" = $1 ORDER BY "balance" DESC NULLS LAST, "name" COLLATE "C" NULLS FIRST, "id" COLLATE "C" LIMIT 20 OFFSET $2
-- "x" 40

-- limit
SELECT "id", "_version", "name", "we""ird]", "age", "level", "active", "born", "balance", "extra", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" ORDER BY "id" COLLATE "C" LIMIT 20

-- touch
UPDATE "people" SET "_version" = "_version" WHERE "id" IN ($1)
-- "a"

-- touch what a condition narrows
UPDATE "people" SET "_version" = "_version" WHERE "id" IN ($1)
-- "a"

-- skip
SELECT "id", "_version", "name", "we""ird]", "age", "level", "active", "born", "balance", "extra", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" ORDER BY "id" COLLATE "C" LIMIT ALL OFFSET $1
-- 40

-- no columns
SELECT 1 FROM "people"

-- count
SELECT COUNT(*) FROM "people" WHERE "name" = $1
-- "x"

-- count of a page
SELECT COUNT(*) FROM (SELECT 1 AS "one" FROM "people" LIMIT 5 OFFSET $1) "page"
-- 1

