-- {}
SELECT [id] FROM [people]

-- {"name":"a"}
SELECT [id] FROM [people] WHERE [name] = $1
-- "a"

-- not {"name":"a"}
SELECT [id] FROM [people] WHERE ([name] <> $1 OR [name] IS NULL)
-- "a"

-- {"name":null}
SELECT [id] FROM [people] WHERE [name] IS NULL

-- not {"name":null}
SELECT [id] FROM [people] WHERE [name] IS NOT NULL

-- {"name":{"$ne":"a"}}
SELECT [id] FROM [people] WHERE ([name] <> $1 OR [name] IS NULL)
-- "a"

-- not {"name":{"$ne":"a"}}
SELECT [id] FROM [people] WHERE [name] = $1
-- "a"

-- {"name":{"$ne":null}}
SELECT [id] FROM [people] WHERE [name] IS NOT NULL

-- not {"name":{"$ne":null}}
SELECT [id] FROM [people] WHERE [name] IS NULL

-- {"id":{"$ne":"x"}}
SELECT [id] FROM [people] WHERE [id] <> $1
-- "x"

-- not {"id":{"$ne":"x"}}
SELECT [id] FROM [people] WHERE [id] = $1
-- "x"

-- {"age":{"$gt":1,"$lte":2}}
SELECT [id] FROM [people] WHERE [age] > $1 AND [age] <= $2
-- 1 2

-- not {"age":{"$gt":1,"$lte":2}}
SELECT [id] FROM [people] WHERE (([age] <= $1 OR [age] IS NULL) OR ([age] > $2 OR [age] IS NULL))
-- 1 2

-- {"balance":{"$gte":"1.50"}}
SELECT [id] FROM [people] WHERE [balance] >= $1
-- 1.5

-- not {"balance":{"$gte":"1.50"}}
SELECT [id] FROM [people] WHERE ([balance] < $1 OR [balance] IS NULL)
-- 1.5

-- {"born":{"$lt":"2020-01-02"}}
SELECT [id] FROM [people] WHERE [born] < $1
-- "2020-01-02T00:00:00.000Z"

-- not {"born":{"$lt":"2020-01-02"}}
SELECT [id] FROM [people] WHERE ([born] >= $1 OR [born] IS NULL)
-- "2020-01-02T00:00:00.000Z"

-- {"extra":{"a":1}}
SELECT [id] FROM [people] WHERE [extra] = $1
-- {"a":1}

-- not {"extra":{"a":1}}
SELECT [id] FROM [people] WHERE ([extra] <> $1 OR [extra] IS NULL)
-- {"a":1}

-- {"level":{"$in":[1]}}
SELECT [id] FROM [people] WHERE [level] = $1
-- 1

-- not {"level":{"$in":[1]}}
SELECT [id] FROM [people] WHERE ([level] <> $1 OR [level] IS NULL)
-- 1

-- {"level":{"$in":[1,2,3]}}
SELECT [id] FROM [people] WHERE ([level] IN ($1, $2) OR [level] IN ($3, $4))
-- 1 2 3 3

-- not {"level":{"$in":[1,2,3]}}
SELECT [id] FROM [people] WHERE (([level] NOT IN ($1, $2) AND [level] NOT IN ($3, $4)) OR [level] IS NULL)
-- 1 2 3 3

-- {"level":{"$in":[1,null]}}
SELECT [id] FROM [people] WHERE ([level] = $1 OR [level] IS NULL)
-- 1

-- not {"level":{"$in":[1,null]}}
SELECT [id] FROM [people] WHERE (([level] <> $1 OR [level] IS NULL) AND [level] IS NOT NULL)
-- 1

-- {"level":{"$in":[]}}
SELECT [id] FROM [people] WHERE 1=0

-- not {"level":{"$in":[]}}
SELECT [id] FROM [people] WHERE 1=1

-- {"level":{"$nin":[1,2]}}
SELECT [id] FROM [people] WHERE ([level] NOT IN ($1, $2) OR [level] IS NULL)
-- 1 2

-- not {"level":{"$nin":[1,2]}}
SELECT [id] FROM [people] WHERE [level] IN ($1, $2)
-- 1 2

-- {"level":{"$nin":[1,null]}}
SELECT [id] FROM [people] WHERE ([level] <> $1 OR [level] IS NULL) AND [level] IS NOT NULL
-- 1

-- not {"level":{"$nin":[1,null]}}
SELECT [id] FROM [people] WHERE ([level] = $1 OR [level] IS NULL)
-- 1

-- {"level":{"$nin":[null]}}
SELECT [id] FROM [people] WHERE [level] IS NOT NULL

-- not {"level":{"$nin":[null]}}
SELECT [id] FROM [people] WHERE [level] IS NULL

-- {"level":{"$exists":false}}
SELECT [id] FROM [people] WHERE [level] IS NULL

-- not {"level":{"$exists":false}}
SELECT [id] FROM [people] WHERE [level] IS NOT NULL

-- {"$or":[{"name":"a"},{"age":1,"active":true}]}
SELECT [id] FROM [people] WHERE ([name] = $1 OR ([age] = $2 AND [active] = $3))
-- "a" 1 true

-- not {"$or":[{"name":"a"},{"age":1,"active":true}]}
SELECT [id] FROM [people] WHERE (([name] <> $1 OR [name] IS NULL) AND (([age] <> $2 OR [age] IS NULL) OR ([active] <> $3 OR [active] IS NULL)))
-- "a" 1 true

-- {"weird":"x"}
SELECT [id] FROM [people] WHERE [we"ird]]] = $1
-- "x"

-- not {"weird":"x"}
SELECT [id] FROM [people] WHERE ([we"ird]]] <> $1 OR [we"ird]]] IS NULL)
-- "x"

-- {"boss":"p1"}
SELECT [id] FROM [people] WHERE [boss] = $1
-- "p1"

-- not {"boss":"p1"}
SELECT [id] FROM [people] WHERE ([boss] <> $1 OR [boss] IS NULL)
-- "p1"

-- {"name":{"$regex":"^ab"}}
SELECT [id] FROM [people] WHERE (SORT([name]) >= SORT($1) AND SORT([name]) < SORT($2))
-- "ab" "ac"

-- not {"name":{"$regex":"^ab"}}
SELECT [id] FROM [people] WHERE (SORT([name]) < SORT($1) OR SORT([name]) >= SORT($2) OR [name] IS NULL)
-- "ab" "ac"

-- {"name":{"$regex":"^ab$"}}
SELECT [id] FROM [people] WHERE [name] = $1
-- "ab"

-- not {"name":{"$regex":"^ab$"}}
SELECT [id] FROM [people] WHERE ([name] <> $1 OR [name] IS NULL)
-- "ab"

-- {"name":{"$regex":"ab$"}}
SELECT [id] FROM [people] WHERE MATCH_$([name], $1)
-- "ab"

-- not {"name":{"$regex":"ab$"}}
SELECT [id] FROM [people] WHERE (NOT MATCH_$([name], $1) OR [name] IS NULL)
-- "ab"

-- {"name":{"$regex":"a.*b"}}
SELECT [id] FROM [people] WHERE MATCH_r([name], $1)
-- ""

-- not {"name":{"$regex":"a.*b"}}
SELECT [id] FROM [people] WHERE (NOT MATCH_r([name], $1) OR [name] IS NULL)
-- ""

-- {"name":{"$regex":"ab"}}
SELECT [id] FROM [people] WHERE MATCH_~([name], $1)
-- "ab"

-- not {"name":{"$regex":"ab"}}
SELECT [id] FROM [people] WHERE (NOT MATCH_~([name], $1) OR [name] IS NULL)
-- "ab"

-- {"name":{"$regex":"AB","$regexFlags":"i"}}
SELECT [id], [_version], [name], [we"ird]]], [age], [level], [active], [born], [balance], [extra], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE MATCH_f([name], $1)
-- "ab"

-- not {"name":{"$regex":"AB","$regexFlags":"i"}}
SELECT [id], [_version], [name], [we"ird]]], [age], [level], [active], [born], [balance], [extra], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE (NOT MATCH_f([name], $1) OR [name] IS NULL)
-- "ab"

-- {"name":{"$regex":"^[a-c]+x|y"}}
SELECT [id] FROM [people] WHERE MATCH_r([name], $1)
-- ""

-- not {"name":{"$regex":"^[a-c]+x|y"}}
SELECT [id] FROM [people] WHERE (NOT MATCH_r([name], $1) OR [name] IS NULL)
-- ""

-- {"name":{"$regex":".*"}}
SELECT [id] FROM [people] WHERE [name] IS NOT NULL

-- not {"name":{"$regex":".*"}}
SELECT [id] FROM [people] WHERE [name] IS NULL

-- nothing
SELECT [id] FROM [people] WHERE 1=0

-- a comparison with null
SELECT [id] FROM [people] WHERE 1=0

-- not a comparison with null
SELECT [id] FROM [people] WHERE 1=1

-- De Morgan
SELECT [id] FROM [people] WHERE (([age] <= $1 OR [age] IS NULL) AND [level] = $2 AND ([level] IN ($3) OR 1=0))
-- 1 2 3

-- search
SELECT [id], [_version], [name], [we"ird]]], [age], [level], [active], [born], [balance], [extra], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE (MATCH_f([name], $1) OR MATCH_f([we"ird]]], $2))
-- "é" "é"

-- not search
SELECT [id], [_version], [name], [we"ird]]], [age], [level], [active], [born], [balance], [extra], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE ((NOT MATCH_f([name], $1) OR [name] IS NULL) AND (NOT MATCH_f([we"ird]]], $2) OR [we"ird]]] IS NULL))
-- "é" "é"

-- the highest prefix
SELECT [id] FROM [people] WHERE (SORT([name]) >= SORT($1))
-- "􏿿"

-- below the surrogates
SELECT [id] FROM [people] WHERE (SORT([name]) >= SORT($1) AND SORT([name]) < SORT($2))
-- "a퟿" "a"

