package metadata

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/octomesh/octomesh/pkg/mesh"
)

// xmlWriter appends elements.
type xmlWriter struct{ b []byte }

// open appends a start tag; attributes are name, value, …; those with an empty
// value are left out.
func (w *xmlWriter) open(name string, attributes ...string) { w.tag(name, ">", attributes) }

// one appends an element without content.
func (w *xmlWriter) one(name string, attributes ...string) { w.tag(name, "/>", attributes) }

func (w *xmlWriter) tag(name, end string, attributes []string) {
	w.b = append(append(w.b, '<'), name...)
	for i := 0; i+1 < len(attributes); i += 2 {
		if attributes[i+1] == "" {
			continue
		}
		w.b = append(append(append(w.b, ' '), attributes[i]...), '=', '"')
		w.escape(attributes[i+1])
		w.b = append(w.b, '"')
	}
	w.b = append(w.b, end...)
}

func (w *xmlWriter) close(name string) {
	w.b = append(append(append(w.b, "</"...), name...), '>')
}

func (w *xmlWriter) escape(s string) {
	for _, r := range s {
		switch {
		case r == '&':
			w.b = append(w.b, "&amp;"...)
		case r == '<':
			w.b = append(w.b, "&lt;"...)
		case r == '>':
			w.b = append(w.b, "&gt;"...)
		case r == '"':
			w.b = append(w.b, "&quot;"...)
		case r < 0x20 || r == 0xfffe || r == 0xffff:
			w.b = append(w.b, ' ')
		default:
			w.b = utf8.AppendRune(w.b, r)
		}
	}
}

// XML returns the model as CSDL XML 4.01.
func (m *Model) XML(v mesh.View) []byte {
	w := &xmlWriter{b: []byte(`<?xml version="1.0" encoding="UTF-8"?>`)}
	w.open("edmx:Edmx", "xmlns:edmx", "http://docs.oasis-open.org/odata/ns/edmx", "Version", "4.01")
	for _, r := range references {
		w.open("edmx:Reference", "Uri", r.uri)
		w.one("edmx:Include", "Namespace", r.namespace, "Alias", r.alias)
		w.close("edmx:Reference")
	}
	w.open("edmx:DataServices")
	w.open("Schema", "xmlns", "http://docs.oasis-open.org/odata/ns/edm", "Namespace", Namespace)
	if v.Read || v.Write {
		for _, t := range m.Types {
			w.entityType(t)
		}
		for _, o := range shown(v) {
			if o.Bound == ToService {
				w.operation(o, nil)
				continue
			}
			for _, t := range m.Types {
				w.operation(o, t)
			}
		}
	}
	w.container(m, v)
	w.close("Schema")
	w.close("edmx:DataServices")
	w.close("edmx:Edmx")
	return w.b
}

var references = []struct{ uri, namespace, alias string }{
	{"https://oasis-tcs.github.io/odata-vocabularies/vocabularies/Org.OData.Core.V1.xml", "Org.OData.Core.V1", "Core"},
	{"https://oasis-tcs.github.io/odata-vocabularies/vocabularies/Org.OData.Validation.V1.xml", "Org.OData.Validation.V1", "Validation"},
	{"https://oasis-tcs.github.io/odata-vocabularies/vocabularies/Org.OData.Capabilities.V1.xml", "Org.OData.Capabilities.V1", "Capabilities"},
}

func (w *xmlWriter) entityType(t *Type) {
	d := describe(t)
	w.open("EntityType", "Name", d.name)
	w.open("Key")
	w.one("PropertyRef", "Name", "id")
	w.close("Key")
	for _, p := range d.properties {
		w.property(p)
	}
	for _, n := range d.navigation {
		w.navigation(n)
	}
	w.text("Core.Description", d.describe)
	w.close("EntityType")
	for _, c := range complexTypes(t) {
		w.open("ComplexType", "Name", c.name)
		for _, p := range c.properties {
			w.property(p)
		}
		w.close("ComplexType")
	}
}

func (w *xmlWriter) property(p member) {
	kind := p.edm
	if p.collection {
		kind = "Collection(" + kind + ")"
	}
	attributes := []string{"Name", p.name, "Type", kind, "Nullable", strconv.FormatBool(p.nullable)}
	if p.maxLength > 0 && p.edm == "Edm.String" {
		attributes = append(attributes, "MaxLength", strconv.Itoa(p.maxLength))
	}
	if p.edm == "Edm.DateTimeOffset" {
		attributes = append(attributes, "Precision", "3")
	}
	if p.exact {
		attributes = append(attributes, "Scale", "variable")
	}
	if p.describe == "" && !p.computed && !p.immutable && p.allowed == nil {
		w.one("Property", attributes...)
		return
	}
	w.open("Property", attributes...)
	w.text("Core.Description", p.describe)
	if p.computed {
		w.one("Annotation", "Term", "Core.Computed", "Bool", "true")
	}
	if p.immutable {
		w.one("Annotation", "Term", "Core.Immutable", "Bool", "true")
	}
	if p.allowed != nil {
		w.open("Annotation", "Term", "Validation.AllowedValues")
		w.open("Collection")
		for _, value := range p.allowed {
			w.open("Record")
			w.one("PropertyValue", "Property", "Value", "String", value)
			w.close("Record")
		}
		w.close("Collection")
		w.close("Annotation")
	}
	w.close("Property")
}

func (w *xmlWriter) text(term, s string) {
	if s != "" {
		w.one("Annotation", "Term", term, "String", s)
	}
}

func (w *xmlWriter) navigation(n navigation) {
	target := Namespace + "." + n.target
	if n.many {
		w.one("NavigationProperty", "Name", n.name, "Type", "Collection("+target+")", "Partner", n.partner)
		return
	}
	w.open("NavigationProperty", "Name", n.name, "Type", target, "Nullable", strconv.FormatBool(n.nullable), "Partner", n.partner)
	w.one("ReferentialConstraint", "Property", n.key, "ReferencedProperty", "id")
	if n.cascade {
		w.one("OnDelete", "Action", "Cascade")
	}
	w.close("NavigationProperty")
}

func (w *xmlWriter) operation(o Operation, t *Type) {
	name := "Function"
	if o.Action {
		name = "Action"
	}
	bound := "true"
	if t == nil {
		bound = ""
	}
	w.open(name, "Name", o.Name, "IsBound", bound)
	if t != nil {
		kind := Namespace + "." + t.Name
		if o.Bound == ToSet {
			kind = "Collection(" + kind + ")"
		}
		w.one("Parameter", "Name", "bound", "Type", kind, "Nullable", "false")
	}
	for _, p := range o.Takes {
		w.one("Parameter", "Name", p.Name, "Type", p.Edm)
	}
	w.one("ReturnType", "Type", o.returns(t))
	w.close(name)
}

// returns is the type of an operation's result.
func (o *Operation) returns(t *Type) string {
	switch o.Gives {
	case OneEntity:
		return Namespace + "." + t.Name
	case ManyEntities:
		return "Collection(" + Namespace + "." + t.Name + ")"
	case ANumber:
		return "Edm.Int64"
	case Lines:
		return "Edm.Stream"
	}
	return "Collection(Edm.Untyped)"
}

func (w *xmlWriter) container(m *Model, v mesh.View) {
	w.open("EntityContainer", "Name", "Default")
	if v.Read || v.Write {
		for _, t := range m.Types {
			w.open("EntitySet", "Name", t.Set, "EntityType", Namespace+"."+t.Name)
			for _, n := range t.Navigations {
				w.one("NavigationPropertyBinding", "Path", n.Name, "Target", n.Target.Set)
			}
			w.close("EntitySet")
		}
		if v.Write {
			w.one("ActionImport", "Name", "transaction", "Action", Namespace+".transaction")
		}
	}
	w.open("Annotation", "Term", "Capabilities.FilterFunctions")
	w.open("Collection")
	for _, f := range strings.Fields(FilterFunctions) {
		w.open("String")
		w.escape(f)
		w.close("String")
	}
	w.close("Collection")
	w.close("Annotation")
	w.one("Annotation", "Term", "Capabilities.BatchSupported", "Bool", "true")
	w.one("Annotation", "Term", "Capabilities.KeyAsSegmentSupported", "Bool", "true")
	w.close("EntityContainer")
}

// FilterFunctions are the functions that $filter can be translated with.
const FilterFunctions = "contains startswith endswith indexof length substring tolower toupper trim concat matchesPattern year date now round floor ceiling"
