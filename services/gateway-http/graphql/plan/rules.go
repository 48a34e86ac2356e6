package plan

import (
	"fmt"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/sdl"
)

// Problem is why a document cannot be carried out.
type Problem struct {
	Code    fault.Code
	Message string
	At      []Pos
}

func problem(at Pos, format string, args ...any) *Problem {
	p := &Problem{Code: fault.InvalidRequest, Message: fmt.Sprintf(format, args...)}
	if at.Line > 0 {
		p.At = []Pos{at}
	}
	return p
}

// maxMessage bounds one message, in bytes.
const maxMessage = 400

// problems translates the parser's and the rules' errors; the first dozen tell
// enough.
func problems(code fault.Code, list gqlerror.List) []Problem {
	if len(list) > 12 {
		list = list[:12]
	}
	out := make([]Problem, 0, len(list))
	for _, e := range list {
		p := Problem{Code: code, Message: e.Message}
		if len(p.Message) > maxMessage { // it quotes the document
			p.Message = strings.ToValidUTF8(p.Message[:maxMessage], "") + "…"
		}
		for _, l := range e.Locations {
			p.At = append(p.At, Pos{l.Line, l.Column})
		}
		out = append(out, p)
	}
	return out
}

// ruleSet is the rules of the specification, with suggestions ("did you mean")
// or without, and with a wider idea of which variables fit where.
func ruleSet(s *sdl.Schema, suggest bool) *rules.Rules {
	set := rules.NewDefaultRules()
	if !suggest {
		for _, r := range []struct{ with, without core.Rule }{
			{rules.FieldsOnCorrectTypeRule, rules.FieldsOnCorrectTypeRuleWithoutSuggestions},
			{rules.KnownArgumentNamesRule, rules.KnownArgumentNamesRuleWithoutSuggestions},
			{rules.KnownTypeNamesRule, rules.KnownTypeNamesRuleWithoutSuggestions},
			{rules.ValuesOfCorrectTypeRule, rules.ValuesOfCorrectTypeRuleWithoutSuggestions},
		} {
			set.ReplaceRule(r.with.Name, r.without.RuleFunc)
		}
	}
	set.ReplaceRule(rules.VariablesInAllowedPositionRule.Name, positions(s))
	return set
}

// positions is the rule VariablesInAllowedPosition (specification, section
// 5.8.5), except that Octonet's documents go on working: a text may stand where
// this schema has a scalar that reads texts, one text for a list of names, and
// the input of a new record for that of a change.
func positions(s *sdl.Schema) core.RuleFunc {
	return func(observers *core.Events, addError core.AddErrFunc) {
		observers.OnValue(func(w *core.Walker, v *ast.Value) {
			if v.Kind != ast.Variable || v.ExpectedType == nil || v.VariableDefinition == nil || w.CurrentOperation == nil {
				return
			}
			want, have := *v.ExpectedType, v.VariableDefinition.Type
			if d := v.VariableDefinition.DefaultValue; d != nil && d.Kind != ast.NullValue || v.ExpectedTypeHasDefault {
				want.NonNull = false
			}
			if !fits(s, have, &want) {
				addError(core.Message(`Variable "%s" of type "%s" used in position expecting type "%s".`, v, have.String(), v.ExpectedType.String()), core.At(v.Position))
			}
		})
	}
}

func fits(s *sdl.Schema, have, want *ast.Type) bool {
	switch {
	case want.NonNull && !have.NonNull:
		return false
	case want.Elem != nil && have.Elem != nil:
		return fits(s, have.Elem, want.Elem)
	case want.Elem != nil:
		return have.NamedType != "" && (have.NamedType == want.Elem.NamedType || s.Open[want.Elem.NamedType])
	case want.NamedType == s.JSON:
		return true
	case have.Elem != nil:
		return false
	case have.NamedType == want.NamedType || s.Patches[want.NamedType] == have.NamedType:
		return true
	case s.Open[want.NamedType]:
		return have.NamedType == "String" || have.NamedType == "Int" || have.NamedType == "Float" || have.NamedType == "ID"
	}
	return false
}
