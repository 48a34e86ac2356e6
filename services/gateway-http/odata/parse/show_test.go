package parse

import "strings"

// show writes an expression as a prefix form.
func show(x Expr) string {
	switch x := x.(type) {
	case nil:
		return ""
	case *Literal:
		switch x.Kind {
		case String:
			return "'" + x.Text + "'"
		case Enum:
			return x.Type + "'" + x.Text + "'"
		}
		return x.Text
	case *Name:
		return on(x.On) + x.Name
	case *Var:
		return x.Name
	case *Alias:
		return "@" + x.Name
	case *Annotation:
		return on(x.On) + "@" + x.Name
	case *CountOf:
		if x.Filter == nil {
			return "count(" + show(x.On) + ")"
		}
		return "count(" + show(x.On) + "," + show(x.Filter) + ")"
	case *Lambda:
		name := "any"
		if x.All {
			name = "all"
		}
		if x.Body == nil {
			return "(" + name + " " + show(x.On) + ")"
		}
		return "(" + name + " " + show(x.On) + " " + x.Var + " " + show(x.Body) + ")"
	case *Key:
		return show(x.On) + "(" + showNamed(x.Args) + ")"
	case *Filtered:
		return "filtered(" + show(x.On) + "," + show(x.Cond) + ")"
	case *Call:
		var args []string
		for _, a := range x.Args {
			args = append(args, show(a))
		}
		return on(x.On) + x.Name + "(" + strings.Join(args, ",") + showNamed(x.Named) + ")"
	case *TypeCall:
		if x.On == nil {
			return x.Name + "(" + x.Type + ")"
		}
		return x.Name + "(" + show(x.On) + "," + x.Type + ")"
	case *Case:
		var parts []string
		for i := range x.When {
			parts = append(parts, show(x.When[i])+":"+show(x.Then[i]))
		}
		return "case(" + strings.Join(parts, ",") + ")"
	case *Operation:
		return "(" + string(x.Op) + " " + show(x.Left) + " " + show(x.Right) + ")"
	case *Not:
		return "(not " + show(x.X) + ")"
	case *Negate:
		return "(neg " + show(x.X) + ")"
	case List:
		var parts []string
		for _, m := range x {
			parts = append(parts, show(m))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case Object:
		var parts []string
		for _, m := range x {
			parts = append(parts, m.Name+":"+show(m.Value))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	return "?"
}

func on(x Expr) string {
	if x == nil {
		return ""
	}
	return show(x) + "/"
}

func showNamed(list []Argument) string {
	var parts []string
	for _, a := range list {
		text := show(a.Value)
		if a.Name != "" {
			text = a.Name + "=" + text
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ",")
}

func showSearch(s Search) string {
	switch s := s.(type) {
	case *SearchAnd:
		return "(and " + showSearch(s.Left) + " " + showSearch(s.Right) + ")"
	case *SearchOr:
		return "(or " + showSearch(s.Left) + " " + showSearch(s.Right) + ")"
	case *SearchNot:
		return "(not " + showSearch(s.X) + ")"
	case Term:
		return string(s)
	}
	return "?"
}
