package download

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// FuzzAsk: whatever Accept and the parameters hold, they are a file's form or are
// refused with a code.
func FuzzAsk(f *testing.F) {
	for _, s := range [][3]string{
		{"text/csv, */*;q=0.1", "delimiter", ";"}, {"application/vnd.apache.parquet;q=0.5", "decimal", "2"}, {"text/csv;q=NaN", "compression", "zstd"}, {",;=;,", "safe", "1"}, {"text/csv;q=-1", "bom", "x"},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, accept, name, value string) {
		for _, format := range []Format{accepted(accept), CSV, Parquet} {
			if int(format) >= len(formats) {
				t.Fatal(format)
			}
			a := Ask{Format: format}
			if taken, err := a.Option(name, value); err != nil && (!taken || fault.CodeOf(err) != fault.InvalidRequest) {
				t.Fatal(err)
			}
			if args := a.Form([]byte(`{"limit":1}`)); !json.Valid(args) {
				t.Fatalf("%s", args)
			}
		}
	})
}

// FuzzCell: any text comes out of CSV as it went in, safe or not.
func FuzzCell(f *testing.F) {
	for _, s := range []string{"", " ", `"`, "a\r\nb", "=1", ";", "\t", "é\u2028", "'", "-"} {
		f.Add(s, byte(','))
		f.Add(s, byte('\t'))
	}
	f.Fuzz(func(t *testing.T, s string, delimiter byte) {
		if strings.IndexByte(",;|\t", delimiter) < 0 || strictjson.Check(strictjson.AppendString(nil, s), 1) != nil {
			return
		}
		for _, safe := range []bool{false, true} {
			file := newCSV(Ask{Format: CSV, delimiter: delimiter, safe: safe}, nil, nil, nil)
			file.out = append(file.out, 'x', delimiter)
			file.cell(strictjson.AppendString(nil, s))
			in := csv.NewReader(strings.NewReader(string(file.out) + "\r\n"))
			in.Comma = rune(delimiter)
			row, err := in.Read()
			if err != nil || len(row) != 2 {
				t.Fatalf("%q: %v %q", s, err, file.out)
			}
			want := s
			if safe && s != "" && strings.IndexByte("=+-@\t\r", s[0]) >= 0 {
				want = "'" + s
			}
			if row[1] != strings.ReplaceAll(want, "\r\n", "\n") {
				t.Fatalf("%q became %q", s, row[1])
			}
		}
	})
}
