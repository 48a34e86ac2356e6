-- [{"$group":{"_by":"name","n":{"$count":true},"total":{"$sum":"age"}}}]
SELECT `_stage`.`_c0` AS `_c0`, `_stage`.`_c1` AS `_c1`, `_stage`.`_c2` AS `_c2` FROM (SELECT `name` AS `_c0`, COUNT(*) AS `_c1`, COALESCE(SUM(`age`), 0) AS `_c2` FROM `people` WHERE `deletedAt` IS NULL GROUP BY `name`) `_stage` LIMIT ?
-- 1000

-- [{"$group":{"_by":null,"sum":{"$sum":"level"},"avg":{"$avg":"level"},"low":{"$min":"born"},"high":{"$max":"balance"},"money":{"$sum":"balance"},"ten":{"$sum":10},"mean":{"$avg":"age"}}}]
SELECT `_stage`.`_c0` AS `_c0`, `_stage`.`_c1` AS `_c1`, `_stage`.`_c2` AS `_c2`, `_stage`.`_c3` AS `_c3`, `_stage`.`_c4` AS `_c4`, `_stage`.`_c5` AS `_c5`, `_stage`.`_c6` AS `_c6` FROM (SELECT CASE WHEN COUNT(`level`) = 0 THEN 0 WHEN SUM(`level`) BETWEEN -9223372036854775808 AND 9223372036854775807 THEN CAST(SUM(`level`) AS SIGNED) END AS `_c0`, CAST(SUM(`level`) / COUNT(`level`) AS DOUBLE) AS `_c1`, MIN(`born`) AS `_c2`, MAX(`balance`) AS `_c3`, CASE WHEN COUNT(`balance`) = 0 THEN 0 WHEN CHAR_LENGTH(TRIM(BOTH '0' FROM REPLACE(CAST(ABS(SUM(`balance`)) AS CHAR), '.', ''))) <= 38 THEN SUM(`balance`) END AS `_c4`, CAST(COUNT(*) AS DOUBLE) * ? AS `_c5`, AVG(`age`) AS `_c6` FROM `people` WHERE `deletedAt` IS NULL) `_stage`
-- 10

-- [{"$match":{"age":{"$gt":3}}},{"$group":{"_by":"active","n":{"$count":true}}},{"$match":{"n":{"$gte":2}}},{"$sort":{"n":-1}},{"$limit":3}]
SELECT `_stage`.`_c0` AS `_c0`, `_stage`.`_c1` AS `_c1` FROM (SELECT `active` AS `_c0`, COUNT(*) AS `_c1` FROM `people` WHERE `deletedAt` IS NULL AND `age` > ? GROUP BY `active`) `_stage` WHERE `_stage`.`_c1` >= ? ORDER BY `_stage`.`_c1` DESC, `_stage`.`_c0` DESC LIMIT ?
-- 3 2 3

-- [{"$sort":{"age":-1}},{"$limit":10},{"$match":{"active":true}},{"$project":{"name":1}}]
SELECT `_stage`.`_c2` AS `_c0` FROM (SELECT `id` AS `_c0`, `_version` AS `_c1`, `name` AS `_c2`, `we"ird]` AS `_c3`, `age` AS `_c4`, `level` AS `_c5`, `active` AS `_c6`, `born` AS `_c7`, `balance` AS `_c8`, `extra` AS `_c9`, `boss` AS `_c10`, `createdAt` AS `_c11`, `updatedAt` AS `_c12`, `deletedAt` AS `_c13`, `age` AS `_o0`, `id` AS `_o1` FROM `people` WHERE `deletedAt` IS NULL ORDER BY `age` DESC, `id` DESC LIMIT ?) `_stage` WHERE `_stage`.`_c6` = ? ORDER BY `_stage`.`_o0` DESC, `_stage`.`_o1` DESC
-- 10 true

-- [{"$sort":{"age":1}},{"$skip":2},{"$limit":3},{"$skip":1},{"$count":"rows"}]
SELECT `_stage`.`_c0` AS `_c0` FROM (SELECT COUNT(*) AS `_c0` FROM (SELECT `_stage`.`_c0` AS `_c0`, `_stage`.`_c1` AS `_c1`, `_stage`.`_c2` AS `_c2`, `_stage`.`_c3` AS `_c3`, `_stage`.`_c4` AS `_c4`, `_stage`.`_c5` AS `_c5`, `_stage`.`_c6` AS `_c6`, `_stage`.`_c7` AS `_c7`, `_stage`.`_c8` AS `_c8`, `_stage`.`_c9` AS `_c9`, `_stage`.`_c10` AS `_c10`, `_stage`.`_c11` AS `_c11`, `_stage`.`_c12` AS `_c12`, `_stage`.`_c13` AS `_c13`, `_stage`.`_o0` AS `_o0`, `_stage`.`_o1` AS `_o1` FROM (SELECT `id` AS `_c0`, `_version` AS `_c1`, `name` AS `_c2`, `we"ird]` AS `_c3`, `age` AS `_c4`, `level` AS `_c5`, `active` AS `_c6`, `born` AS `_c7`, `balance` AS `_c8`, `extra` AS `_c9`, `boss` AS `_c10`, `createdAt` AS `_c11`, `updatedAt` AS `_c12`, `deletedAt` AS `_c13`, `age` AS `_o0`, `id` AS `_o1` FROM `people` WHERE `deletedAt` IS NULL ORDER BY `age`, `id` LIMIT ? OFFSET ?) `_stage` ORDER BY `_stage`.`_o0`, `_stage`.`_o1` LIMIT 18446744073709551615 OFFSET ?) `_stage`) `_stage`
-- 3 2 1

-- [{"$match":{"name":"a"}},{"$count":"rows"},{"$match":{"rows":{"$ne":0}}}]
SELECT `_stage`.`_c0` AS `_c0` FROM (SELECT COUNT(*) AS `_c0` FROM `people` WHERE `deletedAt` IS NULL AND `name` = ?) `_stage` WHERE (`_stage`.`_c0` <> ? OR `_stage`.`_c0` IS NULL)
-- "a" 0

