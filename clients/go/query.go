package client

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
)

// Filter is a condition in the query language of docs/query.md, such as
// Filter{"age": Filter{"$gte": 18}, "$or": []Filter{…}}.
type Filter map[string]any

// Query selects records. The zero Query selects everything, 100 at a time.
type Query struct {
	Filter    any      // a Filter, or anything that encodes to one
	Sort      []string // field names, with a minus for descending
	Limit     int      // 0 = the server's page, 100
	Skip      int
	Select    []string // members to return; id and _version are always there
	Exclude   []string
	Relations []string // to populate, dotted for deeper levels: "lines.track"
	Cursor    string   // Meta.Next of the page before
	Count     bool     // ask for Meta.Total
	Deleted   bool     // soft-deleted records too
}

func (q Query) values() (url.Values, error) {
	v := url.Values{}
	if q.Filter != nil {
		b, err := json.Marshal(q.Filter)
		if err != nil {
			return nil, err
		}
		v.Set("filter", string(b))
	}
	for name, list := range map[string][]string{"sort": q.Sort, "select": q.Select, "exclude": q.Exclude, "relations": q.Relations} {
		if len(list) > 0 {
			v.Set(name, strings.Join(list, ","))
		}
	}
	for name, n := range map[string]int{"limit": q.Limit, "skip": q.Skip} {
		if n != 0 {
			v.Set(name, strconv.Itoa(n))
		}
	}
	if q.Cursor != "" {
		v.Set("cursor", q.Cursor)
	}
	if q.Count {
		v.Set("count", "true")
	}
	if q.Deleted {
		v.Set("includeDeleted", "true")
	}
	return v, nil
}

// path is where an entity's records live; parts are escaped.
func path(entity string, parts ...string) string {
	p := "/api/v1/" + url.PathEscape(entity)
	for _, s := range parts {
		p += "/" + url.PathEscape(s)
	}
	return p
}
