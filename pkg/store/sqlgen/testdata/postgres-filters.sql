-- {}
SELECT "id" FROM "people"

-- {"name":"a"}
SELECT "id" FROM "people" WHERE "name" = $1
-- "a"

-- not {"name":"a"}
SELECT "id" FROM "people" WHERE "name" IS DISTINCT FROM $1
-- "a"

-- {"name":null}
SELECT "id" FROM "people" WHERE "name" IS NULL

-- not {"name":null}
SELECT "id" FROM "people" WHERE "name" IS NOT NULL

-- {"name":{"$ne":"a"}}
SELECT "id" FROM "people" WHERE "name" IS DISTINCT FROM $1
-- "a"

-- not {"name":{"$ne":"a"}}
SELECT "id" FROM "people" WHERE "name" = $1
-- "a"

-- {"name":{"$ne":null}}
SELECT "id" FROM "people" WHERE "name" IS NOT NULL

-- not {"name":{"$ne":null}}
SELECT "id" FROM "people" WHERE "name" IS NULL

-- {"id":{"$ne":"x"}}
SELECT "id" FROM "people" WHERE "id" <> $1
-- "x"

-- not {"id":{"$ne":"x"}}
SELECT "id" FROM "people" WHERE "id" = $1
-- "x"

-- {"age":{"$gt":1,"$lte":2}}
SELECT "id" FROM "people" WHERE "age" > $1::double precision AND "age" <= $2::double precision
-- 1 2

-- not {"age":{"$gt":1,"$lte":2}}
SELECT "id" FROM "people" WHERE (("age" <= $1::double precision OR "age" IS NULL) OR ("age" > $2::double precision OR "age" IS NULL))
-- 1 2

-- {"balance":{"$gte":"1.50"}}
SELECT "id" FROM "people" WHERE "balance" >= $1::numeric
-- 1.5

-- not {"balance":{"$gte":"1.50"}}
SELECT "id" FROM "people" WHERE ("balance" < $1::numeric OR "balance" IS NULL)
-- 1.5

-- {"born":{"$lt":"2020-01-02"}}
SELECT "id" FROM "people" WHERE "born" < $1::timestamptz
-- "2020-01-02T00:00:00.000Z"

-- not {"born":{"$lt":"2020-01-02"}}
SELECT "id" FROM "people" WHERE ("born" >= $1::timestamptz OR "born" IS NULL)
-- "2020-01-02T00:00:00.000Z"

-- {"extra":{"a":1}}
SELECT "id" FROM "people" WHERE "extra"::text = $1
-- {"a":1}

-- not {"extra":{"a":1}}
SELECT "id" FROM "people" WHERE "extra"::text IS DISTINCT FROM $1
-- {"a":1}

-- {"level":{"$in":[1]}}
SELECT "id" FROM "people" WHERE "level" = $1::bigint
-- 1

-- not {"level":{"$in":[1]}}
SELECT "id" FROM "people" WHERE "level" IS DISTINCT FROM $1::bigint
-- 1

-- {"level":{"$in":[1,2,3]}}
SELECT "id" FROM "people" WHERE "level" IN ($1::bigint, $2::bigint, $3::bigint, $4::bigint)
-- 1 2 3 3

-- not {"level":{"$in":[1,2,3]}}
SELECT "id" FROM "people" WHERE ("level" NOT IN ($1::bigint, $2::bigint, $3::bigint, $4::bigint) OR "level" IS NULL)
-- 1 2 3 3

-- {"level":{"$in":[1,null]}}
SELECT "id" FROM "people" WHERE ("level" = $1::bigint OR "level" IS NULL)
-- 1

-- not {"level":{"$in":[1,null]}}
SELECT "id" FROM "people" WHERE ("level" IS DISTINCT FROM $1::bigint AND "level" IS NOT NULL)
-- 1

-- {"level":{"$in":[]}}
SELECT "id" FROM "people" WHERE 1=0

-- not {"level":{"$in":[]}}
SELECT "id" FROM "people" WHERE 1=1

-- {"level":{"$nin":[1,2]}}
SELECT "id" FROM "people" WHERE ("level" NOT IN ($1::bigint, $2::bigint) OR "level" IS NULL)
-- 1 2

-- not {"level":{"$nin":[1,2]}}
SELECT "id" FROM "people" WHERE "level" IN ($1::bigint, $2::bigint)
-- 1 2

-- {"level":{"$nin":[1,null]}}
SELECT "id" FROM "people" WHERE "level" IS DISTINCT FROM $1::bigint AND "level" IS NOT NULL
-- 1

-- not {"level":{"$nin":[1,null]}}
SELECT "id" FROM "people" WHERE ("level" = $1::bigint OR "level" IS NULL)
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
SELECT "id" FROM "people" WHERE ("name" = $1 OR ("age" = $2::double precision AND "active" = $3))
-- "a" 1 true

-- not {"$or":[{"name":"a"},{"age":1,"active":true}]}
SELECT "id" FROM "people" WHERE ("name" IS DISTINCT FROM $1 AND ("age" IS DISTINCT FROM $2::double precision OR "active" IS DISTINCT FROM $3))
-- "a" 1 true

-- {"weird":"x"}
SELECT "id" FROM "people" WHERE "we""ird]" = $1
-- "x"

-- not {"weird":"x"}
SELECT "id" FROM "people" WHERE "we""ird]" IS DISTINCT FROM $1
-- "x"

-- {"boss":"p1"}
SELECT "id" FROM "people" WHERE "boss" = $1
-- "p1"

-- not {"boss":"p1"}
SELECT "id" FROM "people" WHERE "boss" IS DISTINCT FROM $1
-- "p1"

-- {"name":{"$regex":"^ab"}}
SELECT "id" FROM "people" WHERE ("name" COLLATE "C" >= $1 AND "name" COLLATE "C" < $2)
-- "ab" "ac"

-- not {"name":{"$regex":"^ab"}}
SELECT "id" FROM "people" WHERE ("name" COLLATE "C" < $1 OR "name" COLLATE "C" >= $2 OR "name" IS NULL)
-- "ab" "ac"

-- {"name":{"$regex":"^ab$"}}
SELECT "id" FROM "people" WHERE "name" = $1
-- "ab"

-- not {"name":{"$regex":"^ab$"}}
SELECT "id" FROM "people" WHERE "name" IS DISTINCT FROM $1
-- "ab"

-- {"name":{"$regex":"ab$"}}
SELECT "id" FROM "people" WHERE right("name", $1::integer) = $2
-- 2 "ab"

-- not {"name":{"$regex":"ab$"}}
SELECT "id" FROM "people" WHERE (right("name", $1::integer) <> $2 OR "name" IS NULL)
-- 2 "ab"

-- {"name":{"$regex":"a.*b"}}
SELECT "id" FROM "people" WHERE "name" ~ $1
-- "a[^\\u000a]*b"

-- not {"name":{"$regex":"a.*b"}}
SELECT "id" FROM "people" WHERE ("name" !~ $1 OR "name" IS NULL)
-- "a[^\\u000a]*b"

-- {"name":{"$regex":"ab"}}
SELECT "id" FROM "people" WHERE strpos("name", $1) > 0
-- "ab"

-- not {"name":{"$regex":"ab"}}
SELECT "id" FROM "people" WHERE (strpos("name", $1) = 0 OR "name" IS NULL)
-- "ab"

-- {"name":{"$regex":"AB","$regexFlags":"i"}}
SELECT "id" FROM "people" WHERE strpos(CASE WHEN octet_length("name") = length("name") THEN lower("name" COLLATE "C") ELSE "_octo_lower"("name") END, $1) > 0
-- "ab"

-- not {"name":{"$regex":"AB","$regexFlags":"i"}}
SELECT "id" FROM "people" WHERE (strpos(CASE WHEN octet_length("name") = length("name") THEN lower("name" COLLATE "C") ELSE "_octo_lower"("name") END, $1) = 0 OR "name" IS NULL)
-- "ab"

-- {"name":{"$regex":"^[a-c]+x|y"}}
SELECT "id", "_version", "name", "we""ird]", "age", "level", "active", "born", "balance", "extra", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE 1=1

-- not {"name":{"$regex":"^[a-c]+x|y"}}
SELECT "id", "_version", "name", "we""ird]", "age", "level", "active", "born", "balance", "extra", "boss", "createdAt", "updatedAt", "deletedAt" FROM "people" WHERE (1=1 OR "name" IS NULL)

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
SELECT "id" FROM "people" WHERE (("age" <= $1::double precision OR "age" IS NULL) AND "level" = $2::bigint AND ("level" IN ($3::bigint) OR 1=0))
-- 1 2 3

-- search
SELECT "id" FROM "people" WHERE (strpos(CASE WHEN octet_length("name") = length("name") THEN lower("name" COLLATE "C") ELSE "_octo_lower"("name") END, $1) > 0 OR strpos(CASE WHEN octet_length("we""ird]") = length("we""ird]") THEN lower("we""ird]" COLLATE "C") ELSE "_octo_lower"("we""ird]") END, $2) > 0)
-- "é" "é"

-- not search
SELECT "id" FROM "people" WHERE ((strpos(CASE WHEN octet_length("name") = length("name") THEN lower("name" COLLATE "C") ELSE "_octo_lower"("name") END, $1) = 0 OR "name" IS NULL) AND (strpos(CASE WHEN octet_length("we""ird]") = length("we""ird]") THEN lower("we""ird]" COLLATE "C") ELSE "_octo_lower"("we""ird]") END, $2) = 0 OR "we""ird]" IS NULL))
-- "é" "é"

-- the highest prefix
SELECT "id" FROM "people" WHERE ("name" COLLATE "C" >= $1)
-- "􏿿"

-- below the surrogates
SELECT "id" FROM "people" WHERE ("name" COLLATE "C" >= $1 AND "name" COLLATE "C" < $2)
-- "a퟿" "a"

