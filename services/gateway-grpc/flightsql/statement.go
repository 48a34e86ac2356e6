package flightsql

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	af "github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-grpc/flight"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
	"github.com/octomesh/octomesh/services/gateway-grpc/sql"
)

// handle is a statement as tickets and prepared statements carry it. It gives no
// rights: who shows it is asked for a credential, as with the statement itself.
type handle struct {
	SQL     string `json:"sql"`
	Project string `json:"project"`
	// Decimal is the scale of decimals; nil = they are texts.
	Decimal *int `json:"decimal,omitempty"`
	// Bound are the values of the parameters; nil = none are bound.
	Bound []bound `json:"bound"`
}

// bound is the value of a parameter: its kind, and what it is as text.
type bound struct {
	Kind schema.Kind `json:"k"`
	Text string      `json:"v,omitempty"`
}

func (h *handle) encode() []byte {
	b, err := json.Marshal(h)
	if err != nil {
		panic(err) // texts and numbers
	}
	return b
}

func readHandle(b []byte) (*handle, error) {
	h := &handle{}
	if err := json.Unmarshal(b, h); err != nil || h.Project == "" {
		return nil, fault.Wrap(err, fault.InvalidRequest, "that is no handle of a statement")
	}
	return h, nil
}

// value reads a bound value.
func (b bound) value() (schema.Value, error) {
	n, err := int64(0), error(nil)
	switch b.Kind {
	case schema.KindNull:
		return schema.Null, nil
	case schema.KindBool:
		return schema.BoolOf(b.Text == "true"), nil
	case schema.KindText:
		return schema.TextOf(b.Text), nil
	case schema.KindDecimal:
		if d, ok := schema.CanonicalDecimal(b.Text); ok {
			return schema.DecimalOf(d), nil
		}
	case schema.KindFloat:
		if f, err := strconv.ParseFloat(b.Text, 64); err == nil && f-f == 0 {
			return schema.FloatOf(f), nil
		}
	case schema.KindInt:
		if n, err = strconv.ParseInt(b.Text, 10, 64); err == nil {
			return schema.IntOf(n), nil
		}
	case schema.KindTime:
		if n, err = strconv.ParseInt(b.Text, 10, 64); err == nil {
			return schema.TimeOf(n), nil
		}
	}
	return schema.Null, invalid("that is no handle of a statement")
}

// Decimal is the metadata by which a connection asks for decimals as numbers,
// with so many digits behind the point.
const Decimal = "octo-decimal"

// statement is the handle of a statement that has just come.
func (s *Server) statement(ctx context.Context, text string, transaction []byte) (*handle, error) {
	if len(transaction) > 0 {
		return nil, invalid("there are no transactions here: every SELECT reads one state")
	}
	h := &handle{SQL: text}
	if v := rpc.Sent(ctx)[Decimal]; len(v) > 0 {
		scale, err := strconv.Atoi(v[0])
		if err != nil || scale < 0 || scale > schema.MaxDecimalDigits {
			return nil, invalid("%s is the number of digits behind the point, 0 to %d", Decimal, schema.MaxDecimalDigits)
		}
		h.Decimal = &scale
	}
	return h, nil
}

// compiled is a statement that may run.
type compiled struct {
	*rpc.Caller
	plan *sql.Plan
}

// compile compiles a handle's statement for who calls, in the project of the
// handle, or for a new one in that of the call, which it takes. Errors: those of
// sql.Compile; UNAUTHORIZED, FORBIDDEN.
func (s *Server) compile(ctx context.Context, h *handle) (*compiled, error) {
	c, err := s.identify(ctx)
	if err == nil {
		err = s.entrance.Choose(ctx, c, h.Project)
	}
	if err != nil {
		return nil, err
	}
	h.Project = c.Project.Slug
	out, scale := &compiled{Caller: c}, columnar.AsText
	if h.Decimal != nil {
		scale = min(max(*h.Decimal, 0), schema.MaxDecimalDigits)
	}
	session := sql.Session{DecimalScale: scale, Project: func(name string) (*sql.View, error) {
		if name == "" { // also a statement that names another project, or none, begins here
			v, err := view(c.Principal, c.Project)
			if err == nil {
				v.Denied = may(c.Principal, c.Project)
			}
			return v, err
		}
		p, err := s.entrance.Projects.Find(name)
		if err == nil {
			err = may(c.Principal, p)
		}
		if err != nil {
			return nil, err
		}
		return view(c.Principal, p)
	}}
	var params []schema.Value
	if h.Bound != nil {
		params = make([]schema.Value, len(h.Bound))
		for i, b := range h.Bound {
			if params[i], err = b.value(); err != nil {
				return nil, err
			}
		}
	}
	out.plan, err = sql.Compile(session, h.SQL, params)
	return out, err
}

// view is what a caller may name of a project: what the worker lets it read, or a *
// would ask for what the worker refuses. Errors: those of access.GuardFor.
func view(who *mesh.Principal, p *gateway.Project) (*sql.View, error) {
	guard, err := access.GuardFor(p.Catalog, who)
	if err != nil {
		return nil, err
	}
	v := &sql.View{Project: p.Slug, Catalog: p.Catalog}
	if guard != nil {
		v.Column = guard.Readable
	}
	return v, nil
}

// may reports why a caller may not read a project.
func may(who *mesh.Principal, p *gateway.Project) error {
	return access.Check(who, access.Ask{ProjectID: p.ID, Project: p.Slug, Class: mesh.Read, Transport: flight.Transport})
}

// run runs a statement and sends its rows.
func (s *Server) run(b, ticket []byte, ss af.FlightService_DoGetServer) error {
	x := rpc.ExchangeOf(ss.Context())
	x.Op = "query"
	h, err := readHandle(b)
	if err != nil {
		return err
	}
	c, err := s.compile(ss.Context(), h)
	if err != nil {
		return err
	}
	ctx, done := s.running.add(ss.Context(), c.Principal.ID, ticket)
	defer done()
	rows, err := c.plan.Run(ctx, s.ask(c, x))
	if err != nil {
		return err
	}
	defer rows.Close()
	w := af.NewRecordWriter(ss, ipc.WithSchema(c.plan.Schema))
	for {
		batch, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return w.Close()
		}
		if err == nil {
			err = w.Write(batch)
		}
		if err != nil {
			if ctx.Err() != nil && ss.Context().Err() == nil {
				err = fault.New(fault.Cancelled, "the statement was cancelled")
			}
			return err
		}
	}
}

// ask sends a plan's requests to the mesh, as the caller's.
func (s *Server) ask(c *compiled, x *rpc.Exchange) sql.Ask {
	return func(ctx context.Context, op, entity string, args []byte) (*mesh.Reply, error) {
		x.Entity, x.Project = entity, c.plan.Project
		position, err := rpc.Position(ctx)
		if err != nil {
			return nil, err
		}
		if position != "" {
			args = append(schema.AppendString([]byte(`{"minPosition":`), position), append([]byte{','}, args[1:]...)...)
		}
		header := c.Header
		if c.plan.Project != c.Project.Slug {
			p, err := s.entrance.Projects.Find(c.plan.Project)
			if err != nil {
				return nil, err
			}
			header.CatalogVersion = p.Version
		}
		if op != "stream" {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, s.entrance.Timeout)
			defer cancel()
		}
		return s.entrance.Caller.Call(ctx, &mesh.Request{Project: c.plan.Project, Entity: entity, Op: op, Args: args, Header: header})
	}
}

// send sends a batch that is all there is.
func send(ss af.FlightService_DoGetServer, s *arrow.Schema, batch arrow.RecordBatch) error {
	w := af.NewRecordWriter(ss, ipc.WithSchema(s))
	if err := w.Write(batch); err != nil {
		return err
	}
	return w.Close()
}
