package admin

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// auth serves POST /api/auth/ticket and GET /api/auth/verify.
func (a *Admin) auth(x *httpserver.Exchange) {
	x.Transport, x.Op = Transport, "auth"
	if len(x.Segments) != 3 {
		x.NotFound()
		return
	}
	switch word := x.Segments[2]; word {
	case "ticket":
		a.verbs(x, map[string]call{"POST": {verb: "octo.auth.ticket"}})
	case "verify":
		a.verbs(x, map[string]call{"GET": {verb: "octo.auth.verify"}})
	default:
		x.NotFound()
	}
}

// keys serves /api/api-keys, /api/api-keys/:id and /api/api-keys/scopes.
func (a *Admin) keys(x *httpserver.Exchange) {
	x.Transport, x.Op, x.Admin = Transport, "keys", true
	switch len(x.Segments) {
	case 2:
		a.verbs(x, map[string]call{
			"GET":  {verb: "octo.admin.keys.list"},
			"POST": {verb: "octo.admin.keys.create", body: true, status: fasthttp.StatusCreated},
		})
	case 3:
		id := x.Segments[2]
		if id == "scopes" {
			a.verbs(x, map[string]call{"GET": {verb: "octo.admin.scopes.list"}})
			return
		}
		a.verbs(x, map[string]call{
			"PUT":    {verb: "octo.admin.keys.update", id: id, body: true},
			"DELETE": {verb: "octo.admin.keys.delete", id: id},
		})
	default:
		x.NotFound()
	}
}

// call is one request of the control plane.
type call struct {
	verb   string
	id     string // becomes the member id
	body   bool   // the body's members are the request
	status int    // of success; 0 = 200
}

var methods = []string{"GET", "POST", "PUT", "DELETE"}

// verbs answers with the call of the request's method.
func (a *Admin) verbs(x *httpserver.Exchange, calls map[string]call) {
	c, ok := calls[x.Method()]
	if !ok {
		allow := ""
		for _, m := range methods {
			if _, has := calls[m]; has {
				allow += m + ", "
			}
		}
		allow += "OPTIONS"
		if x.Ctx.IsOptions() {
			x.Options(allow)
		} else {
			x.NotAllowed(allow)
		}
		return
	}
	if err := a.control(x, c); err != nil {
		x.Fail(err)
	}
}

func (a *Admin) control(x *httpserver.Exchange, c call) error {
	h, err := a.door.Header(x, "")
	if err != nil {
		return err
	}
	if h.Token == "" { // the auth service would say the same; nothing is asked for nobody
		return access.Check(nil, access.Ask{Class: mesh.Admin, Transport: Transport})
	}
	in := []byte("{")
	if c.verb == "octo.auth.verify" {
		in = schema.AppendString(append(in, `"token":`...), h.Token)
	}
	if c.id != "" {
		in = schema.AppendString(append(in, `"id":`...), c.id)
	}
	if c.body {
		body, ok := x.JSONBody()
		if !ok {
			return nil
		}
		if in, err = members(in, body); err != nil {
			return err
		}
	}
	out, err := a.door.Control.Control(x.Context(), c.verb, append(in, '}'), h)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(out, []byte(`{"status":`)) {
		out = append(append([]byte(`{"status":"ok","data":`), out...), '}')
	}
	if c.status == 0 {
		c.status = fasthttp.StatusOK
	}
	x.SetHeader("Cache-Control", "no-store")
	x.JSON(c.status, out)
	return nil
}

// members adds those of the client's object to in, which lacks its end.
func members(in, body []byte) ([]byte, error) {
	if len(body) == 0 {
		return in, nil
	}
	doc, err := strictjson.Parse(body)
	if err != nil {
		return nil, err
	}
	defer doc.Release()
	obj, err := doc.Root.Object()
	if err != nil {
		return nil, fault.New(fault.InvalidRequest, "the body must be a JSON object")
	}
	if len(in) > 1 && obj.Get("id") != nil {
		return nil, fault.New(fault.InvalidRequest, "the id stands in the path, not in the body")
	}
	compact := strictjson.Compact(nil, doc.Root)
	if len(compact) == 2 {
		return in, nil
	}
	if len(in) > 1 {
		in = append(in, ',')
	}
	return append(in, compact[1:len(compact)-1]...), nil
}
