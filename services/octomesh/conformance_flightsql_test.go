package octomesh

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestConformanceFlightSQL: Flight SQL clients that are not arrow-go's, on a
// record with a value of every type, one with none, and a table of 4 MB.
func TestConformanceFlightSQL(t *testing.T) {
	s := serve(t, schemaFile(t, arrowSchema))
	post := func(path, body string) {
		t.Helper()
		if n, answer := s.send(t, "POST", "/api/v1/"+path, body, "X-API-Key", s.Key, "Content-Type", "application/json"); n >= 300 {
			t.Fatalf("%s: %d %s", path, n, answer)
		}
	}
	post("owners", `{"id":"ada","name":"Ada"}`)
	post("things", `{"id":"full","s":"é \"q\" 😀","t":"","n":0.1,"f":-1e300,"i":9007199254740993,"d":12345678901234567890.123456789,"b":true,
		"w":"2026-01-02T03:04:05.678Z","j":{"a":[1,null,"ü"]},"x":"AAH/","e":"a","tags":["x","","😀"],"any":["x",1,{"a":2},null],
		"ns":[1.5,2],"is":[7],"bs":[true,false],"owner":"ada"}`)
	post("things", `{"id":"none"}`)
	for part := range 4 {
		list := make([]string, 500)
		for i := range list {
			list[i] = fmt.Sprintf(`{"entity":"Owner","op":"create","data":{"id":"big-%d-%d","name":%q}}`, part, i, strings.Repeat("x", 2048))
		}
		post("_transaction", `{"operations":[`+strings.Join(list, ",")+`]}`)
	}
	t.Run("adbc", func(t *testing.T) {
		ask := exec.CommandContext(t.Context(), grpcTool(t, "adbc", "adbc"))
		ask.Env = append(os.Environ(), "OCTOMESH_URL=http://"+s.HTTP, "OCTOMESH_GRPC="+s.GRPC, "OCTOMESH_KEY="+s.Key)
		out, err := ask.CombinedOutput()
		n := strings.Count("\n"+string(out), "\nok ")
		if err != nil || n == 0 {
			t.Errorf("%v\n%s", err, out)
		}
		figure(map[string]any{"client": "adbc", "scenarios": n, "failed": t.Failed()})
	})
	for _, script := range []string{"grpc/flightsql-gizmosql.mjs", "grpc/flightsql-arrow-rs.mjs"} {
		t.Run(script, func(t *testing.T) { scenarios(t, s, script, "OCTOMESH_GRPC="+s.GRPC) })
	}
}
