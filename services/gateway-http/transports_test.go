package gatewayhttp_test

import (
	"io"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/octomesh/octomesh/pkg/access"
	gatewayhttp "github.com/octomesh/octomesh/services/gateway-http"
	"github.com/octomesh/octomesh/services/gateway-http/docspage"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
	"github.com/octomesh/octomesh/services/gateway-http/internal/scripted"
)

// toggles are the settings of cfg that turn a transport on, by its name.
func toggles(t *testing.T, cfg *gatewayhttp.Config) map[string]reflect.Value {
	t.Helper()
	found := map[string]reflect.Value{}
	v := reflect.ValueOf(cfg).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		env, name := f.Tag.Get("env"), f.Tag.Get("name")
		if !slices.Contains(access.TransportNames, name) || f.Type.Kind() != reflect.Bool {
			continue
		}
		if want := "MOSTA_NET_" + strings.ToUpper(name) + "_ENABLED"; env != want || f.Tag.Get("default") != "true" {
			t.Errorf("%s is set by %s, default %q: want %s, true", name, env, f.Tag.Get("default"), want)
		}
		found[name] = v.Field(i)
	}
	return found
}

// TestToggles: all transports are on unless turned off, each by its own
// setting, and go by names that a key's scopes know.
func TestToggles(t *testing.T) {
	cfg := gatewayhttp.DefaultConfig()
	all := gatewayhttp.Transports(&cfg)
	settings := toggles(t, &cfg)
	if len(settings) != len(all) {
		t.Errorf("%d transports, %d settings", len(all), len(settings))
	}
	for _, name := range all {
		on, ok := settings[name]
		if !ok || !slices.Contains(access.TransportNames, name) {
			t.Errorf("%s has no setting, or no scope", name)
			continue
		}
		on.SetBool(false)
		without := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == name })
		if got := gatewayhttp.Transports(&cfg); !slices.Equal(got, without) {
			t.Errorf("without %s: %v", name, got)
		}
		on.SetBool(true)
	}
}

// TestReadmeListsTransports holds README's table of doors against the list of
// transports.
func TestReadmeListsTransports(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(readme), "| door | where | what |\n|---|---|---|\n")
	table, _, ended := strings.Cut(table, "\n\n")
	if !ok || !ended {
		t.Fatal("README has no table of doors")
	}
	others := []string{"native NATS", "Go", "gRPC, gRPC-Web, Connect", "Arrow Flight, Flight SQL"} // doors that are not of this gateway
	letters := regexp.MustCompile(`[^a-z]+`)
	cfg := gatewayhttp.DefaultConfig()
	missing := gatewayhttp.Transports(&cfg)
	for row := range strings.Lines(table) {
		cells := strings.Split(row, "|")
		label := strings.TrimSpace(cells[1])
		if slices.Contains(others, label) {
			continue
		}
		name := letters.ReplaceAllString(strings.ToLower(label), "")
		if name == "websocket" {
			name = "ws"
		}
		i := slices.IndexFunc(missing, func(s string) bool { return strings.HasPrefix(name, s) })
		if i < 0 {
			t.Errorf("README has the door %s, the gateway has not, or the table has it twice", label)
			continue
		}
		missing = slices.Delete(missing, i, i+1)
		if !strings.Contains(cells[2], "`/") {
			t.Errorf("README does not say where %s is: %s", label, cells[2])
		}
	}
	if len(missing) > 0 {
		t.Errorf("README's table lacks %v", missing)
	}
}

// TestDocsShowTransports: the page at /docs has a first call for each transport.
func TestDocsShowTransports(t *testing.T) {
	cfg := gatewayhttp.DefaultConfig()
	h := scripted.New(t, httpserver.Options{}, func(h *scripted.House, m *httpserver.Mux) {
		docspage.New(h.Door, gatewayhttp.Transports(&cfg)).Mount(m)
	})
	res, err := http.Get("http://" + h.Addr + "/docs")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(gatewayhttp.Transports(&cfg), "nats") {
		if !strings.Contains(string(page), `<section class="call" id="`+name+`">`) {
			t.Errorf("/docs has no first call for %s: see docspage/calls.go", name)
		}
	}
}
