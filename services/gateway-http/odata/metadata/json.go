package metadata

import "github.com/octomesh/octomesh/pkg/mesh"

import "encoding/json"

type object = map[string]any

// JSON returns the model as CSDL JSON 4.01.
func (m *Model) JSON(v mesh.View) ([]byte, error) {
	types := object{}
	if v.Read || v.Write {
		for _, t := range m.Types {
			d := describe(t)
			e := object{"$Kind": "EntityType", "$Key": []string{"id"}}
			if d.describe != "" {
				e["@Core.Description"] = d.describe
			}
			for _, p := range d.properties {
				e[p.name] = propertyJSON(p)
			}
			for _, n := range d.navigation {
				e[n.name] = navigationJSON(n)
			}
			types[d.name] = e
			for _, c := range complexTypes(t) {
				x := object{"$Kind": "ComplexType"}
				for _, p := range c.properties {
					x[p.name] = propertyJSON(p)
				}
				types[c.name] = x
			}
		}
		for _, o := range shown(v) {
			var overloads []object
			if o.Bound == ToService {
				overloads = append(overloads, operationJSON(o, nil))
			} else {
				for _, t := range m.Types {
					overloads = append(overloads, operationJSON(o, t))
				}
			}
			if overloads != nil {
				types[o.Name] = overloads
			}
		}
	}
	types["Default"] = m.containerJSON(v)
	include := object{}
	for _, r := range references {
		include[r.uri] = object{"$Include": []object{{"$Namespace": r.namespace, "$Alias": r.alias}}}
	}
	return json.Marshal(object{
		"$Version": "4.01", "$EntityContainer": Namespace + ".Default", "$Reference": include, Namespace: types,
	})
}

func propertyJSON(p member) object {
	o := object{}
	if p.edm != "Edm.String" { // the default
		o["$Type"] = p.edm
	}
	if p.collection {
		o["$Collection"] = true
	}
	if p.nullable {
		o["$Nullable"] = true
	}
	if p.maxLength > 0 && p.edm == "Edm.String" {
		o["$MaxLength"] = p.maxLength
	}
	if p.edm == "Edm.DateTimeOffset" {
		o["$Precision"] = 3
	}
	if p.describe != "" {
		o["@Core.Description"] = p.describe
	}
	if p.computed {
		o["@Core.Computed"] = true
	}
	if p.immutable {
		o["@Core.Immutable"] = true
	}
	if p.allowed != nil {
		values := make([]object, len(p.allowed))
		for i, a := range p.allowed {
			values[i] = object{"Value": a}
		}
		o["@Validation.AllowedValues"] = values
	}
	return o
}

func navigationJSON(n navigation) object {
	o := object{"$Kind": "NavigationProperty", "$Type": Namespace + "." + n.target}
	if n.partner != "" {
		o["$Partner"] = n.partner
	}
	if n.many {
		o["$Collection"] = true
		return o
	}
	o["$ReferentialConstraint"] = object{n.key: "id"}
	if n.nullable {
		o["$Nullable"] = true
	}
	if n.cascade {
		o["$OnDelete"] = "Cascade"
	}
	return o
}

func operationJSON(o Operation, t *Type) object {
	out := object{"$Kind": "Function"}
	if o.Action {
		out["$Kind"] = "Action"
	}
	var parameters []object
	if t != nil {
		out["$IsBound"] = true
		parameters = append(parameters, object{"$Name": "bound", "$Type": Namespace + "." + t.Name, "$Collection": o.Bound == ToSet})
	}
	for _, p := range o.Takes {
		parameters = append(parameters, typed(object{"$Name": p.Name, "$Nullable": true}, p.Edm))
	}
	if parameters != nil {
		out["$Parameter"] = parameters
	}
	out["$ReturnType"] = typed(object{}, o.returns(t))
	return out
}

func typed(o object, edm string) object {
	const collection = "Collection("
	if len(edm) > len(collection) && edm[:len(collection)] == collection {
		o["$Collection"], edm = true, edm[len(collection):len(edm)-1]
	}
	o["$Type"] = edm
	return o
}

func (m *Model) containerJSON(v mesh.View) object {
	c := object{"$Kind": "EntityContainer", "@Capabilities.BatchSupported": true, "@Capabilities.KeyAsSegmentSupported": true}
	if !v.Read && !v.Write {
		return c
	}
	for _, t := range m.Types {
		set := object{"$Collection": true, "$Type": Namespace + "." + t.Name}
		bindings := object{}
		for _, n := range t.Navigations {
			bindings[n.Name] = n.Target.Set
		}
		if len(bindings) > 0 {
			set["$NavigationPropertyBinding"] = bindings
		}
		c[t.Set] = set
	}
	if v.Write {
		c["transaction"] = object{"$Action": Namespace + ".transaction"}
	}
	return c
}

// Service returns the service document; context is the context's URL.
func (m *Model) Service(v mesh.View, context string) ([]byte, error) {
	type set struct {
		Name string `json:"name"`
		Kind string `json:"kind"`
		URL  string `json:"url"`
	}
	sets := []set{}
	if v.Read || v.Write {
		for _, t := range m.Types {
			sets = append(sets, set{t.Set, "EntitySet", t.Set})
		}
	}
	return json.Marshal(struct {
		Context string `json:"@odata.context"`
		Value   []set  `json:"value"`
	}{context, sets})
}
