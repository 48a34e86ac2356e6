-- everything
SELECT [id], [_version], [name], [we"ird]]], [age], [level], [active], [born], [balance], [extra], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people]

-- sorted page
SELECT [id], [_version], [name], [we"ird]]], [age], [level], [active], [born], [balance], [extra], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] WHERE [name] = $1 ORDER BY CASE WHEN [balance] IS NULL THEN 1 ELSE 0 END, [balance] DESC, CASE WHEN SORT([name]) IS NULL THEN 0 ELSE 1 END, SORT([name]), SORT([id])
-- "x"

-- limit
SELECT [id], [_version], [name], [we"ird]]], [age], [level], [active], [born], [balance], [extra], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] ORDER BY SORT([id])

-- touch
UPDATE [people] SET [_version] = [_version] WHERE [id] IN ($1)
-- "a"

-- touch what a condition narrows
UPDATE [people] SET [_version] = [_version] WHERE [id] IN ($1)
-- "a"

-- skip
SELECT [id], [_version], [name], [we"ird]]], [age], [level], [active], [born], [balance], [extra], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people] ORDER BY SORT([id])

-- no columns
SELECT 1 FROM [people]

-- count
SELECT COUNT(*) FROM [people] WHERE [name] = $1
-- "x"

-- count of a page
SELECT [id], [_version], [name], [we"ird]]], [age], [level], [active], [born], [balance], [extra], [boss], [createdAt], [updatedAt], [deletedAt] FROM [people]

