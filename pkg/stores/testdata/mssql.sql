-- table people
CREATE TABLE [people] ([id] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8 NOT NULL, [_version] BIGINT DEFAULT 1 NOT NULL, [name] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8, [bio] VARCHAR(MAX) COLLATE Latin1_General_100_BIN2_UTF8, [email] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8, [age] FLOAT(53), [level] BIGINT, [active] BIT, [born] DATETIME2(3), [balance] DECIMAL(38,18), [extra] VARCHAR(MAX) COLLATE Latin1_General_100_BIN2_UTF8, [rank] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8, [boss] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8, [createdAt] DATETIME2(3), [updatedAt] DATETIME2(3), [deletedAt] DATETIME2(3), PRIMARY KEY ([id]))

-- table pets
CREATE TABLE [pets] ([id] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8 NOT NULL, [_version] BIGINT DEFAULT 1 NOT NULL, [name] VARCHAR(MAX) COLLATE Latin1_General_100_BIN2_UTF8, [kind] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8, [age] BIGINT, PRIMARY KEY ([id]))

-- table friends
CREATE TABLE [friends] ([personId] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8 NOT NULL, [relatedPersonId] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8 NOT NULL, PRIMARY KEY ([personId], [relatedPersonId]))

-- table _octo_changes
CREATE TABLE [_octo_changes] ([seq] BIGINT NOT NULL, [tx] BIGINT NOT NULL, [entity] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8 NOT NULL, [rec_id] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8 NOT NULL, [verb] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8 NOT NULL, [version] BIGINT NOT NULL, [after] VARCHAR(MAX) COLLATE Latin1_General_100_BIN2_UTF8, [old] VARCHAR(MAX) COLLATE Latin1_General_100_BIN2_UTF8, [changed] VARCHAR(MAX) COLLATE Latin1_General_100_BIN2_UTF8, [principal] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8 NOT NULL, [request_id] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8 NOT NULL, [transport] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8 NOT NULL, [idem] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8, [req_hash] VARBINARY(255), [at] BIGINT NOT NULL, PRIMARY KEY ([seq]))

-- table _octo_meta
CREATE TABLE [_octo_meta] ([key] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8 NOT NULL, [value] VARCHAR(MAX) COLLATE Latin1_General_100_BIN2_UTF8 NOT NULL, PRIMARY KEY ([key]))

-- table _octo_replies
CREATE TABLE [_octo_replies] ([principal] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8 NOT NULL, [idem] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8 NOT NULL, [req_hash] VARBINARY(255), [body] VARCHAR(MAX) COLLATE Latin1_General_100_BIN2_UTF8, [seq] BIGINT NOT NULL, [at] BIGINT NOT NULL, PRIMARY KEY ([principal], [idem]))

-- table _octo_schema_journal
CREATE TABLE [_octo_schema_journal] ([n] BIGINT IDENTITY(1,1) NOT NULL, [catalog] VARCHAR(MAX) COLLATE Latin1_General_100_BIN2_UTF8 NOT NULL, [step] VARCHAR(MAX) COLLATE Latin1_General_100_BIN2_UTF8 NOT NULL, [at] BIGINT NOT NULL, [ref] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8, [state] VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8, [error] VARCHAR(MAX) COLLATE Latin1_General_100_BIN2_UTF8, PRIMARY KEY ([n]))

-- index uq_people_email
CREATE UNIQUE INDEX [uq_people_email] ON [people] ([email]) WHERE [deletedAt] IS NULL AND [email] IS NOT NULL

-- index ix_people_boss
CREATE INDEX [ix_people_boss] ON [people] ([boss])

-- index idx_people_0
CREATE INDEX [idx_people_0] ON [people] ([level] DESC, [age])

-- index idx_people_1
CREATE UNIQUE INDEX [idx_people_1] ON [people] ([name], [level]) WHERE [name] IS NOT NULL AND [level] IS NOT NULL AND [deletedAt] IS NULL

-- index ix_friends_relatedPersonId
CREATE INDEX [ix_friends_relatedPersonId] ON [friends] ([relatedPersonId], [personId])

-- index uq_octo_changes_idem
CREATE UNIQUE INDEX [uq_octo_changes_idem] ON [_octo_changes] ([principal], [idem]) WHERE [idem] IS NOT NULL

-- index ix_octo_replies_at
CREATE INDEX [ix_octo_replies_at] ON [_octo_replies] ([at])

-- insert p1
INSERT INTO [people] ([id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt]) VALUES (@p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9, @p10, @p11, @p12, @p13, @p14, @p15, @p16)
-- "p1" 1 "a" null "x@y" 1 1 true "1970-01-01T00:00:00.000Z" 1.5 {"a":1} "a" null null null null

-- insert p2
INSERT INTO [people] ([id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt]) VALUES (@p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9, @p10, @p11, @p12, @p13, @p14, @p15, @p16)
-- "p2" 1 "ab" null null 1.5 2 false "2020-01-01T00:00:00.000Z" 10 null null "p1" null null null

-- insert p3
INSERT INTO [people] ([id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt]) VALUES (@p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9, @p10, @p11, @p12, @p13, @p14, @p15, @p16)
-- "p3" 1 "AB" "it's 100%" null 2 3 null null -2 null null null null null null

-- insert p4
INSERT INTO [people] ([id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt]) VALUES (@p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9, @p10, @p11, @p12, @p13, @p14, @p15, @p16)
-- "p4" 1 "a " null null null 2 null null null null null null null null null

-- insert p5
INSERT INTO [people] ([id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt]) VALUES (@p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9, @p10, @p11, @p12, @p13, @p14, @p15, @p16)
-- "p5" 1 null null null 3 null null null null null null "p2" null null null

-- insert p6
INSERT INTO [people] ([id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt]) VALUES (@p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9, @p10, @p11, @p12, @p13, @p14, @p15, @p16)
-- "p6" 1 "xabx" "ab" null null null true null null null "b" null null null null

-- insert p7
INSERT INTO [people] ([id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt]) VALUES (@p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9, @p10, @p11, @p12, @p13, @p14, @p15, @p16)
-- "p7" 1 "b" null null null -1 null null null null null null null null "1970-01-01T00:00:00.001Z"

-- {}
SELECT [id] FROM [people]

-- {"name":"a"}
SELECT [id] FROM [people] WHERE [name] + CHAR(0) = CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0)
-- "a"

-- not {"name":"a"}
SELECT [id] FROM [people] WHERE ([name] + CHAR(0) <> CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0) OR [name] IS NULL)
-- "a"

-- {"name":null}
SELECT [id] FROM [people] WHERE [name] IS NULL

-- not {"name":null}
SELECT [id] FROM [people] WHERE [name] IS NOT NULL

-- {"name":{"$ne":"a"}}
SELECT [id] FROM [people] WHERE ([name] + CHAR(0) <> CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0) OR [name] IS NULL)
-- "a"

-- not {"name":{"$ne":"a"}}
SELECT [id] FROM [people] WHERE [name] + CHAR(0) = CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0)
-- "a"

-- {"name":{"$ne":null}}
SELECT [id] FROM [people] WHERE [name] IS NOT NULL

-- not {"name":{"$ne":null}}
SELECT [id] FROM [people] WHERE [name] IS NULL

-- {"id":{"$ne":"p1"}}
SELECT [id] FROM [people] WHERE [id] <> CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8
-- "p1"

-- not {"id":{"$ne":"p1"}}
SELECT [id] FROM [people] WHERE [id] = CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8
-- "p1"

-- {"id":"p1"}
SELECT [id] FROM [people] WHERE [id] = CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8
-- "p1"

-- not {"id":"p1"}
SELECT [id] FROM [people] WHERE [id] <> CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8
-- "p1"

-- {"bio":"it's 100%"}
SELECT [id] FROM [people] WHERE [bio] + CHAR(0) = CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0)
-- "it's 100%"

-- not {"bio":"it's 100%"}
SELECT [id] FROM [people] WHERE ([bio] + CHAR(0) <> CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0) OR [bio] IS NULL)
-- "it's 100%"

-- {"age":{"$gt":1,"$lte":2}}
SELECT [id] FROM [people] WHERE [age] > @p1 AND [age] <= @p2
-- 1 2

-- not {"age":{"$gt":1,"$lte":2}}
SELECT [id] FROM [people] WHERE (([age] <= @p1 OR [age] IS NULL) OR ([age] > @p2 OR [age] IS NULL))
-- 1 2

-- {"balance":{"$gte":"1.50"}}
SELECT [id] FROM [people] WHERE [balance] >= CAST(@p1 AS DECIMAL(38,18))
-- 1.5

-- not {"balance":{"$gte":"1.50"}}
SELECT [id] FROM [people] WHERE ([balance] < CAST(@p1 AS DECIMAL(38,18)) OR [balance] IS NULL)
-- 1.5

-- {"balance":"10"}
SELECT [id] FROM [people] WHERE [balance] = CAST(@p1 AS DECIMAL(38,18))
-- 10

-- not {"balance":"10"}
SELECT [id] FROM [people] WHERE ([balance] <> CAST(@p1 AS DECIMAL(38,18)) OR [balance] IS NULL)
-- 10

-- {"born":{"$lt":"2020-01-02"}}
SELECT [id] FROM [people] WHERE [born] < CAST(@p1 AS DATETIME2(3))
-- "2020-01-02T00:00:00.000Z"

-- not {"born":{"$lt":"2020-01-02"}}
SELECT [id] FROM [people] WHERE ([born] >= CAST(@p1 AS DATETIME2(3)) OR [born] IS NULL)
-- "2020-01-02T00:00:00.000Z"

-- {"extra":{"a":1}}
SELECT [id] FROM [people] WHERE [extra] + CHAR(0) = CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0)
-- {"a":1}

-- not {"extra":{"a":1}}
SELECT [id] FROM [people] WHERE ([extra] + CHAR(0) <> CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0) OR [extra] IS NULL)
-- {"a":1}

-- {"active":true}
SELECT [id] FROM [people] WHERE [active] = @p1
-- true

-- not {"active":true}
SELECT [id] FROM [people] WHERE ([active] <> @p1 OR [active] IS NULL)
-- true

-- {"active":{"$ne":true}}
SELECT [id] FROM [people] WHERE ([active] <> @p1 OR [active] IS NULL)
-- true

-- not {"active":{"$ne":true}}
SELECT [id] FROM [people] WHERE [active] = @p1
-- true

-- {"level":{"$in":[1]}}
SELECT [id] FROM [people] WHERE [level] = @p1
-- 1

-- not {"level":{"$in":[1]}}
SELECT [id] FROM [people] WHERE ([level] <> @p1 OR [level] IS NULL)
-- 1

-- {"level":{"$in":[1,2,3]}}
SELECT [id] FROM [people] WHERE [level] IN (@p1, @p2, @p3, @p4)
-- 1 2 3 3

-- not {"level":{"$in":[1,2,3]}}
SELECT [id] FROM [people] WHERE ([level] NOT IN (@p1, @p2, @p3, @p4) OR [level] IS NULL)
-- 1 2 3 3

-- {"level":{"$in":[1,null]}}
SELECT [id] FROM [people] WHERE ([level] = @p1 OR [level] IS NULL)
-- 1

-- not {"level":{"$in":[1,null]}}
SELECT [id] FROM [people] WHERE (([level] <> @p1 OR [level] IS NULL) AND [level] IS NOT NULL)
-- 1

-- {"level":{"$in":[]}}
SELECT [id] FROM [people] WHERE 1=0

-- not {"level":{"$in":[]}}
SELECT [id] FROM [people] WHERE 1=1

-- {"level":{"$nin":[1,2]}}
SELECT [id] FROM [people] WHERE ([level] NOT IN (@p1, @p2) OR [level] IS NULL)
-- 1 2

-- not {"level":{"$nin":[1,2]}}
SELECT [id] FROM [people] WHERE [level] IN (@p1, @p2)
-- 1 2

-- {"level":{"$nin":[1,null]}}
SELECT [id] FROM [people] WHERE ([level] <> @p1 OR [level] IS NULL) AND [level] IS NOT NULL
-- 1

-- not {"level":{"$nin":[1,null]}}
SELECT [id] FROM [people] WHERE ([level] = @p1 OR [level] IS NULL)
-- 1

-- {"level":{"$nin":[null]}}
SELECT [id] FROM [people] WHERE [level] IS NOT NULL

-- not {"level":{"$nin":[null]}}
SELECT [id] FROM [people] WHERE [level] IS NULL

-- {"level":{"$exists":false}}
SELECT [id] FROM [people] WHERE [level] IS NULL

-- not {"level":{"$exists":false}}
SELECT [id] FROM [people] WHERE [level] IS NOT NULL

-- {"name":{"$in":["a","ab"]}}
SELECT [id] FROM [people] WHERE [name] + CHAR(0) IN (CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0), CAST(@p2 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0))
-- "a" "ab"

-- not {"name":{"$in":["a","ab"]}}
SELECT [id] FROM [people] WHERE ([name] + CHAR(0) NOT IN (CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0), CAST(@p2 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0)) OR [name] IS NULL)
-- "a" "ab"

-- {"$or":[{"name":"a"},{"age":1,"active":true}]}
SELECT [id] FROM [people] WHERE ([name] + CHAR(0) = CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0) OR ([age] = @p2 AND [active] = @p3))
-- "a" 1 true

-- not {"$or":[{"name":"a"},{"age":1,"active":true}]}
SELECT [id] FROM [people] WHERE (([name] + CHAR(0) <> CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0) OR [name] IS NULL) AND (([age] <> @p2 OR [age] IS NULL) OR ([active] <> @p3 OR [active] IS NULL)))
-- "a" 1 true

-- {"boss":"p1"}
SELECT [id] FROM [people] WHERE [boss] = CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8
-- "p1"

-- not {"boss":"p1"}
SELECT [id] FROM [people] WHERE ([boss] <> CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 OR [boss] IS NULL)
-- "p1"

-- {"rank":{"$gte":"b"}}
SELECT [id] FROM [people] WHERE [rank] + CHAR(0) >= CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0)
-- "b"

-- not {"rank":{"$gte":"b"}}
SELECT [id] FROM [people] WHERE ([rank] + CHAR(0) < CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0) OR [rank] IS NULL)
-- "b"

-- {"name":{"$gte":"a","$lt":"b"}}
SELECT [id] FROM [people] WHERE [name] + CHAR(0) >= CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0) AND [name] + CHAR(0) < CAST(@p2 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0)
-- "a" "b"

-- not {"name":{"$gte":"a","$lt":"b"}}
SELECT [id] FROM [people] WHERE (([name] + CHAR(0) < CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0) OR [name] IS NULL) OR ([name] + CHAR(0) >= CAST(@p2 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0) OR [name] IS NULL))
-- "a" "b"

-- {"deletedAt":null}
SELECT [id] FROM [people] WHERE [deletedAt] IS NULL

-- not {"deletedAt":null}
SELECT [id] FROM [people] WHERE [deletedAt] IS NOT NULL

-- {"name":{"$regex":"^ab"}}
SELECT [id] FROM [people] WHERE ([name] + CHAR(0) >= CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0) AND [name] + CHAR(0) < CAST(@p2 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0))
-- "ab" "ac"

-- not {"name":{"$regex":"^ab"}}
SELECT [id] FROM [people] WHERE ([name] + CHAR(0) < CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0) OR [name] + CHAR(0) >= CAST(@p2 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0) OR [name] IS NULL)
-- "ab" "ac"

-- {"name":{"$regex":"^ab$"}}
SELECT [id] FROM [people] WHERE [name] + CHAR(0) = CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0)
-- "ab"

-- not {"name":{"$regex":"^ab$"}}
SELECT [id] FROM [people] WHERE ([name] + CHAR(0) <> CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0) OR [name] IS NULL)
-- "ab"

-- {"name":{"$regex":"ab$"}}
SELECT [id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE [name] IS NOT NULL
-- the worker finishes it

-- not {"name":{"$regex":"ab$"}}
SELECT [id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE ([name] IS NOT NULL OR [name] IS NULL)
-- the worker finishes it

-- {"name":{"$regex":"a.*b"}}
SELECT [id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE [name] IS NOT NULL
-- the worker finishes it

-- not {"name":{"$regex":"a.*b"}}
SELECT [id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE ([name] IS NOT NULL OR [name] IS NULL)
-- the worker finishes it

-- {"name":{"$regex":"ab"}}
SELECT [id] FROM [people] WHERE CHARINDEX(@p1, [name]) > 0
-- "ab"

-- not {"name":{"$regex":"ab"}}
SELECT [id] FROM [people] WHERE (CHARINDEX(@p1, [name]) = 0 OR [name] IS NULL)
-- "ab"

-- {"name":{"$regex":"AB","$regexFlags":"i"}}
SELECT [id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE [name] IS NOT NULL
-- the worker finishes it

-- not {"name":{"$regex":"AB","$regexFlags":"i"}}
SELECT [id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE ([name] IS NOT NULL OR [name] IS NULL)
-- the worker finishes it

-- {"name":{"$regex":"^[a-c]+x|y"}}
SELECT [id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE [name] IS NOT NULL
-- the worker finishes it

-- not {"name":{"$regex":"^[a-c]+x|y"}}
SELECT [id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE ([name] IS NOT NULL OR [name] IS NULL)
-- the worker finishes it

-- {"name":{"$regex":".*"}}
SELECT [id] FROM [people] WHERE [name] IS NOT NULL

-- not {"name":{"$regex":".*"}}
SELECT [id] FROM [people] WHERE [name] IS NULL

-- search
SELECT [id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE ([name] IS NOT NULL OR [bio] IS NOT NULL)
-- the worker finishes it

-- by balance
SELECT [id] FROM [people] ORDER BY [balance] DESC, [id]

-- by name
SELECT [id] FROM [people] ORDER BY [name] + CHAR(0), [id]

-- by id
SELECT [id] FROM [people] ORDER BY [id]

-- sorted page
SELECT [id] FROM [people] ORDER BY [balance] DESC, [name] + CHAR(0), [id] OFFSET @p1 ROWS FETCH NEXT @p2 ROWS ONLY
-- 2 3

-- limit
SELECT [id] FROM [people] ORDER BY [id] OFFSET @p1 ROWS FETCH NEXT @p2 ROWS ONLY
-- 0 2

-- skip
SELECT [id] FROM [people] ORDER BY [id] OFFSET @p1 ROWS
-- 3

-- count
SELECT COUNT(*) FROM [people]

-- count
SELECT COUNT(*) FROM (SELECT 1 AS [one] FROM [people] ORDER BY (SELECT NULL) OFFSET @p1 ROWS FETCH NEXT @p2 ROWS ONLY) [page]
-- 1 5

-- [{"$group":{"_by":"name","n":{"$count":true}}}]
SELECT [_stage].[_c0] AS [_c0], [_stage].[_c1] AS [_c1] FROM (SELECT [name] AS [_c0], COUNT(*) AS [_c1] FROM [people] WHERE [deletedAt] IS NULL GROUP BY [name] + CHAR(0), [name]) [_stage] OFFSET @p1 ROWS FETCH NEXT @p2 ROWS ONLY
-- 0 1000

-- [{"$group":{"_by":"level","n":{"$count":true},"low":{"$min":"age"},"high":{"$max":"born"}}}]
SELECT [_stage].[_c0] AS [_c0], [_stage].[_c1] AS [_c1], [_stage].[_c2] AS [_c2], [_stage].[_c3] AS [_c3] FROM (SELECT [level] AS [_c0], COUNT(*) AS [_c1], MIN([age]) AS [_c2], MAX([born]) AS [_c3] FROM [people] WHERE [deletedAt] IS NULL GROUP BY [level]) [_stage] OFFSET @p1 ROWS FETCH NEXT @p2 ROWS ONLY
-- 0 1000

-- [{"$group":{"_by":"name","total":{"$sum":"age"},"mean":{"$avg":"balance"}}}]
SELECT [id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE [deletedAt] IS NULL
-- the worker finishes it

-- [{"$group":{"_by":null,"first":{"$min":"name"}}}]
SELECT [id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE [deletedAt] IS NULL
-- the worker finishes it

-- [{"$match":{"age":{"$gt":3}}},{"$group":{"_by":"active","n":{"$count":true}}},{"$match":{"n":{"$gte":2}}},{"$sort":{"n":-1}},{"$limit":3}]
SELECT [_stage].[_c0] AS [_c0], [_stage].[_c1] AS [_c1] FROM (SELECT [active] AS [_c0], COUNT(*) AS [_c1] FROM [people] WHERE [deletedAt] IS NULL AND [age] > @p1 GROUP BY [active]) [_stage] WHERE [_stage].[_c1] >= @p2 ORDER BY [_stage].[_c1] DESC, [_stage].[_c0] DESC OFFSET @p3 ROWS FETCH NEXT @p4 ROWS ONLY
-- 3 2 0 3

-- [{"$sort":{"age":-1}},{"$limit":10},{"$match":{"active":true}},{"$project":{"name":1}}]
SELECT [_stage].[_c2] AS [_c0] FROM (SELECT [id] AS [_c0], [_version] AS [_c1], [name] AS [_c2], [bio] AS [_c3], [email] AS [_c4], [age] AS [_c5], [level] AS [_c6], [active] AS [_c7], [born] AS [_c8], [balance] AS [_c9], [extra] AS [_c10], [rank] AS [_c11], [boss] AS [_c12], [createdAt] AS [_c13], [updatedAt] AS [_c14], [deletedAt] AS [_c15], [age] AS [_o0], [id] AS [_o1] FROM [people] WHERE [deletedAt] IS NULL ORDER BY [age] DESC, [id] DESC OFFSET @p1 ROWS FETCH NEXT @p2 ROWS ONLY) [_stage] WHERE [_stage].[_c7] = @p3 ORDER BY [_stage].[_o0] DESC, [_stage].[_o1] DESC
-- 0 10 true

-- [{"$sort":{"age":1}},{"$skip":2},{"$limit":3},{"$skip":1},{"$count":"rows"}]
SELECT [_stage].[_c0] AS [_c0] FROM (SELECT COUNT(*) AS [_c0] FROM (SELECT [_stage].[_c0] AS [_c0], [_stage].[_c1] AS [_c1], [_stage].[_c2] AS [_c2], [_stage].[_c3] AS [_c3], [_stage].[_c4] AS [_c4], [_stage].[_c5] AS [_c5], [_stage].[_c6] AS [_c6], [_stage].[_c7] AS [_c7], [_stage].[_c8] AS [_c8], [_stage].[_c9] AS [_c9], [_stage].[_c10] AS [_c10], [_stage].[_c11] AS [_c11], [_stage].[_c12] AS [_c12], [_stage].[_c13] AS [_c13], [_stage].[_c14] AS [_c14], [_stage].[_c15] AS [_c15], [_stage].[_o0] AS [_o0], [_stage].[_o1] AS [_o1] FROM (SELECT [id] AS [_c0], [_version] AS [_c1], [name] AS [_c2], [bio] AS [_c3], [email] AS [_c4], [age] AS [_c5], [level] AS [_c6], [active] AS [_c7], [born] AS [_c8], [balance] AS [_c9], [extra] AS [_c10], [rank] AS [_c11], [boss] AS [_c12], [createdAt] AS [_c13], [updatedAt] AS [_c14], [deletedAt] AS [_c15], [age] AS [_o0], [id] AS [_o1] FROM [people] WHERE [deletedAt] IS NULL ORDER BY [age], [id] OFFSET @p1 ROWS FETCH NEXT @p2 ROWS ONLY) [_stage] ORDER BY [_stage].[_o0], [_stage].[_o1] OFFSET @p3 ROWS) [_stage]) [_stage]
-- 2 3 1

-- [{"$match":{"name":"a"}},{"$count":"rows"},{"$match":{"rows":{"$ne":0}}}]
SELECT [_stage].[_c0] AS [_c0] FROM (SELECT COUNT(*) AS [_c0] FROM [people] WHERE [deletedAt] IS NULL AND [name] + CHAR(0) = CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8 + CHAR(0)) [_stage] WHERE ([_stage].[_c0] <> @p2 OR [_stage].[_c0] IS NULL)
-- "a" 0

-- update
UPDATE [people] SET [_version] = @p1, [name] = @p2 WHERE [id] = @p3
-- 1 "a" "p1"

-- load
SELECT [id], [_version], [name], [bio], [email], [age], [level], [active], [born], [balance], [extra], [rank], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE [id] = @p1
-- "p1"

-- touch
UPDATE [people] SET [_version] = [_version] WHERE [id] = @p1
-- "p1"

-- touch by a filter
UPDATE [people] SET [_version] = [_version] WHERE [id] IN (CAST(@p1 AS VARCHAR(MAX)) COLLATE Latin1_General_100_BIN2_UTF8)
-- "p1"

-- link
INSERT INTO [friends] ([personId], [relatedPersonId]) SELECT CAST(@p1 AS VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8), CAST(@p2 AS VARCHAR(255) COLLATE Latin1_General_100_BIN2_UTF8) WHERE NOT EXISTS (SELECT 1 FROM [friends] WHERE [personId] = @p3 AND [relatedPersonId] = @p4)
-- "p1" "p2" "p1" "p2"

-- links of 1
SELECT [personId], [relatedPersonId] FROM [friends] WHERE [personId] IN (@p1) ORDER BY [personId], [relatedPersonId]
-- "p1"

-- links to 3
SELECT [personId], [relatedPersonId] FROM [friends] WHERE [relatedPersonId] IN (@p1, @p2, @p3, @p4) ORDER BY [personId], [relatedPersonId]
-- "p1" "p1" "p1" "p1"

-- unlink 3
DELETE FROM [friends] WHERE [personId] = @p1 AND [relatedPersonId] IN (@p2, @p3, @p4, @p5)
-- "p1" "p1" "p1" "p1" "p1"

-- delete
DELETE FROM [people] WHERE [id] = @p1
-- "p1"

-- load Cat
SELECT [id], [_version], [name], [kind] FROM [pets] WHERE [id] = @p1 AND [kind] = 'it''s a cat'
-- "c1"

-- insert Cat
INSERT INTO [pets] ([id], [_version], [name], [kind]) VALUES (@p1, @p2, @p3, @p4)
-- "c1" 1 null "it's a cat"

-- change
INSERT INTO [_octo_changes] ([seq], [tx], [entity], [rec_id], [verb], [version], [after], [old], [changed], [principal], [request_id], [transport], [idem], [req_hash], [at]) VALUES (@p1, @p2, @p3, @p4, @p5, @p6, @p7, @p8, @p9, @p10, @p11, @p12, @p13, @p14, @p15)
-- 1 1 "t" "t" "t" 1 null null null "t" "t" "t" "t" null 1

-- changes
SELECT [seq], [tx], [entity], [rec_id], [verb], [version], [after], [old], [changed], [principal], [request_id], [transport], [idem], [req_hash], [at] FROM [_octo_changes] WHERE [seq] > @p1 ORDER BY [seq] OFFSET 0 ROWS FETCH NEXT @p2 ROWS ONLY
-- 0 5

-- oldest
SELECT MIN([seq]) FROM [_octo_changes]

-- newest
SELECT MAX([seq]) FROM [_octo_changes]

-- change by key
SELECT [seq], [tx], [entity], [rec_id], [verb], [version], [after], [old], [changed], [principal], [request_id], [transport], [idem], [req_hash], [at] FROM [_octo_changes] WHERE [principal] = @p1 AND [idem] = @p2
-- "t" "t"

-- stored reply
SELECT [req_hash], [body], [seq] FROM [_octo_replies] WHERE [principal] = @p1 AND [idem] = @p2
-- "t" "t"

-- store reply
INSERT INTO [_octo_replies] ([principal], [idem], [req_hash], [body], [seq], [at]) VALUES (@p1, @p2, @p3, @p4, @p5, @p6)
-- "t" "t" null "t" 1 1

-- add meta
INSERT INTO [_octo_meta] ([value], [key]) VALUES (@p1, @p2)
-- "t" "t"

-- set meta
UPDATE [_octo_meta] SET [value] = @p1 WHERE [key] = @p2
-- "t" "t"

-- meta
SELECT [value] FROM [_octo_meta] WHERE [key] = @p1
-- "t"

