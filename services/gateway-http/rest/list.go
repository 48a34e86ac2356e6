package rest

import (
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// ListArgs writes the query parameters of a list (docs/http.md) and
// Octo-Min-Position as a request object into buf, for a protocol that takes what
// GET /api/v1/{entity} takes. own is asked first about each parameter and may
// keep it for itself; what nobody takes is refused. e may be nil.
// Errors: PARSE_ERROR, INVALID_REQUEST, INVALID_FILTER.
func ListArgs(x *httpserver.Exchange, e *schema.Entity, buf []byte, own func(name, value string) (bool, error)) ([]byte, error) {
	var p params
	p.friendly = p.room[:0]
	for k, v := range x.Ctx.QueryArgs().All() {
		name, value := view(k), view(v)
		taken, err := own(name, value)
		if err == nil && !taken {
			err = p.add(name, value, takesList)
		}
		if err != nil {
			return buf, err
		}
	}
	if h := x.Header("Octo-Min-Position"); h != "" && p.minPosition == "" {
		p.minPosition = h
	}
	o := newObject(buf)
	if err := p.read(&o, e); err != nil {
		return o.b, err
	}
	return o.end(), nil
}
