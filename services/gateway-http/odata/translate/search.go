package translate

import (
	"regexp"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
)

// Search translates $search. One word or phrase is what op search takes, and
// comes back as text. A combination becomes a condition that asks every string
// and text property of the type.
func (t *Translator) Search(x parse.Search, it *metadata.Type) (text string, c Cond, err error) {
	if term, ok := x.(parse.Term); ok {
		return string(term), nil, nil
	}
	var names []string
	for _, p := range it.Properties {
		if col := p.Column; col.Role == schema.RoleField && (col.Type == schema.String || col.Type == schema.Text) {
			names = append(names, col.Name)
		}
	}
	if len(names) == 0 {
		return "", never, nil
	}
	return "", searched(x, names), nil
}

func searched(x parse.Search, names []string) Cond {
	switch x := x.(type) {
	case *parse.SearchAnd:
		return and(searched(x.Left, names), searched(x.Right, names))
	case *parse.SearchOr:
		return or(searched(x.Left, names), searched(x.Right, names))
	case *parse.SearchNot:
		return negate(searched(x.X, names))
	case parse.Term:
		found := make([]Cond, len(names))
		for i, name := range names {
			found[i] = matches(name, regexp.QuoteMeta(string(x)), true)
		}
		return or(found...)
	}
	return never
}
