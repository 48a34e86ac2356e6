-- {"name":"a"}
SELECT `id` FROM `people` WHERE `name` = @p1
-- "a"
-- not {"name":"a"}
SELECT `id` FROM `people` WHERE (`name` <> @p1 OR `name` IS NULL)
-- "a"
-- {"name":{"$ne":"a"}}
SELECT `id` FROM `people` WHERE (`name` <> @p1 OR `name` IS NULL)
-- "a"
-- not {"name":{"$ne":"a"}}
SELECT `id` FROM `people` WHERE `name` = @p1
-- "a"
-- {"level":{"$in":[1,2,3]}}
SELECT `id` FROM `people` WHERE `level` IN UNNEST(@p1)
-- 1
-- 2
-- 3
-- not {"level":{"$in":[1,2,3]}}
SELECT `id` FROM `people` WHERE (`level` NOT IN UNNEST(@p1) OR `level` IS NULL)
-- 1
-- 2
-- 3
-- {"level":{"$nin":[1,null]}}
SELECT `id` FROM `people` WHERE (`level` <> @p1 OR `level` IS NULL) AND `level` IS NOT NULL
-- 1
-- not {"level":{"$nin":[1,null]}}
SELECT `id` FROM `people` WHERE (`level` = @p1 OR `level` IS NULL)
-- 1
-- {"balance":{"$gte":"1.50"}}
SELECT `id` FROM `people` WHERE `balance` >= @p1
-- 1.5
-- not {"balance":{"$gte":"1.50"}}
SELECT `id` FROM `people` WHERE (`balance` < @p1 OR `balance` IS NULL)
-- 1.5
-- {"name":{"$regex":"^ab"}}
SELECT `id` FROM `people` WHERE (`name` >= @p1 AND `name` < @p2)
-- "ab"
-- "ac"
-- not {"name":{"$regex":"^ab"}}
SELECT `id` FROM `people` WHERE (`name` < @p1 OR `name` >= @p2 OR `name` IS NULL)
-- "ab"
-- "ac"
-- {"name":{"$regex":"ab$"}}
SELECT `id` FROM `people` WHERE ENDS_WITH(`name`, @p1)
-- "ab"
-- not {"name":{"$regex":"ab$"}}
SELECT `id` FROM `people` WHERE (NOT ENDS_WITH(`name`, @p1) OR `name` IS NULL)
-- "ab"
-- {"name":{"$regex":"ab"}}
SELECT `id` FROM `people` WHERE STRPOS(`name`, @p1) > 0
-- "ab"
-- not {"name":{"$regex":"ab"}}
SELECT `id` FROM `people` WHERE (STRPOS(`name`, @p1) = 0 OR `name` IS NULL)
-- "ab"
-- {"name":{"$regex":"a.*b"}}
SELECT `id` FROM `people` WHERE REGEXP_CONTAINS(`name`, @p1)
-- "a.*b"
-- not {"name":{"$regex":"a.*b"}}
SELECT `id` FROM `people` WHERE (NOT REGEXP_CONTAINS(`name`, @p1) OR `name` IS NULL)
-- "a.*b"
-- {"name":{"$regex":"AB","$regexFlags":"i"}} (the worker decides)
SELECT `id`, `octo_version`, `name`, `email`, `age`, `level`, `active`, `born`, `balance`, `extra`, `createdAt`, `updatedAt`, `deletedAt` FROM `people` WHERE (STRPOS(LOWER(`name`), @p1) > 0 OR REGEXP_CONTAINS(`name`, @p2))
-- "ab"
-- "[^\\x00-\\x7F]"
-- not {"name":{"$regex":"AB","$regexFlags":"i"}} (the worker decides)
SELECT `id`, `octo_version`, `name`, `email`, `age`, `level`, `active`, `born`, `balance`, `extra`, `createdAt`, `updatedAt`, `deletedAt` FROM `people` WHERE ((STRPOS(LOWER(`name`), @p1) = 0 OR REGEXP_CONTAINS(`name`, @p2)) OR `name` IS NULL)
-- "ab"
-- "[^\\x00-\\x7F]"
-- {"name":{"$regex":"^a.c","$regexFlags":"i"}} (the worker decides)
SELECT `id`, `octo_version`, `name`, `email`, `age`, `level`, `active`, `born`, `balance`, `extra`, `createdAt`, `updatedAt`, `deletedAt` FROM `people` WHERE (REGEXP_CONTAINS(LOWER(`name`), @p1) OR REGEXP_CONTAINS(`name`, @p2))
-- "\\Aa.c"
-- "[^\\x00-\\x7F]"
-- not {"name":{"$regex":"^a.c","$regexFlags":"i"}} (the worker decides)
SELECT `id`, `octo_version`, `name`, `email`, `age`, `level`, `active`, `born`, `balance`, `extra`, `createdAt`, `updatedAt`, `deletedAt` FROM `people` WHERE ((NOT REGEXP_CONTAINS(LOWER(`name`), @p1) OR REGEXP_CONTAINS(`name`, @p2)) OR `name` IS NULL)
-- "\\Aa.c"
-- "[^\\x00-\\x7F]"
-- {"name":{"$regex":"^[a-c]+x|y"}}
SELECT `id` FROM `people` WHERE REGEXP_CONTAINS(`name`, @p1)
-- "^[a-c]+x|y"
-- not {"name":{"$regex":"^[a-c]+x|y"}}
SELECT `id` FROM `people` WHERE (NOT REGEXP_CONTAINS(`name`, @p1) OR `name` IS NULL)
-- "^[a-c]+x|y"
-- [{"$group":{"_by":"name","n":{"$count":true},"total":{"$sum":"level"},"mean":{"$avg":"level"},"high":{"$max":"balance"}}},{"$match":{"n":{"$gte":2}}},{"$sort":{"n":-1}},{"$limit":3}]
SELECT `octo_stage`.`_c0` AS `_c0`, `octo_stage`.`_c1` AS `_c1`, `octo_stage`.`_c2` AS `_c2`, `octo_stage`.`_c3` AS `_c3`, `octo_stage`.`_c4` AS `_c4` FROM (SELECT `name` AS `_c0`, COUNT(*) AS `_c1`, COALESCE(SUM(CAST(`level` AS NUMERIC)), 0) AS `_c2`, CAST(SUM(CAST(`level` AS NUMERIC)) AS FLOAT64) / NULLIF(COUNT(`level`), 0) AS `_c3`, MAX(`balance`) AS `_c4` FROM `people` WHERE `deletedAt` IS NULL GROUP BY `name`) `octo_stage` WHERE `octo_stage`.`_c1` >= @p1 ORDER BY `octo_stage`.`_c1` DESC, `octo_stage`.`_c0` DESC LIMIT @p2
-- 2
-- 3
-- [{"$sort":{"age":-1}},{"$skip":2},{"$limit":10},{"$group":{"_by":null,"sum":{"$sum":"age"},"ten":{"$sum":10}}}]
SELECT `octo_stage`.`_c0` AS `_c0`, `octo_stage`.`_c1` AS `_c1` FROM (SELECT COALESCE(SUM(`octo_stage`.`_c4`), 0) AS `_c0`, CAST(COUNT(*) AS FLOAT64) * @p1 AS `_c1` FROM (SELECT `id` AS `_c0`, `octo_version` AS `_c1`, `name` AS `_c2`, `email` AS `_c3`, `age` AS `_c4`, `level` AS `_c5`, `active` AS `_c6`, `born` AS `_c7`, `balance` AS `_c8`, `extra` AS `_c9`, `createdAt` AS `_c10`, `updatedAt` AS `_c11`, `deletedAt` AS `_c12`, `age` AS `_o0`, `id` AS `_o1` FROM `people` WHERE `deletedAt` IS NULL ORDER BY `age` DESC, `id` DESC LIMIT @p2 OFFSET @p3) `octo_stage`) `octo_stage`
-- 10
-- 10
-- 2
-- count of a page
SELECT COUNT(*) FROM (SELECT 1 AS `one` FROM `people` LIMIT @p1 OFFSET @p2) `page`
-- 5
-- 1
-- DDL
CREATE TABLE `people` (`id` STRING(MAX) NOT NULL, `octo_version` INT64 NOT NULL DEFAULT (1), `name` STRING(MAX), `email` STRING(MAX), `age` FLOAT64, `level` INT64, `active` BOOL, `born` TIMESTAMP, `balance` STRING(MAX), `extra` STRING(MAX), `createdAt` TIMESTAMP, `updatedAt` TIMESTAMP, `deletedAt` TIMESTAMP) PRIMARY KEY (`id`)
CREATE INDEX `uq_people_email` ON `people` (`email`)
-- DDL
CREATE TABLE `friends` (`personId` STRING(MAX) NOT NULL, `relatedPersonId` STRING(MAX) NOT NULL) PRIMARY KEY (`personId`, `relatedPersonId`)
CREATE INDEX `ix_friends_relatedPersonId` ON `friends` (`relatedPersonId`, `personId`)
-- DDL
CREATE TABLE `octo_octo_changes` (`seq` INT64 NOT NULL, `tx` INT64 NOT NULL, `entity` STRING(MAX) NOT NULL, `rec_id` STRING(MAX) NOT NULL, `verb` STRING(MAX) NOT NULL, `version` INT64 NOT NULL, `after` STRING(MAX), `old` STRING(MAX), `changed` STRING(MAX), `principal` STRING(MAX) NOT NULL, `request_id` STRING(MAX) NOT NULL, `transport` STRING(MAX) NOT NULL, `idem` STRING(MAX), `req_hash` BYTES(MAX), `at` INT64 NOT NULL) PRIMARY KEY (`seq`)
CREATE INDEX `uq_octo_changes_idem` ON `octo_octo_changes` (`principal`, `idem`)
-- DDL
CREATE TABLE `octo_octo_meta` (`key` STRING(MAX) NOT NULL, `value` STRING(MAX) NOT NULL) PRIMARY KEY (`key`)
-- DDL
CREATE TABLE `octo_octo_replies` (`principal` STRING(MAX) NOT NULL, `idem` STRING(MAX) NOT NULL, `req_hash` BYTES(MAX), `body` STRING(MAX), `seq` INT64 NOT NULL, `at` INT64 NOT NULL) PRIMARY KEY (`principal`, `idem`)
CREATE INDEX `ix_octo_replies_at` ON `octo_octo_replies` (`at`)
-- DDL
CREATE TABLE `octo_octo_schema_journal` (`n` INT64 NOT NULL, `catalog` STRING(MAX) NOT NULL, `step` STRING(MAX) NOT NULL, `at` INT64 NOT NULL, `ref` STRING(MAX), `state` STRING(MAX), `error` STRING(MAX)) PRIMARY KEY (`n`)
