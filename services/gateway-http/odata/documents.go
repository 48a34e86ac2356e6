package odata

import (
	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// document is what a kept document was made for.
type document struct {
	slug, id, version string
	view              mesh.View
	kind              string
}

// view is what the caller may do in the project. Errors: those of access.Check
// if that is nothing at all.
func (r *request) view() (mesh.View, error) {
	if r.method != "GET" {
		return mesh.View{}, r.allow("GET, HEAD")
	}
	who, _, _, err := r.t.door.Identify(r.x, false)
	if err != nil {
		return mesh.View{}, err
	}
	ask := access.Ask{ProjectID: r.project.ID, Project: r.project.Slug, Class: mesh.Read, Transport: Transport}
	reads := access.Check(who, ask)
	ask.Class = mesh.Write
	writes := access.Check(who, ask)
	if reads != nil && writes != nil {
		return mesh.View{}, reads
	}
	return mesh.View{Read: reads == nil, Write: writes == nil}, nil
}

// kept returns a document, made once for each version of a catalog and view.
func (t *OData) kept(d document, make func() ([]byte, error)) ([]byte, error) {
	t.mu.Lock()
	b, ok := t.documents[d]
	t.mu.Unlock()
	if ok {
		return b, nil
	}
	b, err := make()
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the document could not be made")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.documents) >= maxKept {
		clear(t.documents)
	}
	t.documents[d] = b
	return b, nil
}

// described sets the headers of a document; it reports whether the caller has
// this version already.
func (r *request) described(tag string) bool {
	r.res.set("ETag", tag)
	r.res.set("Cache-Control", "private, no-cache")
	r.res.set("Vary", "Accept, Authorization, X-API-Key, X-Project")
	if r.header("If-None-Match") == tag {
		r.res.status = 304
		return true
	}
	return false
}

// metadata serves $metadata.
func (r *request) metadata() error {
	r.x.Op = "metadata"
	if len(r.segments) > 1 {
		return errPath
	}
	v, err := r.view()
	if err != nil {
		return err
	}
	d := document{r.project.Slug, r.project.ID, r.project.Version, v, "json"}
	produce := func() ([]byte, error) { return r.model.JSON(v) }
	if r.form.xml {
		d.kind, produce = "xml", func() ([]byte, error) { return r.model.XML(v), nil }
	}
	b, err := r.t.kept(d, produce)
	if err != nil || r.described(`"`+d.kind+"-"+r.project.Version+viewName(v)+`"`) {
		return err
	}
	r.res.status, r.res.body, r.res.kind = 200, b, "application/"+d.kind
	return nil
}

func viewName(v mesh.View) string {
	name := "-"
	if v.Read {
		name += "r"
	}
	if v.Write {
		name += "w"
	}
	return name
}

// service serves the service document.
func (r *request) service() error {
	r.x.Op = "service"
	if r.method == "OPTIONS" {
		r.res.status = 204
		r.res.set("Allow", "GET, HEAD, OPTIONS")
		return nil
	}
	v, err := r.view()
	if err != nil {
		return err
	}
	b, err := r.model.Service(v, r.root+"$metadata")
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the document could not be made")
	}
	if !r.described(`"service-` + r.project.Version + viewName(v) + `"`) {
		r.json(200, b)
	}
	return nil
}
