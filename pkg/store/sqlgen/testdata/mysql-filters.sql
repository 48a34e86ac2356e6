-- {}
SELECT `id` FROM `people`

-- {"name":"a"}
SELECT `id` FROM `people` WHERE `name` = ?
-- "a"

-- not {"name":"a"}
SELECT `id` FROM `people` WHERE (`name` <> ? OR `name` IS NULL)
-- "a"

-- {"name":null}
SELECT `id` FROM `people` WHERE `name` IS NULL

-- not {"name":null}
SELECT `id` FROM `people` WHERE `name` IS NOT NULL

-- {"name":{"$ne":"a"}}
SELECT `id` FROM `people` WHERE (`name` <> ? OR `name` IS NULL)
-- "a"

-- not {"name":{"$ne":"a"}}
SELECT `id` FROM `people` WHERE `name` = ?
-- "a"

-- {"name":{"$ne":null}}
SELECT `id` FROM `people` WHERE `name` IS NOT NULL

-- not {"name":{"$ne":null}}
SELECT `id` FROM `people` WHERE `name` IS NULL

-- {"id":{"$ne":"x"}}
SELECT `id` FROM `people` WHERE `id` <> ?
-- "x"

-- not {"id":{"$ne":"x"}}
SELECT `id` FROM `people` WHERE `id` = ?
-- "x"

-- {"age":{"$gt":1,"$lte":2}}
SELECT `id` FROM `people` WHERE `age` > ? AND `age` <= ?
-- 1 2

-- not {"age":{"$gt":1,"$lte":2}}
SELECT `id` FROM `people` WHERE ((`age` <= ? OR `age` IS NULL) OR (`age` > ? OR `age` IS NULL))
-- 1 2

-- {"balance":{"$gte":"1.50"}}
SELECT `id` FROM `people` WHERE `balance` >= CAST(? AS DECIMAL(65,30))
-- 1.5

-- not {"balance":{"$gte":"1.50"}}
SELECT `id` FROM `people` WHERE (`balance` < CAST(? AS DECIMAL(65,30)) OR `balance` IS NULL)
-- 1.5

-- {"born":{"$lt":"2020-01-02"}}
SELECT `id` FROM `people` WHERE `born` < CAST(? AS DATETIME(3))
-- "2020-01-02T00:00:00.000Z"

-- not {"born":{"$lt":"2020-01-02"}}
SELECT `id` FROM `people` WHERE (`born` >= CAST(? AS DATETIME(3)) OR `born` IS NULL)
-- "2020-01-02T00:00:00.000Z"

-- {"extra":{"a":1}}
SELECT `id` FROM `people` WHERE `extra` = ?
-- {"a":1}

-- not {"extra":{"a":1}}
SELECT `id` FROM `people` WHERE (`extra` <> ? OR `extra` IS NULL)
-- {"a":1}

-- {"level":{"$in":[1]}}
SELECT `id` FROM `people` WHERE `level` = ?
-- 1

-- not {"level":{"$in":[1]}}
SELECT `id` FROM `people` WHERE (`level` <> ? OR `level` IS NULL)
-- 1

-- {"level":{"$in":[1,2,3]}}
SELECT `id` FROM `people` WHERE `level` IN (?, ?, ?, ?)
-- 1 2 3 3

-- not {"level":{"$in":[1,2,3]}}
SELECT `id` FROM `people` WHERE (`level` NOT IN (?, ?, ?, ?) OR `level` IS NULL)
-- 1 2 3 3

-- {"level":{"$in":[1,null]}}
SELECT `id` FROM `people` WHERE (`level` = ? OR `level` IS NULL)
-- 1

-- not {"level":{"$in":[1,null]}}
SELECT `id` FROM `people` WHERE ((`level` <> ? OR `level` IS NULL) AND `level` IS NOT NULL)
-- 1

-- {"level":{"$in":[]}}
SELECT `id` FROM `people` WHERE 1=0

-- not {"level":{"$in":[]}}
SELECT `id` FROM `people` WHERE 1=1

-- {"level":{"$nin":[1,2]}}
SELECT `id` FROM `people` WHERE (`level` NOT IN (?, ?) OR `level` IS NULL)
-- 1 2

-- not {"level":{"$nin":[1,2]}}
SELECT `id` FROM `people` WHERE `level` IN (?, ?)
-- 1 2

-- {"level":{"$nin":[1,null]}}
SELECT `id` FROM `people` WHERE (`level` <> ? OR `level` IS NULL) AND `level` IS NOT NULL
-- 1

-- not {"level":{"$nin":[1,null]}}
SELECT `id` FROM `people` WHERE (`level` = ? OR `level` IS NULL)
-- 1

-- {"level":{"$nin":[null]}}
SELECT `id` FROM `people` WHERE `level` IS NOT NULL

-- not {"level":{"$nin":[null]}}
SELECT `id` FROM `people` WHERE `level` IS NULL

-- {"level":{"$exists":false}}
SELECT `id` FROM `people` WHERE `level` IS NULL

-- not {"level":{"$exists":false}}
SELECT `id` FROM `people` WHERE `level` IS NOT NULL

-- {"$or":[{"name":"a"},{"age":1,"active":true}]}
SELECT `id` FROM `people` WHERE (`name` = ? OR (`age` = ? AND `active` = ?))
-- "a" 1 true

-- not {"$or":[{"name":"a"},{"age":1,"active":true}]}
SELECT `id` FROM `people` WHERE ((`name` <> ? OR `name` IS NULL) AND ((`age` <> ? OR `age` IS NULL) OR (`active` <> ? OR `active` IS NULL)))
-- "a" 1 true

-- {"weird":"x"}
SELECT `id` FROM `people` WHERE `we"ird]` = ?
-- "x"

-- not {"weird":"x"}
SELECT `id` FROM `people` WHERE (`we"ird]` <> ? OR `we"ird]` IS NULL)
-- "x"

-- {"boss":"p1"}
SELECT `id` FROM `people` WHERE `boss` = ?
-- "p1"

-- not {"boss":"p1"}
SELECT `id` FROM `people` WHERE (`boss` <> ? OR `boss` IS NULL)
-- "p1"

-- {"name":{"$regex":"^ab"}}
SELECT `id` FROM `people` WHERE (`name` >= ? AND `name` < ?)
-- "ab" "ac"

-- not {"name":{"$regex":"^ab"}}
SELECT `id` FROM `people` WHERE (`name` < ? OR `name` >= ? OR `name` IS NULL)
-- "ab" "ac"

-- {"name":{"$regex":"^ab$"}}
SELECT `id` FROM `people` WHERE `name` = ?
-- "ab"

-- not {"name":{"$regex":"^ab$"}}
SELECT `id` FROM `people` WHERE (`name` <> ? OR `name` IS NULL)
-- "ab"

-- {"name":{"$regex":"ab$"}}
SELECT `id` FROM `people` WHERE RIGHT(`name`, ?) = ?
-- 2 "ab"

-- not {"name":{"$regex":"ab$"}}
SELECT `id` FROM `people` WHERE (RIGHT(`name`, ?) <> ? OR `name` IS NULL)
-- 2 "ab"

-- {"name":{"$regex":"a.*b"}}
SELECT `id`, `_version`, `name`, `we"ird]`, `age`, `level`, `active`, `born`, `balance`, `extra`, `boss`, `createdAt`, `updatedAt`, `deletedAt` FROM `people` WHERE `name` IS NOT NULL

-- not {"name":{"$regex":"a.*b"}}
SELECT `id`, `_version`, `name`, `we"ird]`, `age`, `level`, `active`, `born`, `balance`, `extra`, `boss`, `createdAt`, `updatedAt`, `deletedAt` FROM `people` WHERE (`name` IS NOT NULL OR `name` IS NULL)

-- {"name":{"$regex":"ab"}}
SELECT `id` FROM `people` WHERE LOCATE(?, `name`) > 0
-- "ab"

-- not {"name":{"$regex":"ab"}}
SELECT `id` FROM `people` WHERE (LOCATE(?, `name`) = 0 OR `name` IS NULL)
-- "ab"

-- {"name":{"$regex":"AB","$regexFlags":"i"}}
SELECT `id`, `_version`, `name`, `we"ird]`, `age`, `level`, `active`, `born`, `balance`, `extra`, `boss`, `createdAt`, `updatedAt`, `deletedAt` FROM `people` WHERE (LOCATE(?, LOWER(`name`)) > 0 OR LENGTH(`name`) <> CHAR_LENGTH(`name`))
-- "ab"

-- not {"name":{"$regex":"AB","$regexFlags":"i"}}
SELECT `id`, `_version`, `name`, `we"ird]`, `age`, `level`, `active`, `born`, `balance`, `extra`, `boss`, `createdAt`, `updatedAt`, `deletedAt` FROM `people` WHERE ((LOCATE(?, LOWER(`name`)) = 0 OR LENGTH(`name`) <> CHAR_LENGTH(`name`)) OR `name` IS NULL)
-- "ab"

-- {"name":{"$regex":"^[a-c]+x|y"}}
SELECT `id`, `_version`, `name`, `we"ird]`, `age`, `level`, `active`, `born`, `balance`, `extra`, `boss`, `createdAt`, `updatedAt`, `deletedAt` FROM `people` WHERE `name` IS NOT NULL

-- not {"name":{"$regex":"^[a-c]+x|y"}}
SELECT `id`, `_version`, `name`, `we"ird]`, `age`, `level`, `active`, `born`, `balance`, `extra`, `boss`, `createdAt`, `updatedAt`, `deletedAt` FROM `people` WHERE (`name` IS NOT NULL OR `name` IS NULL)

-- {"name":{"$regex":".*"}}
SELECT `id` FROM `people` WHERE `name` IS NOT NULL

-- not {"name":{"$regex":".*"}}
SELECT `id` FROM `people` WHERE `name` IS NULL

-- nothing
SELECT `id` FROM `people` WHERE 1=0

-- a comparison with null
SELECT `id` FROM `people` WHERE 1=0

-- not a comparison with null
SELECT `id` FROM `people` WHERE 1=1

-- De Morgan
SELECT `id` FROM `people` WHERE ((`age` <= ? OR `age` IS NULL) AND `level` = ? AND (`level` IN (?) OR 1=0))
-- 1 2 3

-- search
SELECT `id`, `_version`, `name`, `we"ird]`, `age`, `level`, `active`, `born`, `balance`, `extra`, `boss`, `createdAt`, `updatedAt`, `deletedAt` FROM `people` WHERE ((LOCATE(?, LOWER(`name`)) > 0 OR LENGTH(`name`) <> CHAR_LENGTH(`name`)) OR (LOCATE(?, LOWER(`we"ird]`)) > 0 OR LENGTH(`we"ird]`) <> CHAR_LENGTH(`we"ird]`)))
-- "é" "é"

-- not search
SELECT `id`, `_version`, `name`, `we"ird]`, `age`, `level`, `active`, `born`, `balance`, `extra`, `boss`, `createdAt`, `updatedAt`, `deletedAt` FROM `people` WHERE (((LOCATE(?, LOWER(`name`)) = 0 OR LENGTH(`name`) <> CHAR_LENGTH(`name`)) OR `name` IS NULL) AND ((LOCATE(?, LOWER(`we"ird]`)) = 0 OR LENGTH(`we"ird]`) <> CHAR_LENGTH(`we"ird]`)) OR `we"ird]` IS NULL))
-- "é" "é"

-- the highest prefix
SELECT `id` FROM `people` WHERE (`name` >= ?)
-- "􏿿"

-- below the surrogates
SELECT `id` FROM `people` WHERE (`name` >= ? AND `name` < ?)
-- "a퟿" "a"

