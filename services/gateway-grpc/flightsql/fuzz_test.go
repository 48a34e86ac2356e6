package flightsql

import (
	"testing"

	pb "github.com/apache/arrow-go/v18/arrow/flight/gen/flight"

	"github.com/octomesh/octomesh/pkg/fault"
)

// FuzzCommand reads any bytes as a command, and as a handle.
func FuzzCommand(f *testing.F) {
	for _, m := range [][]byte{
		must(pack(&pb.CommandStatementQuery{Query: "SELECT 1"})), must(pack(&pb.CommandGetTables{IncludeSchema: true})),
		must(pack(&pb.TicketStatementQuery{StatementHandle: []byte(`{"sql":"SELECT ?","project":"p","decimal":2,"bound":[{"k":2,"v":"1"}]}`)})),
		[]byte(`{"sql":"SELECT ?","project":"p","bound":[{"k":1,"v":"true"},{"k":3,"v":"1e3"},{"k":4,"v":"1.5"},{"k":6,"v":"0"}]}`),
		{0x0a, 0xff},
		nil,
	} {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := command(b)
		if err == nil {
			_, err = schemaOf(m)
		}
		h, err2 := readHandle(b)
		if err2 == nil {
			if again, err := readHandle(h.encode()); err != nil || again.SQL != h.SQL || len(again.Bound) != len(h.Bound) {
				t.Errorf("%+v became %+v: %v", h, again, err)
			}
			for _, v := range h.Bound {
				if _, err2 = v.value(); err2 != nil {
					break
				}
			}
		}
		for _, err := range []error{err, err2} {
			if err != nil && fault.CodeOf(err).HTTP() >= 500 && fault.CodeOf(err) != fault.Unsupported {
				t.Error(err)
			}
		}
	})
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
