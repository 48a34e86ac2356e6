package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// row is a row by the names of its columns, with values as the JSON of REST has
// them.
type row = map[string]any

// rowsOf reads a result to its end.
func rowsOf(r array.RecordReader) (out []row, err error) {
	defer r.Release()
	for r.Next() {
		b := r.RecordBatch()
		for i := range int(b.NumRows()) {
			m := row{}
			for j, f := range r.Schema().Fields() {
				kind, _ := f.Metadata.GetValue("octomesh:type")
				if m[f.Name], err = plain(b.Column(j), i, kind); err != nil {
					return nil, fmt.Errorf("%s: %w", f.Name, err)
				}
			}
			out = append(out, m)
		}
	}
	return out, r.Err()
}

// plain makes of a value what JSON has in its place.
func plain(a arrow.Array, i int, kind string) (any, error) {
	if a.IsNull(i) {
		return nil, nil
	}
	switch a := a.(type) {
	case *array.String:
		switch kind {
		case "json":
			return decoded(a.Value(i))
		case "decimal":
			return json.Number(a.Value(i)), nil
		}
		return strings.Clone(a.Value(i)), nil
	case *array.Int64:
		return json.Number(strconv.FormatInt(a.Value(i), 10)), nil
	case *array.Float64:
		b, err := json.Marshal(a.Value(i))
		return json.Number(b), err
	case *array.Boolean:
		return a.Value(i), nil
	case *array.Timestamp:
		return a.Value(i).ToTime(a.DataType().(*arrow.TimestampType).Unit).Format("2006-01-02T15:04:05.000Z"), nil
	case *array.Binary:
		return base64.StdEncoding.EncodeToString(a.Value(i)), nil
	case *array.List:
		list := []any{}
		from, to := a.ValueOffsets(i)
		for at := from; at < to; at++ {
			v, err := plain(a.ListValues(), int(at), "")
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	return nil, fmt.Errorf("%s is no type of docs/sql.md", a.DataType())
}

func decoded(text string) (v any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return v, d.Decode(&v)
}

// rest reads from REST.
func rest(path string) (string, error) {
	req, err := http.NewRequest(http.MethodGet, os.Getenv("OCTOMESH_URL")+"/api/v1/"+path, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-API-Key", key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s: %d %s", path, res.StatusCode, b)
	}
	return string(b), err
}

// records are all of an entity, over REST.
func records(entity string) (out []row, err error) {
	text, err := rest(entity + "/stream?sort=id")
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	for {
		var r row
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
}

// equal compares a row with REST's record; columns and members are the same ones,
// but for relations to many, which are no columns.
func equal(got, want row) error {
	for name, v := range got {
		w, ok := want[name]
		if !ok && name != "deletedAt" {
			return fmt.Errorf("REST has no member %s in %v", name, want)
		}
		if m, ok := w.(row); ok && m["id"] != nil { // a relation that REST fills in by itself
			w = m["id"]
		}
		if list, ok := w.([]any); ok { // elements that are no texts are texts of JSON in lists of text
			for i, e := range list {
				if texts, isList := v.([]any); isList && i < len(texts) {
					if _, isText := texts[i].(string); isText {
						if _, isText = e.(string); !isText {
							b, _ := json.Marshal(e)
							list[i] = string(b)
						}
					}
				}
			}
		}
		g, _ := json.Marshal(v)
		if b, _ := json.Marshal(w); string(g) != string(b) {
			return fmt.Errorf("%v: %s is %s, REST says %s", want["id"], name, g, b)
		}
	}
	for name, w := range want {
		if _, ok := got[name]; !ok {
			if _, many := w.([]any); !many {
				return fmt.Errorf("there is no column %s", name)
			}
		}
	}
	return nil
}

// at is a point in time of the tests.
var at = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
