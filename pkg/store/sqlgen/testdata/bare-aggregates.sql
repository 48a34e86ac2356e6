-- [{"$group":{"_by":"name","n":{"$count":true},"total":{"$sum":"age"}}}]
SELECT [id], [_version], [name], [we"ird]]], [age], [level], [active], [born], [balance], [extra], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE [deletedAt] IS NULL

-- [{"$group":{"_by":null,"sum":{"$sum":"level"},"avg":{"$avg":"level"},"low":{"$min":"born"},"high":{"$max":"balance"},"money":{"$sum":"balance"},"ten":{"$sum":10},"mean":{"$avg":"age"}}}]
SELECT [_stage].[_c0] AS [_c0], [_stage].[_c1] AS [_c1], [_stage].[_c2] AS [_c2], [_stage].[_c3] AS [_c3], [_stage].[_c4] AS [_c4], [_stage].[_c5] AS [_c5], [_stage].[_c6] AS [_c6] FROM (SELECT COALESCE(SUM([level]), 0) AS [_c0], AVG(CAST([level] AS DOUBLE)) AS [_c1], MIN([born]) AS [_c2], MAX([balance]) AS [_c3], COALESCE(SUM([balance]), 0) AS [_c4], CAST(COUNT(*) AS DOUBLE) * $1 AS [_c5], AVG(CAST([age] AS DOUBLE)) AS [_c6] FROM [people] WHERE [deletedAt] IS NULL) [_stage]
-- 10

-- [{"$match":{"age":{"$gt":3}}},{"$group":{"_by":"active","n":{"$count":true}}},{"$match":{"n":{"$gte":2}}},{"$sort":{"n":-1}},{"$limit":3}]
SELECT [id], [_version], [name], [we"ird]]], [age], [level], [active], [born], [balance], [extra], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE [deletedAt] IS NULL AND [age] > $1
-- 3

-- [{"$sort":{"age":-1}},{"$limit":10},{"$match":{"active":true}},{"$project":{"name":1}}]
SELECT [id], [_version], [name], [we"ird]]], [age], [level], [active], [born], [balance], [extra], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE [deletedAt] IS NULL

-- [{"$sort":{"age":1}},{"$skip":2},{"$limit":3},{"$skip":1},{"$count":"rows"}]
SELECT [id], [_version], [name], [we"ird]]], [age], [level], [active], [born], [balance], [extra], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE [deletedAt] IS NULL

-- [{"$match":{"name":"a"}},{"$count":"rows"},{"$match":{"rows":{"$ne":0}}}]
SELECT [_stage].[_c0] AS [_c0] FROM (SELECT COUNT(*) AS [_c0] FROM [people] WHERE [deletedAt] IS NULL AND [name] = $1) [_stage] WHERE ([_stage].[_c0] <> $2 OR [_stage].[_c0] IS NULL)
-- "a" 0

