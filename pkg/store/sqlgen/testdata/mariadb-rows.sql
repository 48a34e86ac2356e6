-- load Person
SELECT `id`, `_version`, `name`, `we"ird]`, `age`, `level`, `active`, `born`, `balance`, `extra`, `boss`, `createdAt`, `updatedAt`, `deletedAt` FROM `people` WHERE `id` = ? FOR UPDATE

-- insert Person
INSERT INTO `people` (`id`, `_version`, `name`, `we"ird]`, `age`, `level`, `active`, `born`, `balance`, `extra`, `boss`, `createdAt`, `updatedAt`, `deletedAt`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- "i1" 1 null null null null null null null null null null null null

-- update Person
UPDATE `people` SET `_version` = ?, `name` = ? WHERE `id` = ?
-- 1 null "i1"

-- delete Person
DELETE FROM `people` WHERE `id` = ?

-- link
INSERT IGNORE INTO `friends` (`personId`, `relatedPersonId`) VALUES (?, ?)

-- unlink 3
DELETE FROM `friends` WHERE `personId` = ? AND `relatedPersonId` IN (?, ?, ?, ?)

-- links of 1
SELECT `personId`, `relatedPersonId` FROM `friends` WHERE `personId` IN (?) ORDER BY `personId`, `relatedPersonId`

-- links to 3
SELECT `personId`, `relatedPersonId` FROM `friends` WHERE `relatedPersonId` IN (?, ?, ?, ?) ORDER BY `personId`, `relatedPersonId`

-- load Cat
SELECT `id`, `_version`, `name`, `kind` FROM `pets` WHERE `id` = ? AND `kind` = 'it''s a cat' FOR UPDATE

-- insert Cat
INSERT INTO `pets` (`id`, `_version`, `name`, `kind`) VALUES (?, ?, ?, ?)
-- "i1" 1 null "it's a cat"

-- update Cat
UPDATE `pets` SET `_version` = ?, `name` = ? WHERE `id` = ? AND `kind` = 'it''s a cat'
-- 1 null "i1"

-- delete Cat
DELETE FROM `pets` WHERE `id` = ? AND `kind` = 'it''s a cat'

-- log
INSERT INTO `_octo_changes` (`seq`, `tx`, `entity`, `rec_id`, `verb`, `version`, `after`, `old`, `changed`, `principal`, `request_id`, `transport`, `idem`, `req_hash`, `at`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- log
SELECT `seq`, `tx`, `entity`, `rec_id`, `verb`, `version`, `after`, `old`, `changed`, `principal`, `request_id`, `transport`, `idem`, `req_hash`, `at` FROM `_octo_changes` WHERE `seq` > ? ORDER BY `seq` LIMIT ?

-- log
SELECT MIN(`seq`) FROM `_octo_changes`

-- log
SELECT `seq`, `tx`, `entity`, `rec_id`, `verb`, `version`, `after`, `old`, `changed`, `principal`, `request_id`, `transport`, `idem`, `req_hash`, `at` FROM `_octo_changes` WHERE `principal` = ? AND `idem` = ?

-- log
SELECT `req_hash`, `body`, `seq` FROM `_octo_replies` WHERE `principal` = ? AND `idem` = ?

-- log
INSERT INTO `_octo_replies` (`principal`, `idem`, `req_hash`, `body`, `seq`, `at`) VALUES (?, ?, ?, ?, ?, ?)

-- log
SELECT `value` FROM `_octo_meta` WHERE `key` = ?

-- log
UPDATE `_octo_meta` SET `value` = ? WHERE `key` = ?

-- log
INSERT INTO `_octo_meta` (`value`, `key`) VALUES (?, ?)

