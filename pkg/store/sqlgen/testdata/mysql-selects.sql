-- everything
SELECT `id`, `_version`, `name`, `we"ird]`, `age`, `level`, `active`, `born`, `balance`, `extra`, `boss`, `createdAt`, `updatedAt`, `deletedAt` FROM `people`

-- sorted page
SELECT `id`, `_version`, `name`, `we"ird]`, `age`, `level`, `active`, `born`, `balance`, `extra`, `boss`, `createdAt`, `updatedAt`, `deletedAt` FROM `people` WHERE `name` = ? ORDER BY `balance` DESC, `name`, `id` LIMIT ? OFFSET ?
-- "x" 20 40

-- limit
SELECT `id`, `_version`, `name`, `we"ird]`, `age`, `level`, `active`, `born`, `balance`, `extra`, `boss`, `createdAt`, `updatedAt`, `deletedAt` FROM `people` ORDER BY `id` LIMIT ?
-- 20

-- touch
UPDATE `people` SET `_version` = `_version` WHERE `id` IN (?)
-- "a"

-- touch what a condition narrows
UPDATE `people` SET `_version` = `_version` WHERE `id` IN (?)
-- "a"

-- skip
SELECT `id`, `_version`, `name`, `we"ird]`, `age`, `level`, `active`, `born`, `balance`, `extra`, `boss`, `createdAt`, `updatedAt`, `deletedAt` FROM `people` ORDER BY `id` LIMIT 18446744073709551615 OFFSET ?
-- 40

-- no columns
SELECT 1 FROM `people`

-- count
SELECT COUNT(*) FROM `people` WHERE `name` = ?
-- "x"

-- count of a page
SELECT COUNT(*) FROM (SELECT 1 AS `one` FROM `people` LIMIT ? OFFSET ?) `page`
-- 5 1

