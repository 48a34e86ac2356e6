-- {}
SELECT "id" FROM "people"

-- {"name":"a"}
SELECT "id" FROM "people" WHERE "name" = ?
-- "a"

-- not {"name":"a"}
SELECT "id" FROM "people" WHERE "name" IS NOT ?
-- "a"

-- {"name":null}
SELECT "id" FROM "people" WHERE "name" IS NULL

-- not {"name":null}
SELECT "id" FROM "people" WHERE "name" IS NOT NULL

-- {"name":{"$ne":"a"}}
SELECT "id" FROM "people" WHERE "name" IS NOT ?
-- "a"

-- not {"name":{"$ne":"a"}}
SELECT "id" FROM "people" WHERE "name" = ?
-- "a"

-- {"name":{"$ne":null}}
SELECT "id" FROM "people" WHERE "name" IS NOT NULL

-- not {"name":{"$ne":null}}
SELECT "id" FROM "people" WHERE "name" IS NULL

-- {"id":{"$ne":"x"}}
SELECT "id" FROM "people" WHERE "id" <> ?
-- "x"

-- not {"id":{"$ne":"x"}}
SELECT "id" FROM "people" WHERE "id" = ?
-- "x"

-- {"age":{"$gt":1,"$lte":2}}
SELECT "id" FROM "people" WHERE "age" > ? AND "age" <= ?
-- 1 2

-- not {"age":{"$gt":1,"$lte":2}}
SELECT "id" FROM "people" WHERE (("age" <= ? OR "age" IS NULL) OR ("age" > ? OR "age" IS NULL))
-- 1 2

-- {"balance":{"$gte":"1.50"}}
SELECT "id" FROM "people" WHERE "balance" COLLATE octo_decimal >= ?
-- 1.5

-- not {"balance":{"$gte":"1.50"}}
SELECT "id" FROM "people" WHERE ("balance" COLLATE octo_decimal < ? OR "balance" IS NULL)
-- 1.5

-- {"born":{"$lt":"2020-01-02"}}
SELECT "id" FROM "people" WHERE "born" < ?
-- "2020-01-02T00:00:00.000Z"

-- not {"born":{"$lt":"2020-01-02"}}
SELECT "id" FROM "people" WHERE ("born" >= ? OR "born" IS NULL)
-- "2020-01-02T00:00:00.000Z"

-- {"extra":{"a":1}}
SELECT "id" FROM "people" WHERE "extra" = ?
-- {"a":1}

-- not {"extra":{"a":1}}
SELECT "id" FROM "people" WHERE "extra" IS NOT ?
-- {"a":1}

-- {"level":{"$in":[1]}}
SELECT "id" FROM "people" WHERE "level" = ?
-- 1

-- not {"level":{"$in":[1]}}
SELECT "id" FROM "people" WHERE "level" IS NOT ?
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
SELECT "id" FROM "people" WHERE ("level" IS NOT ? AND "level" IS NOT NULL)
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
SELECT "id" FROM "people" WHERE "level" IS NOT ? AND "level" IS NOT NULL
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

-- {"$or":[{"name":"a"},{"age":1,"active":true}]}
SELECT "id" FROM "people" WHERE ("name" = ? OR ("age" = ? AND "active" = ?))
-- "a" 1 true

-- not {"$or":[{"name":"a"},{"age":1,"active":true}]}
SELECT "id" FROM "people" WHERE ("name" IS NOT ? AND ("age" IS NOT ? OR "active" IS NOT ?))
-- "a" 1 true

-- {"weird":"x"}
SELECT "id" FROM "people" WHERE "we""ird]" = ?
-- "x"

-- not {"weird":"x"}
SELECT "id" FROM "people" WHERE "we""ird]" IS NOT ?
-- "x"

-- {"boss":"p1"}
SELECT "id" FROM "people" WHERE "boss" = ?
-- "p1"

-- not {"boss":"p1"}
SELECT "id" FROM "people" WHERE "boss" IS NOT ?
-- "p1"

-- {"name":{"$regex":"^ab"}}
SELECT "id" FROM "people" WHERE ("name" >= ? AND "name" < ?)
-- "ab" "ac"

-- not {"name":{"$regex":"^ab"}}
SELECT "id" FROM "people" WHERE ("name" < ? OR "name" >= ? OR "name" IS NULL)
-- "ab" "ac"

-- {"name":{"$regex":"^ab$"}}
SELECT "id" FROM "people" WHERE "name" = ?
-- "ab"

-- not {"name":{"$regex":"^ab$"}}
SELECT "id" FROM "people" WHERE "name" IS NOT ?
-- "ab"

-- {"name":{"$regex":"ab$"}}
SELECT "id" FROM "people" WHERE substr("name", -?) = ?
-- 2 "ab"

-- not {"name":{"$regex":"ab$"}}
SELECT "id" FROM "people" WHERE (substr("name", -?) <> ? OR "name" IS NULL)
-- 2 "ab"

-- {"name":{"$regex":"a.*b"}}
SELECT "id" FROM "people" WHERE octo_regex("name", ?, ?)
-- "a.*b" false

-- not {"name":{"$regex":"a.*b"}}
SELECT "id" FROM "people" WHERE (octo_regex("name", ?, ?) = 0 OR "name" IS NULL)
-- "a.*b" false

-- {"name":{"$regex":"ab"}}
SELECT "id" FROM "people" WHERE instr("name", ?) > 0
-- "ab"

-- not {"name":{"$regex":"ab"}}
SELECT "id" FROM "people" WHERE (instr("name", ?) = 0 OR "name" IS NULL)
-- "ab"

-- {"name":{"$regex":"AB","$regexFlags":"i"}}
SELECT "id" FROM "people" WHERE octo_contains("name", ?)
-- "ab"

-- not {"name":{"$regex":"AB","$regexFlags":"i"}}
SELECT "id" FROM "people" WHERE (octo_contains("name", ?) = 0 OR "name" IS NULL)
-- "ab"

-- {"name":{"$regex":"^[a-c]+x|y"}}
SELECT "id" FROM "people" WHERE octo_regex("name", ?, ?)
-- "^[a-c]+x|y" false

-- not {"name":{"$regex":"^[a-c]+x|y"}}
SELECT "id" FROM "people" WHERE (octo_regex("name", ?, ?) = 0 OR "name" IS NULL)
-- "^[a-c]+x|y" false

-- {"name":{"$regex":".*"}}
SELECT "id" FROM "people" WHERE "name" IS NOT NULL

-- not {"name":{"$regex":".*"}}
SELECT "id" FROM "people" WHERE "name" IS NULL

-- nothing
SELECT "id" FROM "people" WHERE 1=0

-- a comparison with null
SELECT "id" FROM "people" WHERE 1=0

-- not a comparison with null
SELECT "id" FROM "people" WHERE 1=1

-- De Morgan
SELECT "id" FROM "people" WHERE (("age" <= ? OR "age" IS NULL) AND "level" = ? AND ("level" IN (?) OR 1=0))
-- 1 2 3

-- search
SELECT "id" FROM "people" WHERE (octo_contains("name", ?) OR octo_contains("we""ird]", ?))
-- "é" "é"

-- not search
SELECT "id" FROM "people" WHERE ((octo_contains("name", ?) = 0 OR "name" IS NULL) AND (octo_contains("we""ird]", ?) = 0 OR "we""ird]" IS NULL))
-- "é" "é"

-- the highest prefix
SELECT "id" FROM "people" WHERE ("name" >= ?)
-- "􏿿"

-- below the surrogates
SELECT "id" FROM "people" WHERE ("name" >= ? AND "name" < ?)
-- "a퟿" "a"

