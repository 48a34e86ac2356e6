SELECT * FROM Album

SELECT "id", "title" AS "Title" FROM "default"."Album" WHERE "year" >= 1980 AND "title" <> 'x' ORDER BY "title" DESC LIMIT 100 OFFSET 0

SELECT t.name, a.title FROM Track t INNER JOIN Album a ON t.album = a.id WHERE t.ms > ? AND a.title LIKE ?

-- Arrow Flight SQL JDBC driver, connection pools
SELECT 1

-- DBeaver: opening a table, its count, a filter on a column
SELECT * FROM "octomesh"."default"."Track" x LIMIT 200

SELECT count(*) FROM "octomesh"."default"."Track"

SELECT x.* FROM "octomesh"."default"."Track" x WHERE x."name" LIKE '%oo%' ORDER BY x."name" DESC

-- Tableau, generic SQL-92
SELECT 1 AS "COL"

SELECT * FROM (SELECT name, ms FROM Track) "Custom SQL Query" WHERE (0 = 1)

SELECT "Custom SQL Query"."name" AS "name", SUM(1) AS "cnt:name:ok", SUM("Custom SQL Query"."ms") AS "sum:ms:ok" FROM (SELECT name, ms FROM Track) "Custom SQL Query" GROUP BY "Custom SQL Query"."name"

SELECT "Track"."kind" AS "kind", AVG("Track"."price") AS "avg:price:ok" FROM "default"."Track" "Track" WHERE (("Track"."made" >= {ts '2026-01-01 00:00:00'}) AND ("Track"."made" < {ts '2027-01-01 00:00:00'})) GROUP BY "Track"."kind" HAVING (COUNT(1) > 0)

SELECT "Album"."title" AS "title", "Artist"."name" AS "name" FROM "default"."Album" "Album" INNER JOIN "default"."Artist" "Artist" ON ("Album"."artist" = "Artist"."id") GROUP BY "Album"."title", "Artist"."name"

-- Superset: a chart, a virtual data set, SQL Lab
SELECT album AS album, COUNT(*) AS count FROM "default"."Track" WHERE made >= TIMESTAMP '2026-01-01 00:00:00.000000' AND made < TIMESTAMP '2026-02-01 00:00:00.000000' GROUP BY album ORDER BY count DESC LIMIT 1000

SELECT title AS title, sum(n) AS "SUM(n)" FROM (SELECT album AS title, COUNT(*) AS n FROM Track GROUP BY album) AS virtual_table GROUP BY title ORDER BY "SUM(n)" DESC LIMIT 50000

SELECT name FROM Track LIMIT 1001

-- Power BI, ODBC
select "_"."album", "_"."a0" from (select "rows"."album" as "album", sum("rows"."price") as "a0" from (select "album", "price" from "octomesh"."default"."Track" "$Table") "rows" group by "album") "_" where not "_"."a0" is null

select "id", "title", "year" from "octomesh"."default"."Album" "$Table" order by "id" limit 1000

-- Metabase
SELECT "default"."Track"."album" AS "album", COUNT(*) AS "count" FROM "default"."Track" WHERE (LOWER("default"."Track"."name") LIKE '%oo%') GROUP BY "default"."Track"."album" ORDER BY "default"."Track"."album" ASC

-- ADBC, pandas
SELECT ms, price, cost, live, made, meta, tags, cover, kind, album FROM Track WHERE id IN ('t1', 't2')

-- what is refused
SELECT DATE_TRUNC('month', made) FROM Track

SELECT TOP 10 * FROM Track

SELECT * FROM Track FETCH FIRST 5 ROWS ONLY

SELECT name FROM Track ORDER BY name NULLS LAST
