package octomesh

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// musicSchema is a shop of music, as the well-known sample database has it.
const musicSchema = `[
 {"name":"Artist","collection":"artists","fields":{"name":"string"}},
 {"name":"Album","collection":"albums","fields":{"title":"string"},"relations":{"artist":{"target":"Artist","type":"many-to-one"}}},
 {"name":"Track","collection":"tracks","fields":{"name":"string","price":"number"},"relations":{"album":{"target":"Album","type":"many-to-one"}}},
 {"name":"Invoice","collection":"invoices","fields":{"total":"number"},"relations":{"lines":{"target":"Line","type":"one-to-many","mappedBy":"invoice"}}},
 {"name":"Line","collection":"lines","fields":{"quantity":"integer"},"relations":{"invoice":{"target":"Invoice","type":"many-to-one"},"track":{"target":"Track","type":"many-to-one"}}}
]`

// music writes the records and what a nested query shows of the first twenty
// invoices, with at most lines of each invoice's lines, the last one first if
// that many are not all.
func music() (operations []string, nested func(lines int) string) {
	add := func(entity, id, rest string) {
		operations = append(operations, fmt.Sprintf(`{"op":"create","entity":%q,"data":{"id":%q,%s}}`, entity, id, rest))
	}
	for i := range 5 {
		add("Artist", fmt.Sprintf("r%d", i), fmt.Sprintf(`"name":"Artist %d é"`, i))
	}
	for i := range 9 {
		artist := fmt.Sprintf(`"r%d"`, i%5)
		if i == 8 {
			artist = "null"
		}
		add("Album", fmt.Sprintf("b%d", i), fmt.Sprintf(`"title":"Album %d","artist":%s`, i, artist))
	}
	for i := range 30 {
		add("Track", fmt.Sprintf("t%02d", i), fmt.Sprintf(`"name":"Track %d","price":0.99,"album":"b%d"`, i, i%9))
	}
	for i := range 30 {
		add("Invoice", fmt.Sprintf("i%02d", i), fmt.Sprintf(`"total":%d`, i))
		for j := range i % 5 {
			add("Line", fmt.Sprintf("l%02d-%d", i, j), fmt.Sprintf(`"quantity":%d,"invoice":"i%02d","track":"t%02d"`, j+1, i, (i*7+j)%30))
		}
	}
	return operations, func(most int) string {
		var invoices []string
		for i := range 20 {
			var lines []string
			for j := range i % 5 {
				if most < 5 {
					j = i%5 - 1 - j
				}
				t := (i*7 + j) % 30
				artist := fmt.Sprintf(`{"name":"Artist %d é"}`, t%9%5)
				if t%9 == 8 {
					artist = "null"
				}
				if len(lines) < most {
					lines = append(lines, fmt.Sprintf(`{"quantity":%d,"track":{"name":"Track %d","album":{"title":"Album %d","artist":%s}}}`, j+1, t, t%9, artist))
				}
			}
			invoices = append(invoices, fmt.Sprintf(`{"id":"i%02d","lines":[%s]}`, i, strings.Join(lines, ",")))
		}
		return `{"data":{"invoices":[` + strings.Join(invoices, ",") + `]}}`
	}
}

// workerCalls is how many calls of a door the worker has answered.
func workerCalls(t *testing.T, s *server, transport string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.HTTP+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", s.Key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "octomesh_requests_total{") && strings.Contains(line, `service="entity"`) && strings.Contains(line, fmt.Sprintf("transport=%q", transport)) {
			n, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]), 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += int(n)
		}
	}
	return sum
}

// TestNestedCalls asks for twenty invoices with their lines, tracks, albums and
// artists, in as few calls of the mesh as there are levels, or fewer.
func TestNestedCalls(t *testing.T) {
	s := serve(t, schemaFile(t, musicSchema))
	operations, nested := music()
	if status, body := posted(t, s, "POST", "/api/v1/_transaction", `{"operations":[`+strings.Join(operations, ",")+`]}`); status != 200 {
		t.Fatal(status, body)
	}
	for _, c := range []struct {
		name, query string
		lines, most int
	}{
		{"plain", `{ invoices(limit: 20) { id lines { quantity track { name album { title artist { name } } } } } }`, 5, 1},
		{"with arguments", `{ invoices(limit: 20) { id lines(orderBy: [{id: desc}], limit: 2) { quantity track { name album { title artist { name } } } } } }`, 2, 2},
	} {
		before := workerCalls(t, s, "graphql")
		query, _ := json.Marshal(c.query)
		_, got := posted(t, s, "POST", "/graphql", `{"query":`+string(query)+`}`)
		calls := workerCalls(t, s, "graphql") - before
		if got != nested(c.lines) {
			t.Errorf("%s\n got  %s\n want %s", c.name, got, nested(c.lines))
		}
		if calls < 1 || calls > c.most || c.most > 5 {
			t.Errorf("%s: %d calls, at most %d are expected", c.name, calls, c.most)
		}
		figure(map[string]any{"query": c.name, "invoices": 20, "levels": 5, "meshCalls": calls})
	}
}
