-- everything
SELECT [id], [_version], [name], [we"ird]]], [age], [level], [active], [born], [balance], [extra], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people]

-- sorted page
SELECT [id], [_version], [name], [we"ird]]], [age], [level], [active], [born], [balance], [extra], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE [name] = $1 ORDER BY CASE WHEN [balance] IS NULL THEN 1 ELSE 0 END, [balance] DESC, CASE WHEN [name] IS NULL THEN 0 ELSE 1 END, [name], [id] OFFSET $2 ROWS FETCH NEXT $3 ROWS ONLY
-- "x" 40 20

-- limit
SELECT [id], [_version], [name], [we"ird]]], [age], [level], [active], [born], [balance], [extra], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] ORDER BY [id] OFFSET $1 ROWS FETCH NEXT $2 ROWS ONLY
-- 0 20

-- touch
UPDATE [people] SET [_version] = [_version] WHERE [id] IN ($1)
-- "a"

-- touch what a condition narrows
UPDATE [people] SET [_version] = [_version] WHERE [id] IN ($1)
-- "a"

-- skip
SELECT [id], [_version], [name], [we"ird]]], [age], [level], [active], [born], [balance], [extra], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] ORDER BY [id] OFFSET $1 ROWS
-- 40

-- no columns
SELECT 1 FROM [people]

-- count
SELECT COUNT(*) FROM [people] WHERE [name] = $1
-- "x"

-- count of a page
SELECT COUNT(*) FROM (SELECT 1 AS [one] FROM [people] OFFSET $1 ROWS FETCH NEXT $2 ROWS ONLY) [page]
-- 1 5

