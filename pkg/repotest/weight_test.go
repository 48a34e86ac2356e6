package repotest

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// TestDefaultProgramsStayLight holds the heavy database drivers to octomesh-all:
// what the others link is listed by the go command itself.
func TestDefaultProgramsStayLight(t *testing.T) {
	heavy := []string{
		module + "pkg/stores", "go.mongodb.org/mongo-driver/", "github.com/ClickHouse/", "cloud.google.com/go/spanner",
		"github.com/sijms/go-ora/", "github.com/microsoft/go-mssqldb", "github.com/SAP/go-hdb", "github.com/thda/tds", "github.com/alexbrainman/odbc",
	}
	for _, program := range []string{
		"./services/octomesh/cmd/octomesh", "./services/auth/cmd/octomesh-auth",
		"./services/entity/cmd/octomesh-entity", "./services/gateway-http/cmd/octomesh-gateway-http", "./services/gateway-grpc/cmd/octomesh-gateway-grpc",
	} {
		list := exec.Command("go", "list", "-deps", program)
		list.Dir = root(t)
		var problem bytes.Buffer
		list.Stderr = &problem
		out, err := list.Output()
		if err != nil {
			t.Fatalf("go list -deps %s: %v\n%s", program, err, problem.Bytes())
		}
		deps := strings.Split(string(out), "\n")
		if len(deps) < 100 {
			t.Fatalf("%s has %d packages only: the list is broken", program, len(deps))
		}
		for _, dep := range deps {
			for _, h := range heavy {
				if strings.HasPrefix(dep, h) {
					t.Errorf("%s links %s, which belongs to octomesh-all", program, dep)
				}
			}
		}
	}
}
