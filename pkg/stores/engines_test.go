package stores_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/octomesh/octomesh/pkg/query"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
	"github.com/octomesh/octomesh/pkg/stores/db2"
	"github.com/octomesh/octomesh/pkg/stores/hana"
	"github.com/octomesh/octomesh/pkg/stores/mssql"
	"github.com/octomesh/octomesh/pkg/stores/oracle"
	"github.com/octomesh/octomesh/pkg/stores/sybase"
	"github.com/octomesh/octomesh/pkg/testserver"
)

// engine runs SQL of another database.
type engine interface {
	// run runs a statement and returns the first column of its rows.
	run(sql string) ([]string, error)
}

// The table of cases runs on engines that take the SQL of others, with literals
// in the place of what is bound. What an engine refuses is declared by the titles
// of the cases; what it takes must give the ids that the evaluator in memory
// gives, or more of them where the worker finishes the read.
func runCases(t *testing.T, d *sqlgen.Dialect, on engine, words *strings.Replacer, refused []string) {
	_, e := people(t)
	rows := persons(e)
	taken, answered := 0, 0
	var refusals []string
	for _, c := range cases(t, d) {
		got, err := on.run(words.Replace(literal(d, c)))
		if err != nil {
			refusals = append(refusals, c.title)
			if !slices.Contains(refused, c.title) {
				t.Errorf("%s\n%s\n%v", c.title, words.Replace(literal(d, c)), err)
			}
			continue
		}
		taken++
		if c.read == nil {
			continue
		}
		answered++
		var want []string
		for _, r := range query.Run(c.read, rows) {
			want = append(want, r[0].Text())
		}
		same := slices.Equal(got, want)
		switch {
		case c.residual:
			same = !slices.ContainsFunc(want, func(id string) bool { return !slices.Contains(got, id) })
		case len(c.read.Sort) == 0:
			slices.Sort(got)
			slices.Sort(want)
			same = slices.Equal(got, want)
		}
		if !same && !slices.Contains(refused, "answer "+c.title) {
			t.Errorf("%s\n%s\n got %v\nwant %v", c.title, literal(d, c), got, want)
		}
	}
	for _, title := range refused {
		if !strings.HasPrefix(title, "answer ") && !slices.Contains(refusals, title) {
			t.Errorf("it takes %q meanwhile: the list is to shrink", title)
		}
	}
	fmt.Printf("figure: {\"test\":%q,\"statements\":%d,\"taken\":%d,\"answers_compared\":%d}\n", t.Name(), taken+len(refusals), taken, answered)
}

var placeholder = regexp.MustCompile(`\?|:\d+|@p\d+`)

// literal is a case's SQL with literals for what it binds.
func literal(d *sqlgen.Dialect, c statement) string {
	n := 0
	if len(c.values) == 0 {
		return c.sql
	}
	return placeholder.ReplaceAllStringFunc(c.sql, func(string) string {
		v := c.values[n]
		n++
		switch v.Kind() {
		case schema.KindNull:
			return "NULL"
		case schema.KindBool:
			switch {
			case d.Name == "hana":
				return strings.ToUpper(string(v.AppendJSON(nil)))
			case v.Bool():
				return "1"
			}
			return "0"
		case schema.KindTime:
			return "'" + time.UnixMilli(v.Int()).UTC().Format("2006-01-02 15:04:05.000") + "'"
		case schema.KindText, schema.KindJSON:
			return string(d.AppendLiteral(nil, v.Text()))
		}
		return string(v.AppendJSON(nil))
	})
}

// pg is an engine behind a PostgreSQL endpoint.
type pg struct{ *pgconn.PgConn }

func connect(t *testing.T, uri string, first ...string) pg {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		c, err := pgconn.Connect(ctx, uri)
		if err == nil {
			t.Cleanup(func() { _ = c.Close(context.Background()) })
			for _, sql := range first {
				if _, err := (pg{c}).run(sql); err != nil {
					t.Fatal(err)
				}
			}
			return pg{c}
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (c pg) run(sql string) ([]string, error) {
	r := c.ExecParams(context.Background(), sql, nil, nil, nil, nil)
	var out []string
	for r.NextRow() {
		out = append(out, string(r.Values()[0]))
	}
	_, err := r.Close()
	return out, err
}

const h2Jar = "/usr/share/java/h2.jar"

// h2 starts H2 for this test and returns a connection in one of its modes.
func h2(t *testing.T, mode string) engine {
	t.Helper()
	java(t, h2Jar, "libh2-java")
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	cmd := exec.Command("java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", h2Jar, "org.h2.tools.Server",
		"-pg", "-pgPort", fmt.Sprint(port), "-ifNotExists", "-baseDir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return connect(t, fmt.Sprintf("postgres://sa:sa@127.0.0.1:%d/test?sslmode=disable", port), "SET MODE "+mode, "SET DEFAULT_NULL_ORDERING LOW")
}

func java(t *testing.T, jar, pkg string) {
	t.Helper()
	if _, err := exec.LookPath("java"); err != nil {
		testserver.Missing(t, "Java", "apt-get install default-jre-headless")
	}
	if _, err := os.Stat(jar); err != nil {
		testserver.Missing(t, jar, "apt-get install "+pkg)
	}
}

func onHSQLDB(t *testing.T, syntax string) engine {
	t.Helper()
	uri := strings.Replace(testserver.HSQLDB(t), "hsqldb:", "postgres:", 1) + "?sslmode=disable"
	return connect(t, uri, "SET DATABASE SQL SYNTAX "+syntax+" TRUE", "SET DATABASE COLLATION SQL_TEXT NO PAD", "SET DATABASE SQL NULLS ORDER FALSE")
}

// What stand-ins refuse: keys that are expressions, and partial indexes.
var uniques = []string{"index uq_people_email", "index idx_people_1", "index uq_octo_changes_idem"}

// Words of a database that a stand-in has other ones for. What they are about
// (collations, digests, the direction of a page without an order) is not tried by
// it.
var (
	asIs     = strings.NewReplacer()
	noBlobs  = strings.NewReplacer("CLOB", "VARCHAR(16777216)")
	mssqlH2  = strings.NewReplacer(" COLLATE Latin1_General_100_BIN2_UTF8", "", "VARCHAR(MAX)", "VARCHAR(4000)", "FLOAT(53)", "DOUBLE PRECISION", "ORDER BY (SELECT NULL)", "ORDER BY 1")
	mssqlHSQ = strings.NewReplacer(" COLLATE Latin1_General_100_BIN2_UTF8", "", "VARCHAR(MAX)", "VARCHAR(4000)", "CHARINDEX(", "LOCATE(", " IDENTITY(1,1)", " GENERATED BY DEFAULT AS IDENTITY", "[", `"`, "]", `"`, "DATETIME2(3)", "TIMESTAMP(3)", "ORDER BY (SELECT NULL)", "ORDER BY 1", "CHAR(0)", "U&'\\0001'", " + ", " || ")
	hanaH2   = strings.NewReplacer("NVARCHAR(5000)", "VARCHAR(5000)", "NVARCHAR", "VARCHAR", "NCLOB", "CLOB", "LOCATE(", "INSTR(", " FROM DUMMY ", " FROM DUAL ")
	sybaseH2 = strings.NewReplacer(" LOCK DATAROWS", "", " MATERIALIZED", ")", " AS CASE", " VARCHAR(255) GENERATED ALWAYS AS (CASE", "BIGDATETIME", "TIMESTAMP(3)")
	db2Derby = strings.NewReplacer("VARCHAR(4000)", "VARCHAR(500)", "TIMESTAMP(3)", "TIMESTAMP", "CHR(0)", "'\x01'")
)

func TestOracleOnH2(t *testing.T) { runCases(t, oracle.Dialect(4000), h2(t, "Oracle"), asIs, uniques) }

func TestMSSQLOnH2(t *testing.T) {
	runCases(t, mssql.Dialect(), h2(t, "MSSQLServer"), mssqlH2, uniques)
}

func TestDB2OnH2(t *testing.T) { runCases(t, db2.Dialect(), h2(t, "DB2"), asIs, nil) }

func TestOracleOnHSQLDB(t *testing.T) {
	runCases(t, oracle.Dialect(4000), onHSQLDB(t, "ORA"), noBlobs, uniques)
}

func TestMSSQLOnHSQLDB(t *testing.T) {
	runCases(t, mssql.Dialect(), onHSQLDB(t, "MSS"), mssqlHSQ, append([]string{"link"}, uniques...))
}

func TestHANAOnH2(t *testing.T) { runCases(t, hana.Dialect(), h2(t, "Regular"), hanaH2, nil) }

func TestSybaseOnH2(t *testing.T) { runCases(t, sybase.Dialect(), h2(t, "MSSQLServer"), sybaseH2, nil) }

func TestDB2OnDerby(t *testing.T) {
	runCases(t, db2.Dialect(), derby(t, db2Derby), db2Derby, nil)
}

// ij is Derby in a process of its own, as its tool ij runs it: all statements at
// once, the answers in its output.
type ij struct {
	t       *testing.T
	answers map[string]answer
}

type answer struct {
	rows []string
	err  error
}

const derbyJars = "/usr/share/java/derby.jar:/usr/share/java/derbyshared.jar:/usr/share/java/derbytools.jar"

func derby(t *testing.T, words *strings.Replacer) engine {
	t.Helper()
	java(t, "/usr/share/java/derbytools.jar", "libderby-java derby-tools")
	j := &ij{t: t, answers: map[string]answer{}}
	d := db2.Dialect()
	var script bytes.Buffer
	script.WriteString("MAXIMUMDISPLAYWIDTH 40;\nCONNECT 'jdbc:derby:memory:t;create=true';\n")
	list := cases(t, d)
	for i, c := range list {
		fmt.Fprintf(&script, "VALUES 'case %d';\n%s;\n", i, words.Replace(literal(d, c)))
	}
	cmd := exec.Command("java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Dderby.system.home="+t.TempDir(), "-Dderby.stream.error.file="+t.TempDir()+"/log",
		"-cp", derbyJars, "org.apache.derby.tools.ij")
	cmd.Stdin = &script
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ij: %v\n%s", err, out)
	}
	parts := regexp.MustCompile(`(?m)^case \d+ *$`).Split(string(out), -1)
	if len(parts) != len(list)+1 {
		t.Fatalf("ij answered %d of %d cases:\n%s", len(parts)-1, len(list), out)
	}
	id := regexp.MustCompile(`(?m)^(p\d)\b`)
	for i, c := range list {
		var a answer
		if at := strings.Index(parts[i+1], "ERROR "); at >= 0 {
			text, _, _ := strings.Cut(parts[i+1][at:], "\n")
			a.err = errors.New(text)
		}
		for _, m := range id.FindAllStringSubmatch(parts[i+1], -1) {
			a.rows = append(a.rows, m[1])
		}
		j.answers[words.Replace(literal(d, c))] = a
	}
	return j
}

func (j *ij) run(sql string) ([]string, error) { a := j.answers[sql]; return a.rows, a.err }
