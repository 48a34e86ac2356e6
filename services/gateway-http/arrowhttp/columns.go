package arrowhttp

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// maxColumns bounds a reply of columns in bytes, which has to be in memory whole.
const maxColumns = 16 << 20

// jsonColumns gathers the values of records as REST shows them.
type jsonColumns struct {
	names  []string
	byName map[string]int
	values [][]byte // each a JSON array without its brackets
	rows   int
}

// columns is Octonet's reply {entity,format,rowCount,schema,columns}.
// Errors: those of the lines, PAYLOAD_TOO_LARGE.
func columns(ctx context.Context, entity string, shape *columnar.Shape, lines columnar.Lines, readable func(context.Context, *columnar.Shape) (*columnar.Shape, error)) ([]byte, error) {
	var parser fastjson.Parser
	var c jsonColumns
	scan, size := columnar.NewScanner(lines), 0
	for {
		line, err := scan.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if size += len(line); size > maxColumns {
			return nil, fault.New(fault.PayloadTooLarge, "columns of JSON have at most %d MB: ask for fewer records, or send Accept: %s", maxColumns>>20, columnar.ContentType)
		}
		o, err := parser.ParseBytes(line)
		if err == nil {
			err = c.add(o, &shape)
		}
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, "a record could not be read")
		}
	}
	if c.rows == 0 { // no record shows what the caller may read
		var err error
		if shape, err = readable(ctx, shape); err != nil {
			return nil, err
		}
		c.begin(shape)
	}
	b := append(make([]byte, 0, size+1024), `{"entity":`...)
	b = schema.AppendString(b, entity)
	b = strconv.AppendInt(append(b, `,"format":"columnar","rowCount":`...), int64(c.rows), 10)
	b = append(appendFields(append(b, `,"schema":{"fields":`...), shape), `},"columns":{`...)
	for i, name := range c.names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(schema.AppendString(b, name), ':', '[')
		b = append(append(b, c.values[i]...), ']')
	}
	return append(b, `}}`...), nil
}

func (c *jsonColumns) begin(s *columnar.Shape) {
	c.byName = map[string]int{}
	for i, f := range s.Fields() {
		c.names = append(c.names, f.Name)
		c.byName[f.Name] = i
	}
	c.values = make([][]byte, len(c.names))
}

// add takes a record in; the first one says which columns there are.
func (c *jsonColumns) add(v *fastjson.Value, shape **columnar.Shape) error {
	o, err := v.Object()
	if err != nil {
		return err
	}
	if c.rows == 0 {
		*shape = (*shape).Only(func(name string) bool { return o.Get(name) != nil })
		c.begin(*shape)
	}
	for i, name := range c.names {
		if c.rows > 0 {
			c.values[i] = append(c.values[i], ',')
		}
		if value := o.Get(name); value != nil {
			c.values[i] = strictjson.Compact(c.values[i], value)
		} else {
			c.values[i] = append(c.values[i], "null"...)
		}
	}
	c.rows++
	return nil
}
