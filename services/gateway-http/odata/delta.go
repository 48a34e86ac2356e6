package odata

import (
	"strconv"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/odata/metadata"
	"github.com/octomesh/octomesh/services/gateway-http/odata/parse"
	"github.com/octomesh/octomesh/services/gateway-http/odata/translate"
)

// A delta token is a position of the change log. What changed since is read from
// the log; what the changed records are now, and whether the link's own filter
// still holds for them, is then asked like any other list, so that rights and
// options mean the same as in the list that the link came with.

const (
	// maxChanged bounds the records of one delta reply.
	maxChanged = 500
	// maxRounds bounds how often the log is read for one.
	maxRounds = 8
)

// tail is the position of the newest change.
func (r *request) tail() (string, error) {
	reply, err := r.mesh(mesh.ProjectEntity, "changes", []byte(`{"position":"tail"}`))
	if err != nil {
		return "", err
	}
	_, meta, err := parts(reply.Body)
	return text(member(meta, "position")), err
}

// changes are the ids of a type's records that changed after a position, each
// with the verb of its latest change, in the order of their first one.
type changes struct {
	ids   []string
	verbs map[string]string
	at    string
	more  bool
}

func (r *request) changesSince(t *metadata.Type, token string) (*changes, error) {
	if _, err := mesh.ParsePosition(token); err != nil {
		return nil, fault.New(fault.InvalidRequest, "that is no $deltatoken of this server")
	}
	c := &changes{verbs: map[string]string{}, at: token, more: true}
	for range maxRounds {
		args := schema.AppendString([]byte(`{"position":`), c.at)
		reply, err := r.mesh(mesh.ProjectEntity, "changes", append(args, `,"limit":250}`...))
		if err != nil {
			return nil, err
		}
		data, meta, err := parts(reply.Body)
		if err != nil {
			return nil, err
		}
		list := within(data)
		for {
			event, ok := list.next()
			if !ok {
				break
			}
			if text(member(event, "entity")) != t.Name {
				continue
			}
			id := text(member(event, "id"))
			if c.verbs[id] == "" {
				c.ids = append(c.ids, id)
			}
			c.verbs[id] = text(member(event, "op"))
		}
		at := text(member(meta, "position"))
		if at == c.at || at == "" {
			c.more = false
			return c, nil
		}
		if c.at = at; len(c.ids) >= maxChanged {
			return c, nil
		}
	}
	return c, nil
}

// delta serves a delta link.
func (r *request) delta(t *metadata.Type, where translate.Cond) error {
	r.x.Op = "changes"
	c, err := r.changesSince(t, r.options.DeltaToken)
	if err != nil {
		return err
	}
	read, err := r.plan(t, where, forMany&^(parse.GivenTop|parse.GivenSkip|parse.GivenOrderBy|parse.GivenApply|parse.GivenSkipToken))
	if err != nil {
		return err
	}
	body := make([]byte, 0, 1024)
	body = r.context(append(body, '{'), r.contextOf(read, "/$delta"))
	if read.Count {
		body = append(strconv.AppendInt(append(body, `"@odata.count":`...), int64(len(c.ids)), 10), ',')
	}
	body = append(body, `"value":[`...)
	if len(c.ids) > 0 {
		if body, err = r.changedRows(body, c, read); err != nil {
			return err
		}
	}
	if c.more {
		body = schema.AppendString(append(body, `],"@odata.nextLink":`...), r.link("$deltatoken", c.at, -1))
	} else {
		body = schema.AppendString(append(body, `],"@odata.deltaLink":`...), r.link("$deltatoken", c.at, -1))
	}
	r.json(200, append(body, '}'))
	return nil
}

// changedRows appends the changed records that there are, and the addresses of
// those that there are not, or that the filter leaves out.
func (r *request) changedRows(body []byte, c *changes, read *translate.Read) ([]byte, error) {
	now := *read
	now.Narrow(translate.Equal("id", string(appendNames(nil, c.ids))))
	args, err := r.arguments(&now)
	if err != nil {
		return nil, err
	}
	if r.minPosition() == "" {
		args = schema.AppendString(add(args, "minPosition"), c.at)
	}
	op := "findAll"
	if read.Text != "" {
		op = "search"
	}
	data, _, err := r.read(read.Type, op, append(add(args, "limit"), "1000}"...))
	if err != nil {
		return nil, err
	}
	s := shapeOf(&r.form, read, false)
	if err := r.fillAll(s, read, data); err != nil {
		return nil, err
	}
	there, n := map[string]bool{}, 0
	list := within(data)
	for {
		row, ok := list.next()
		if !ok {
			break
		}
		there[string(idOf(row))] = true
		if n++; n > 1 {
			body = append(body, ',')
		}
		body = s.append(body, row)
	}
	if err := r.expanded.check(); err != nil {
		return nil, err
	}
	for _, id := range c.ids {
		if there[id] {
			continue
		}
		if n++; n > 1 {
			body = append(body, ',')
		}
		body = r.gone(body, read.Type, id, c.verbs[id])
	}
	return body, nil
}

// gone appends a record that is not in the list any more, in the form of the
// version that the client speaks.
func (r *request) gone(body []byte, t *metadata.Type, id, verb string) []byte {
	reason := "changed"
	if verb == mesh.Deleted {
		reason = "deleted"
	}
	if r.form.version == "4.0" {
		body = append(append(append(body, `{"@odata.context":"`...), r.root...), "$metadata#"...)
		body = append(append(body, t.Set...), `/$deletedEntity","id":"`...)
		body = append(append(append(append(body, t.Set...), "('"...), id...), `')","reason":"`...)
		return append(append(body, reason...), `"}`...)
	}
	body = append(append(append(body, `{"@odata.removed":{"reason":"`...), reason...), `"},"@odata.id":"`...)
	body = append(append(append(append(body, t.Set...), "('"...), id...), `')","id":"`...)
	return append(append(body, id...), `"}`...)
}
