package sql_test

import (
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
)

func filled(t testing.TB) *house {
	h := open(t)
	h.create("Artist", `{"id":"ar1","name":"AC/DC","country":"AU","secret":"x"}`, `{"id":"ar2","name":"Aérosmith"}`, `{"id":"ar3","name":"100%_\\"}`)
	h.create("Album", `{"id":"al1","title":"Back","year":1980,"artist":"ar1"}`, `{"id":"al2","title":"Pump","year":1989,"artist":"ar2"}`, `{"id":"al3","title":"None"}`)
	h.create("Track",
		`{"id":"t1","name":"Bells","ms":9007199254740993,"price":0.5,"cost":"1.10","live":true,"made":"2026-01-02","meta":{"k":1},"tags":["x","y"],"cover":"AAE=","kind":"a","album":"al1"}`,
		`{"id":"t2","name":"Shoot","ms":10,"price":1.5,"cost":"2","live":false,"made":"2026-01-03T00:00:00Z","album":"al1","next":"t1"}`,
		`{"id":"t3","name":"Love","ms":20,"price":2,"album":"al2"}`,
		`{"id":"t4","name":"line\nfeed"}`)
	h.create("Loan", `{"id":"l1","note":"n","track":"t1"}`)
	return h
}

func TestStatements(t *testing.T) {
	h := filled(t)
	for _, c := range []struct{ text, want string }{
		{`SELECT 1`, `1`},
		{`SELECT 1 AS x, 'a''b\n' y, 1.50, -9223372036854775808, NULL, TRUE, 1e3`, `1 "a'b\\n" "1.5" -9223372036854775808 null true 1000`},
		{`SELECT CURRENT_TIMESTAMP`, `"2026-02-03T04:05:06Z"`},
		{`select name from Artist where id = 'ar1'`, `"AC/DC"`},
		{`SELECT "name" FROM "octomesh"."default"."Artist" WHERE "id" = 'ar1'`, `"AC/DC"`},
		{`SELECT a."NAME", A.name AS n2 FROM artists AS a ORDER BY a.name DESC LIMIT 1;`, `"Aérosmith" "Aérosmith"`},
		{`SELECT * FROM Artist ORDER BY id`, `"ar1" 1 "AC/DC" "AU"|"ar2" 1 "Aérosmith" null|"ar3" 1 "100%_\\" null`},
		{`SELECT a.*, 1 one FROM Artist a WHERE country IS NULL ORDER BY 3`, `"ar3" 1 "100%_\\" null 1|"ar2" 1 "Aérosmith" null 1`},
		{`SELECT ms, cost, made, meta, tags, cover FROM Track WHERE id='t1'`, `9007199254740993 "1.1" "2026-01-02T00:00:00Z" "{\"k\":1}" ["x","y"] "AAE="`},
		{`SELECT id FROM Track WHERE ms = 9007199254740993 OR ms = 9007199254740992`, `"t1"`},
		{`SELECT id FROM Track WHERE ms > 9.5 AND ms < 19.99`, `"t2"`},
		{`SELECT id FROM Track WHERE NOT (price > 1)`, `"t1"`},
		{`SELECT id FROM Track WHERE price <> 0.5`, `"t2"|"t3"`},
		{`SELECT id FROM Track WHERE price NOT IN (0.5, NULL)`, ``},
		{`SELECT id FROM Track WHERE price NOT IN (0.5, 2)`, `"t2"`},
		{`SELECT id FROM Track WHERE made = DATE '2026-01-03' OR made = {ts '2026-01-02 00:00:00'}`, `"t1"|"t2"`},
		{`SELECT id FROM Track WHERE made = date('2026-01-03') OR made = TIMESTAMP /* so */ '2026-01-02T00:00:00Z'`, `"t1"|"t2"`},
		{`SELECT DATE '2026-01-31', {ts '2026-01-31 10:00:00.5'}, {d '2026-01-30'}`, `"2026-01-31T00:00:00Z" "2026-01-31T10:00:00.5Z" "2026-01-30T00:00:00Z"`},
		{`SELECT 1 FROM Artist WHERE id = 'ar1' AND DATE '2026-01-31' = TIMESTAMP '2026-01-31 00:00:00' AND CURRENT_DATE > '2026-01-31' AND '2026-02-03 04:05:06' = CURRENT_TIMESTAMP AND CURRENT_DATE = DATE '2026-02-03'`, `1`},
		{`SELECT 1 FROM Artist WHERE CURRENT_TIMESTAMP = '2026-02-03 04:05:06.0001' OR CURRENT_TIMESTAMP > '2026-02-03 04:05:06.0001' OR CURRENT_DATE <> '2026-02-03'`, ``},
		{`SELECT 1 FROM Artist WHERE id = 'ar1' AND CURRENT_TIMESTAMP < '2026-02-03 04:05:06.0001' AND CURRENT_TIMESTAMP <> TIMESTAMP '2026-02-03 04:05:06.0001'`, `1`},
		{`SELECT {d '2026-01-30'}, 'İstanbul', 'ȺȺȺ'`, `"2026-01-30T00:00:00Z" "İstanbul" "ȺȺȺ"`},
		{`SELECT DATE '2026-02-30'`, `!is no date`},
		{`SELECT DATE 'soon' FROM Track`, `!is no date`},
		{`SELECT id FROM Track WHERE CURRENT_DATE = 5`, `!takes a date`},
		{`SELECT DATE(made) FROM Track`, `!the function "DATE"`},
		{`SELECT id FROM Track WHERE made < '2026-01-02 00:00:00.000001' OR made >= '2026-01-02T23:59:59.9999999Z'`, `"t1"|"t2"`},
		{`SELECT id FROM Track WHERE made = '2026-01-02 00:00:00.000001' OR made > '2026-01-03 00:00:00.0000001' OR kind = 'none'`, ``},
		{`SELECT id FROM Track WHERE made IN ('2026-01-02 00:00:00.000001', '2026-01-03') AND kind IS NULL`, `"t2"`},
		{`SELECT id FROM Track WHERE live`, `"t1"`},
		{`SELECT id FROM Track WHERE live IS NOT TRUE`, `"t2"|"t3"|"t4"`},
		{`SELECT id FROM Track WHERE name LIKE 'line_feed'`, `"t4"`},
		{`SELECT id FROM Track WHERE name LIKE 'li%ed' OR name LIKE '%oo%'`, `"t2"|"t4"`},
		{`SELECT id FROM Artist WHERE name LIKE '100!%!_%' ESCAPE '!'`, `"ar3"`},
		{`SELECT id FROM Artist WHERE name LIKE '%\'`, `"ar3"`},
		{`SELECT id FROM Artist WHERE name LIKE '%\_\\' ESCAPE '\'`, `"ar3"`},
		{`SELECT id FROM Artist WHERE LOWER(name) LIKE 'aé%'`, `"ar2"`},
		{`SELECT id FROM Artist WHERE id = 'no id, is it' OR id = ''`, ``},
		{`SELECT id FROM Track WHERE id = name OR ms < price`, ``},
		{`SELECT id FROM Track WHERE album IS NULL`, `"t4"`},
		{`SELECT COUNT(*) FROM Track`, `4`},
		{`SELECT count(*) AS n, COUNT(price), COUNT(DISTINCT album), SUM(price), AVG(price), MIN(name), MAX(made), SUM(cost) FROM Track`, `4 3 2 4 1.3333333333333333 "Bells" "2026-01-03T00:00:00Z" "3.1"`},
		{`SELECT SUM(1), SUM(2) s, SUM(-1) FROM Track HAVING (COUNT(1) > 0)`, `4 8 -4`},
		{`SELECT SUM(1), COUNT(album) FROM Track WHERE id = 'none'`, `null 0`},
		{`SELECT COUNT(*) AS count, MIN(name) AS "name" FROM Track GROUP BY live ORDER BY count DESC, "name" LIMIT 1000`, `2 "Love"|1 "Bells"|1 "Shoot"`},
		{`SELECT SUM(price), COUNT(*) FROM Track WHERE price > 100`, `null 0`},
		{`SELECT SUM(price) FROM Track WHERE 1=0`, `null`},
		{`SELECT album, COUNT(*) n, SUM(price) FROM Track GROUP BY album ORDER BY n DESC, album`, `"al1" 2 2|null 1 null|"al2" 1 2`},
		{`SELECT album a, live, COUNT(*) FROM Track GROUP BY 1, 2 HAVING COUNT(*) >= 1 AND a IS NOT NULL ORDER BY 2 DESC, 1`, `"al1" true 1|"al1" false 1|"al2" null 1`},
		{`SELECT DISTINCT album FROM Track ORDER BY album DESC LIMIT 2`, `"al2"|"al1"`},
		{`SELECT DISTINCT live IS NULL FROM Track`, `!is null`},
		{`SELECT t.name, a.title, r.name FROM Track t JOIN Album a ON t.album = a.id LEFT JOIN Artist r ON r.id = a.artist WHERE r.country = 'AU' ORDER BY t.name`, `"Bells" "Back" "AC/DC"|"Shoot" "Back" "AC/DC"`},
		{`SELECT r.name, COUNT(*) FROM Artist r INNER JOIN Album a ON a.artist = r.id INNER JOIN Track t ON t.album = a.id GROUP BY r.name ORDER BY 2 DESC`, `"AC/DC" 2|"Aérosmith" 1`},
		{`SELECT t.id, n.name FROM Track t LEFT JOIN Track n ON t."next" = n.id ORDER BY n.name DESC, t.id LIMIT 2`, `"t2" "Bells"|"t1" null`},
		{`SELECT a.title, t.tags FROM Track t JOIN Album a ON t.album = a.id AND a.year > 1985`, `"Pump" null`},
		{`SELECT t.*, a.title FROM Track t JOIN Album a ON t.album = a.id WHERE t.id = 't1'`, `"t1" 1 "Bells" 9007199254740993 0.5 "1.1" true "2026-01-02T00:00:00Z" "{\"k\":1}" ["x","y"] "AAE=" "a" "al1" null "Back"`},
		{`SELECT l.track, t.name FROM Loan l JOIN Track t ON l.track = t.id`, `"t1" "Bells"`},
		{`SELECT track FROM Loan`, `"t1"`},
		{`SELECT l.id, t.* FROM Loan l JOIN Track t ON l.track = t.id`, `"l1" "t1" 1 "Bells"`},
		{`SELECT t.ms FROM Loan l JOIN Track t ON l.track = t.id`, `!shows only name`},
		{`SELECT * FROM (SELECT name AS n, ms FROM Track) AS "Custom SQL Query" WHERE n = 'Love'`, `"Love" 20`},
		{`SELECT * FROM (SELECT name FROM Track) q WHERE 1=0`, ``},
		{`SELECT * FROM (SELECT name FROM Track) q LIMIT 0`, ``},
		{`SELECT AVG(n) FROM (SELECT album, COUNT(*) AS n FROM Track GROUP BY album) AS v WHERE album IS NOT NULL LIMIT 1000`, `1.5`},
		{`SELECT "n" FROM (SELECT COUNT(*) AS "n" FROM Track LIMIT 5) AS virtual_table GROUP BY "n" ORDER BY n`, `4`},
		{`SELECT id FROM Track ORDER BY ms DESC LIMIT 2 OFFSET 1`, `"t3"|"t2"`},
		{`SELECT id FROM Track WHERE (((name = 'Love' OR name = 'Shoot')) AND NOT (name = 'Love'))`, `"t2"`},
		{`SELECT id FROM Track -- of Metabase` + "\n" + `/* a comment; DROP TABLE x */ WHERE id = 't1'`, `"t1"`},
		{`SELECT name FROM Track WHERE id = 't1' AND 1 = 1 AND 'a' < 'b'`, `"Bells"`},
		{`SELECT id FROM Track WHERE ms BETWEEN 10 AND 15 OR ms NOT BETWEEN 0 AND 1000`, `"t1"|"t2"`},
		{`SELECT COUNT(1) FROM Track t JOIN Album a ON t.album = a.id`, `3`},
		{`SELECT id FROM Track WHERE cover = x'0001' OR cover IS NULL AND ms = 10`, `"t1"|"t2"`},

		{`SELECT secret FROM Artist`, `!no field "secret"`},
		{`SELECT nothing FROM Artist`, `!no field "nothing"`},
		{`SELECT * FROM Nobody`, `!UNKNOWN_ENTITY`},
		{`SELECT * FROM other.Artist`, `!UNKNOWN_PROJECT`},
		{`SELECT name FROM Track t JOIN Album a ON t.album = a.id JOIN Artist r ON a.artist = r.id`, `!say which`},
		{`SELECT 1 FROM Artist a LEFT JOIN Album b ON b.artist = a.id`, `!turn it round`},
		{`SELECT 1 FROM Artist a JOIN Album b ON b.title = a.name`, `!reference with the id`},
		{`SELECT 1 FROM Artist a JOIN Album b ON b.artist = a.id JOIN Track t ON t."next" = t.id`, `!reference with the id`},
		{`SELECT 1 FROM Artist a, Album b`, `!commas`},
		{`SELECT 1 FROM Artist RIGHT JOIN Album ON Album.artist = Artist.id`, `!RIGHT JOIN`},
		{`SELECT name, COUNT(*) FROM Track`, `!GROUP BY`},
		{`SELECT COUNT(*) FROM Track WHERE COUNT(*) > 1`, `!not allowed here`},
		{`SELECT name FROM Track WHERE ms = 'x'`, `!takes an integer`},
		{`SELECT name FROM Track WHERE name = 1`, `!text in single quotes`},
		{`SELECT name FROM Track WHERE name = "x"`, `!no field "x"`},
		{`SELECT ms + 1 FROM Track`, `!arithmetic`},
		{`SELECT CASE WHEN live THEN 1 END FROM Track`, `!CASE`},
		{`SELECT name || 'x' FROM Track`, `!operator ||`},
		{`SELECT UPPER(name) FROM Track`, `!function`},
		{`SELECT name FROM Track WHERE id IN (SELECT track FROM Loan)`, `!IN with anything but`},
		{`SELECT name FROM Track UNION SELECT name FROM Artist`, `!UNION`},
		{`WITH x AS (SELECT 1) SELECT * FROM x`, `!WITH`},
		{`SELECT name FROM Track FOR UPDATE`, `!FOR UPDATE`},
		{`SELECT name INTO OUTFILE '/etc/x' FROM Track`, `!INTO`},
		{`INSERT INTO Track (name) VALUES ('x')`, `!only reads`},
		{`UPDATE Track SET name = 'x'`, `!only reads`},
		{`DELETE FROM Track`, `!only reads`},
		{`DROP TABLE Track`, `!only reads`},
		{`CREATE TABLE x (a int)`, `!only reads`},
		{`SELECT 1; SELECT 2`, `!second statement`},
		{`SELECT 1; -- fine`, `1`},
		{`SELECT 1 /*! UNION SELECT 2 */`, `!hint`},
		{`SELECT 1 # x`, `!#`},
		{`SELECT @@version`, `!sign @`},
		{`SELECT :a`, `!sign :`},
		{`SHOW TABLES`, `!not supported`},
		{`EXPLAIN SELECT 1`, `!not supported`},
		{`SELECT 1 FROM Track t WHERE t.next = 'x'`, `!at "next"; a name`},
		{`SELEC 1`, `!syntax error`},
		{``, `!empty`},
		{`  -- nothing`, `!empty`},
		{`SELECT 'x`, `!closing quote`},
		{`SELECT ((1)`, `!parenthesis`},
		{`SELECT 1 FROM Track WHERE meta = 'x'`, `!IS NULL`},
		{`SELECT 1 FROM Track ORDER BY meta`, `!ordered`},
		{`SELECT id FROM Track LIMIT -1`, `!LIMIT`},
		{`SELECT id FROM Track ORDER BY 9`, `!no place`},
		{`SELECT ` + strings.Repeat("(", 100) + "1" + strings.Repeat(")", 100), `!at most 64 deep`},
		{`SELECT 1 WHERE ` + strings.Repeat("NOT ", 100) + "TRUE", `!at most 64 deep`},
		{`SELECT 1 WHERE TRUE` + strings.Repeat(" AND TRUE", 2000), `1`},
		{`SELECT '` + strings.Repeat("x", sqlMax) + `'`, `!PAYLOAD_TOO_LARGE`},
	} {
		rows, err := h.query(c.text)
		if refusal, ok := strings.CutPrefix(c.want, "!"); ok {
			if err == nil || !strings.Contains(err.Error(), refusal) || fault.CodeOf(err) == fault.Internal {
				t.Errorf("%.200s\n gave %v %v, want %s", c.text, rows, err, refusal)
			}
			continue
		}
		if got := strings.Join(rows, "|"); err != nil || got != c.want {
			t.Errorf("%.200s\n gave %s %v\n want %s\n asked %q", c.text, got, err, c.want, h.asked)
		}
	}
}

const sqlMax = 64 << 10
