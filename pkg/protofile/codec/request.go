package codec

import (
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/protofile"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// Request appends the request object that a message stands for, {} for an empty
// one. What belongs to the call and not to the op (project, entity) is not in it.
// Errors: INVALID_REQUEST, PARSE_ERROR, PAYLOAD_TOO_LARGE.
func (m *Method) Request(dst, msg []byte) ([]byte, error) { return m.in.object(dst, msg) }

// Call is what a message of EntityService asks for. The slices alias the message.
type Call struct {
	Op, Entity, Project []byte
	Payload             []byte // JSON that has been checked; empty = {}
}

// Execute reads an ExecuteRequest. Errors: INVALID_REQUEST, PARSE_ERROR.
func (m *Method) Execute(msg []byte) (Call, error) {
	s, err := m.in.scan(msg)
	if err != nil {
		return Call{}, err
	}
	defer s.release()
	c := Call{
		Op: m.in.text(s, "op"), Entity: m.in.text(s, "entity"), Project: m.in.text(s, "project"), Payload: m.in.text(s, "payload"),
	}
	if len(c.Payload) == 0 {
		return c, nil
	}
	if err := strictjson.Check(c.Payload, strictjson.DefaultDepth); err != nil {
		f := fault.From(err)
		return Call{}, fault.New(f.Code, "payload must be JSON: %s", f.Message)
	}
	if c.Payload = strictjson.Trim(c.Payload); c.Payload[0] != '{' {
		return Call{}, fault.New(fault.InvalidRequest, "payload must be a JSON object: the request of the op")
	}
	return c, nil
}

// Watch is what a message of a Watch asks for. The slices alias the message.
type Watch struct {
	Entities                  []string // of EntityService alone
	Filter, Position, Project []byte
}

// MaxEntities bounds how many entities a Watch may name.
const MaxEntities = 256

// Watch reads a WatchRequest or a WatchAllRequest. Errors: INVALID_REQUEST,
// PARSE_ERROR.
func (m *Method) Watch(msg []byte) (Watch, error) {
	s, err := m.in.scan(msg)
	if err != nil {
		return Watch{}, err
	}
	defer s.release()
	w := Watch{Filter: m.in.text(s, "filter"), Position: m.in.text(s, "position"), Project: m.in.text(s, "project")}
	if len(w.Filter) > 0 {
		if err := strictjson.Check(w.Filter, strictjson.DefaultDepth); err != nil {
			f := fault.From(err)
			return Watch{}, fault.New(f.Code, "filter must be JSON: %s", f.Message)
		}
	}
	for i := range m.in.fields {
		if g := &m.in.fields[i]; g.Repeated && g.Kind == protofile.Text && s.values[i].set {
			err = each(msg, g.Number, func(name []byte) error {
				if len(w.Entities) >= MaxEntities {
					return fault.New(fault.InvalidRequest, "entities: there may be %d at most", MaxEntities)
				}
				w.Entities = append(w.Entities, string(name))
				return nil
			})
		}
	}
	return w, err
}

func (p *input) text(s *scratch, name string) []byte {
	for i := range p.fields {
		if p.fields[i].Name == name {
			return s.values[i].data
		}
	}
	return nil
}
