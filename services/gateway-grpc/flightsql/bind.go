package flightsql

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	af "github.com/apache/arrow-go/v18/arrow/flight"
	pb "github.com/apache/arrow-go/v18/arrow/flight/gen/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"google.golang.org/protobuf/proto"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-grpc/flight"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// parameter is the name of parameter i in schemas.
func parameter(i int) string { return "parameter_" + strconv.Itoa(i+1) }

// DoPut implements flight.SQL: it binds one row of values to a prepared statement,
// and answers with a handle that has them. Errors: INVALID_REQUEST; UNAUTHORIZED,
// FORBIDDEN.
func (s *Server) DoPut(ss af.FlightService_DoPutServer) error {
	ctx, cancel := context.WithTimeout(ss.Context(), s.entrance.Timeout)
	defer cancel()
	rpc.ExchangeOf(ctx).Op = "describe"
	if _, err := s.identify(ctx); err != nil {
		return err
	}
	r, err := flight.NewReader(&inTime{ctx: ctx, of: ss}, ipc.WithDelayReadSchema(true))
	if err != nil {
		return err
	}
	defer r.Release()
	m, err := command(r.Descriptor().GetCmd())
	if err != nil {
		return err
	}
	q, ok := m.(*pb.CommandPreparedStatementQuery)
	if !ok {
		return unsupported(m)
	}
	h, err := readHandle(q.GetPreparedStatementHandle())
	if err != nil {
		return err
	}
	if h.Bound, err = row(r); err != nil {
		return err
	}
	if _, err := s.compile(ctx, h); err != nil { // values that do not fit are told here
		return err
	}
	about, err := proto.Marshal(&pb.DoPutPreparedStatementResult{PreparedStatementHandle: h.encode()})
	if err != nil {
		return err
	}
	return ss.Send(&af.PutResult{AppMetadata: about})
}

// inTime reads a client's messages until ctx ends.
type inTime struct {
	ctx context.Context
	of  af.DataStreamReader
}

// Recv implements flight.DataStreamReader of arrow-go. What waits for the client
// in the end is freed by the end of the call.
func (t *inTime) Recv() (*af.FlightData, error) {
	var d *af.FlightData
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		d, err = t.of.Recv()
	}()
	select {
	case <-done:
		return d, err
	case <-t.ctx.Done():
		return nil, fault.From(t.ctx.Err())
	}
}

// row reads the one row that a stream of values has.
func row(r *flight.Reader) ([]bound, error) {
	values, rows := []bound{}, int64(0)
	for range maxBatches {
		batch, err := r.Next()
		if errors.Is(err, io.EOF) {
			return values, nil
		}
		if err != nil {
			return nil, err
		}
		if rows += batch.NumRows(); rows > 1 {
			return nil, invalid("one row of values is bound to a statement: run it once for each")
		}
		if batch.NumRows() == 0 {
			continue
		}
		for _, c := range batch.Columns() {
			b, err := bind(c)
			if err != nil {
				return nil, err
			}
			values = append(values, b)
		}
	}
	return nil, invalid("values come in at most %d batches", maxBatches)
}

// maxBatches bounds the batches of a stream of values: all but one are empty.
const maxBatches = 16

// bind is the first value of a column. Errors: INVALID_REQUEST for a type that no
// field is compared with.
func bind(a arrow.Array) (bound, error) {
	if a.IsNull(0) {
		return bound{}, nil
	}
	integer := func(n int64) (bound, error) { return bound{schema.KindInt, strconv.FormatInt(n, 10)}, nil }
	instant := func(t arrow.Timestamp, unit arrow.TimeUnit) (bound, error) {
		at := t.ToTime(unit).UTC()
		if at.Nanosecond()%int(time.Millisecond) != 0 { // which a literal can say
			return bound{schema.KindText, at.Format(time.RFC3339Nano)}, nil
		}
		return bound{schema.KindTime, strconv.FormatInt(at.UnixMilli(), 10)}, nil
	}
	switch a := a.(type) {
	case *array.Null:
		return bound{}, nil
	case *array.Int8:
		return integer(int64(a.Value(0)))
	case *array.Int16:
		return integer(int64(a.Value(0)))
	case *array.Int32:
		return integer(int64(a.Value(0)))
	case *array.Int64:
		return integer(a.Value(0))
	case *array.Uint8:
		return integer(int64(a.Value(0)))
	case *array.Uint16:
		return integer(int64(a.Value(0)))
	case *array.Uint32:
		return integer(int64(a.Value(0)))
	case *array.Uint64:
		return bound{schema.KindDecimal, strconv.FormatUint(a.Value(0), 10)}, nil
	case *array.Float32:
		return bound{schema.KindFloat, strconv.FormatFloat(float64(a.Value(0)), 'g', -1, 32)}, nil
	case *array.Float64:
		return bound{schema.KindFloat, strconv.FormatFloat(a.Value(0), 'g', -1, 64)}, nil
	case *array.Decimal128, *array.Decimal256, *array.Decimal32, *array.Decimal64:
		return bound{schema.KindDecimal, a.ValueStr(0)}, nil
	case *array.Boolean:
		return bound{schema.KindBool, strconv.FormatBool(a.Value(0))}, nil
	case *array.String:
		return text(a.Value(0))
	case *array.LargeString:
		return text(a.Value(0))
	case *array.StringView:
		return text(a.Value(0))
	case *array.Binary:
		return bound{schema.KindText, base64.StdEncoding.EncodeToString(a.Value(0))}, nil
	case *array.LargeBinary:
		return bound{schema.KindText, base64.StdEncoding.EncodeToString(a.Value(0))}, nil
	case *array.Timestamp:
		return instant(a.Value(0), a.DataType().(*arrow.TimestampType).Unit)
	case *array.Date32:
		return bound{schema.KindTime, strconv.FormatInt(a.Value(0).ToTime().UnixMilli(), 10)}, nil
	case *array.Date64:
		return bound{schema.KindTime, strconv.FormatInt(a.Value(0).ToTime().UnixMilli(), 10)}, nil
	}
	return bound{}, invalid("a parameter of the Arrow type %s can't be bound", a.DataType())
}

func text(s string) (bound, error) {
	if !utf8.ValidString(s) {
		return bound{}, invalid("a parameter is no UTF-8")
	}
	return bound{schema.KindText, string([]byte(s))}, nil
}
