package download_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/download"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

const things = `[{"name":"Thing","collection":"things","fields":{"s":"string","n":"number","i":"integer","d":"decimal","b":"boolean","t":"date","j":"json",
 "bin":"binary","a":{"type":"array"},"ints":{"type":"array","arrayOf":"integer"}}}]`

func thing(t testing.TB) *schema.Entity {
	c, err := schema.Parse([]byte(things))
	if err != nil {
		t.Fatal(err)
	}
	return c.Entity("Thing")
}

// fields of a Thing in record order, with what makes a JSON value of each.
var fields = []struct {
	name  string
	value *rapid.Generator[string]
}{
	{"s", texts()},
	{"n", rapid.Map(rapid.Float64(), func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) })},
	{"i", rapid.Map(rapid.Int64(), func(n int64) string { return strconv.FormatInt(n, 10) })},
	{"d", rapid.StringMatching(`-?[1-9][0-9]{0,19}(\.[0-9]{0,9}[1-9])?`)},
	{"b", rapid.Map(rapid.Bool(), strconv.FormatBool)},
	{"t", rapid.Map(rapid.Int64Range(-60e12, 250e12), func(ms int64) string {
		return `"` + time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") + `"`
	})},
	{"j", rapid.OneOf(texts(), rapid.Just(`{"k":[1,2,"x"],"e":{}}`), rapid.Just(`[]`), rapid.Just(`12.50`))},
	{"bin", rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return `"` + base64.StdEncoding.EncodeToString(b) + `"` })},
	{"a", lists(texts())},
	{"ints", lists(rapid.OneOf(rapid.Just("null"), rapid.Map(rapid.Int64(), func(n int64) string { return strconv.FormatInt(n, 10) })))},
}

func texts() *rapid.Generator[string] {
	hard := rapid.SampledFrom([]string{``, ` `, `,`, `"`, `""`, "\r\n", "\n", "\r", ";", "=1", "null", `\`, "é", "😀", "\t", "a b ", "\u0001", "\ufeff"})
	return rapid.Map(rapid.SliceOfN(rapid.OneOf(hard, rapid.StringN(0, 5, -1)), 0, 4), func(parts []string) string {
		return string(schema.AppendString(nil, strings.ReplaceAll(strings.Join(parts, ""), "\x00", "")))
	})
}

func lists(of *rapid.Generator[string]) *rapid.Generator[string] {
	return rapid.Map(rapid.SliceOfN(of, 0, 4), func(v []string) string { return "[" + strings.Join(v, ",") + "]" })
}

// records draws lines, and the values in them, "null" or JSON text each.
func records(t *rapid.T) (lines string, rows [][]string) {
	for i := range rapid.IntRange(0, 8).Draw(t, "records") {
		row := []string{fmt.Sprintf(`"id%d"`, i), strconv.Itoa(i + 1)}
		lines += fmt.Sprintf(`{"id":%s,"_version":%s`, row[0], row[1])
		for _, f := range fields {
			v := "null"
			if rapid.IntRange(0, 4).Draw(t, "null") > 0 {
				v = f.value.Draw(t, f.name)
			}
			row = append(row, v)
			lines += fmt.Sprintf(`,"%s":%s`, f.name, v)
		}
		lines += "}\n"
		rows = append(rows, row)
	}
	return lines, rows
}

// cell is what a JSON value becomes in CSV.
func cell(t testing.TB, v string) (text string, null bool) {
	if v == "null" {
		return "", true
	}
	if v[0] != '"' {
		return v, false
	}
	if err := json.Unmarshal([]byte(v), &text); err != nil {
		t.Fatal(err)
	}
	return text, false
}

// Whatever the records hold, CSV read back says what their JSON says: by the
// standard library's reader, and by one of RFC 4180 that sees the quotes.
func TestCSVSaysWhatJSONSays(t *testing.T) {
	e := thing(t)
	rapid.Check(t, func(rt *rapid.T) {
		lines, rows := records(rt)
		delimiter := rapid.SampledFrom([]string{",", ";", "|", "\t"}).Draw(rt, "delimiter")
		a := download.Ask{Format: download.CSV}
		if _, err := a.Option("delimiter", delimiter); err != nil {
			rt.Fatal(err)
		}
		var parts []string
		for cut := rapid.IntRange(1, 200).Draw(rt, "cut"); len(lines) > cut; lines = lines[cut:] {
			parts = append(parts, lines[:cut])
		}
		body := file(t, a, e, "{}", append(parts, lines)...)
		strict := parseCSV(rt, string(body), delimiter[0])
		in := csv.NewReader(bytes.NewReader(body))
		in.Comma = rune(delimiter[0])
		loose, err := in.ReadAll()
		if err != nil {
			rt.Fatalf("%v\n%q", err, body)
		}
		if len(strict) != len(rows)+1 || len(loose) != len(strict) {
			rt.Fatalf("%d and %d lines for %d records", len(strict), len(loose), len(rows))
		}
		for r, row := range rows {
			for c, v := range row {
				want, null := cell(t, v)
				if got := strict[r+1][c]; got.text != want || (got.text == "" && !got.quoted) != null {
					rt.Fatalf("column %s: %q became %+v", strict[0][c].text, v, got)
				}
				// encoding/csv makes \n of \r\n, as its documentation says.
				if got := loose[r+1][c]; got != strings.ReplaceAll(want, "\r\n", "\n") {
					rt.Fatalf("column %s: %q became %q", loose[0][c], v, got)
				}
			}
		}
	})
}

type csvCell struct {
	text   string
	quoted bool
}

// parseCSV reads by the grammar of RFC 4180 section 2, and by nothing more.
func parseCSV(t *rapid.T, s string, delimiter byte) (lines [][]csvCell) {
	for len(s) > 0 {
		var line []csvCell
		for {
			var c csvCell
			if s[0] == '"' {
				c.quoted = true
				for s = s[1:]; ; s = s[2:] {
					end := strings.IndexByte(s, '"')
					c.text += s[:end]
					if s = s[end:]; len(s) < 2 || s[1] != '"' {
						s = s[1:]
						break
					}
					c.text += `"`
				}
			} else {
				end := strings.IndexAny(s, string(delimiter)+"\r\n")
				c.text, s = s[:end], s[end:]
				if strings.Contains(c.text, `"`) {
					t.Fatalf("a quote in %q", c.text)
				}
			}
			line = append(line, c)
			if s[0] != delimiter {
				break
			}
			s = s[1:]
		}
		if !strings.HasPrefix(s, "\r\n") {
			t.Fatalf("a line ends with %q", s[:min(len(s), 10)])
		}
		s = s[2:]
		lines = append(lines, line)
	}
	return lines
}

// file is a whole file.
func file(t testing.TB, a download.Ask, e *schema.Entity, args string, parts ...string) []byte {
	f, err := download.NewDesk().File(a, e, []byte(args), &scripted.Chunks{Parts: parts}, func(_ context.Context, s *columnar.Shape) (*columnar.Shape, error) { return s, nil })
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for {
		p, err := f.Next(t.Context())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p...)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

// Whatever the records hold, the values of the Parquet file are theirs.
func TestParquetSaysWhatJSONSays(t *testing.T) {
	e := thing(t)
	rapid.Check(t, func(rt *rapid.T) {
		lines, rows := records(rt)
		scale := rapid.SampledFrom([]int{columnar.AsText, 10, 15}).Draw(rt, "scale")
		shape := columnar.NewShape(e, e.Members, columnar.Options{DecimalScale: scale})
		a := download.Ask{Format: download.Parquet}
		compression := rapid.SampledFrom([]string{"zstd", "snappy", "none"}).Draw(rt, "compression")
		if _, err := a.Option("compression", compression); err != nil {
			rt.Fatal(err)
		}
		var batches []string
		for line := range strings.Lines(lines) {
			batches = append(batches, line)
		}
		body := file(t, a, e, "{}", encoded(shape, batches...))
		in, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
		if err != nil {
			rt.Fatal(err)
		}
		if in.NumRows() != int64(len(rows)) {
			rt.Fatalf("%d rows of %d", in.NumRows(), len(rows))
		}
		for r, got := range readRows(rt, in) {
			for c, want := range rows[r] {
				if got[c] != expected(t, c, want, scale) {
					rt.Fatalf("column %d: %s became %s", c, want, got[c])
				}
			}
		}
	})
}

// expected is how readRows shows a JSON value of a column.
func expected(t testing.TB, c int, v string, scale int) string {
	if v == "null" {
		return "null"
	}
	name := "id"
	if c > 1 {
		name = fields[c-2].name
	}
	switch name {
	case "s":
		text, _ := cell(t, v)
		return text
	case "n":
		f, _ := strconv.ParseFloat(v, 64)
		return strconv.FormatFloat(f, 'g', -1, 64)
	case "d":
		if scale == columnar.AsText {
			return v
		}
		r, _ := new(big.Rat).SetString(v)
		return r.FloatString(scale)
	case "t":
		text, _ := cell(t, v)
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return strconv.FormatInt(at.UnixMilli(), 10)
	case "bin":
		text, _ := cell(t, v)
		b, _ := base64.StdEncoding.DecodeString(text)
		return string(b)
	case "a":
		var list []string
		if err := json.Unmarshal([]byte(v), &list); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%q", append([]string{}, list...))
	case "ints":
		list := []string{}
		if trimmed := strings.Trim(v, "[]"); trimmed != "" {
			list = strings.Split(trimmed, ",")
		}
		return fmt.Sprintf("%q", list)
	case "id":
		text, _ := cell(t, v)
		return text
	}
	return v // i, b, j: the JSON text
}

// readRows reads a file with the library's reader of rows: each column's value as
// text, lists as %q shows them.
func readRows(t *rapid.T, f *parquet.File) (rows [][]string) {
	columns := f.Root().Columns()
	for _, g := range f.RowGroups() {
		in := g.Rows()
		defer in.Close()
		for {
			var buffer [1]parquet.Row
			n, err := in.ReadRows(buffer[:])
			for _, row := range buffer[:n] {
				out := make([]string, len(columns))
				for c, column := range columns {
					var list []string
					isList := !column.Leaf()
					row.Range(func(at int, values []parquet.Value) bool {
						if at != c {
							return true
						}
						for _, v := range values {
							shown := show(v, column)
							switch {
							case !isList:
								out[c] = shown
							case v.DefinitionLevel() == 0:
								out[c] = "null"
							case v.DefinitionLevel() == 1:
								list = []string{}
							default:
								list = append(list, shown)
							}
						}
						return true
					})
					if isList && out[c] == "" {
						out[c] = fmt.Sprintf("%q", list)
					}
				}
				rows = append(rows, out)
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return rows
}

func show(v parquet.Value, column *parquet.Column) string {
	if v.IsNull() {
		return "null"
	}
	switch v.Kind() {
	case parquet.Double:
		return strconv.FormatFloat(v.Double(), 'g', -1, 64)
	case parquet.FixedLenByteArray:
		n := new(big.Int).SetBytes(v.ByteArray())
		if v.ByteArray()[0]&0x80 != 0 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), 128))
		}
		var scale int
		if _, err := fmt.Sscanf(column.Type().LogicalType().String(), "DECIMAL(38,%d)", &scale); err != nil {
			return column.Type().LogicalType().String()
		}
		unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
		return new(big.Rat).SetFrac(n, unit).FloatString(scale)
	case parquet.ByteArray:
		return string(v.ByteArray())
	}
	return v.String()
}

// TestSchema holds the file's columns against what readers are to find.
func TestSchema(t *testing.T) {
	e := thing(t)
	shape := columnar.NewShape(e, e.Members, columnar.Options{DecimalScale: 2})
	a := download.Ask{Format: download.Parquet}
	body := file(t, a, e, "{}", encoded(shape))
	in, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	const want = `message Thing {
	required binary id (STRING);
	required int64 _version (INT(64,true));
	optional binary s (STRING);
	optional double n;
	optional int64 i (INT(64,true));
	optional fixed_len_byte_array(16) d (DECIMAL(38,2));
	optional boolean b;
	optional int64 t (TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS));
	optional binary j (JSON);
	optional binary bin;
	optional group a (LIST) {
		repeated group list {
			optional binary element (STRING);
		}
	}
	optional group ints (LIST) {
		repeated group list {
			optional int64 element (INT(64,true));
		}
	}
}`
	if got := in.Schema().String(); got != want {
		t.Errorf("%s", got)
	}
}
