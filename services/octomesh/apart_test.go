package octomesh

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	client "github.com/octomesh/octomesh/clients/go"
	"github.com/octomesh/octomesh/pkg/freeport"
)

// apart is an installation of separate processes: a NATS server and each
// service, started as docker-compose.yml starts its container, with only hosts,
// ports and paths replaced.
type apart struct {
	t       testing.TB
	dir     string // stands for the clone beside the compose file, and for the volumes
	compose compose
	image   map[string]string
	port    string // of NATS
	nats    *process
	extra   map[string]map[string]string
	Key     string
}

// built is the folder of the programs, "" until a test needs them.
var built string

// programs builds the programs once a run.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "octomesh-apart")
	if err != nil {
		return "", err
	}
	built = dir
	out, err := exec.Command("go", "build", "-o", dir+"/",
		"github.com/nats-io/nats-server/v2",
		"github.com/octomesh/octomesh/services/auth/cmd/octomesh-auth",
		"github.com/octomesh/octomesh/services/entity/cmd/octomesh-entity",
		"github.com/octomesh/octomesh/services/gateway-http/cmd/octomesh-gateway-http",
		"github.com/octomesh/octomesh/services/gateway-grpc/cmd/octomesh-gateway-grpc").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, nil
})

// newApart makes the keys and starts nothing yet. schemas are the entities of
// the default project.
func newApart(t testing.TB, schemas string) *apart {
	t.Helper()
	if _, err := programs(); err != nil {
		t.Fatal(err)
	}
	a := &apart{t: t, dir: t.TempDir(), compose: readCompose(t), image: imageEnv(t), port: freePort(t), extra: map[string]map[string]string{}}
	if _, said, status := run(t, nil, "init", filepath.Join(a.dir, "keys"), "--quiet"); status != 0 {
		t.Fatalf("init: %d %s", status, said)
	}
	conf, err := os.ReadFile(filepath.Join(repository, "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	a.write("nats.conf", strings.Replace(string(conf), `"0.0.0.0:4222"`, `"127.0.0.1:`+a.port+`"`, 1))
	a.write("examples/shop/schemas.json", schemas)
	t.Cleanup(func() { // after all that stand on it
		if a.nats != nil && a.nats.cmd != nil {
			a.nats.stop()
		}
	})
	return a
}

// write puts a file beside the compose file.
func (a *apart) write(name, text string) {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// freePort returns a port that nobody has now.
func freePort(t testing.TB) string {
	t.Helper()
	n, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(n)
}

// process is one service, and what is needed to start it again.
type process struct {
	a      *apart
	name   string
	args   []string
	env    []string
	cmd    *exec.Cmd
	log    *tail
	done   chan struct{}
	HTTP   string // of a gateway
	GRPC   string // of one for gRPC
	probes string // of /readyz; "" for NATS
}

// start starts one more container of a service and does not wait.
func (a *apart) start(service string) *process {
	a.t.Helper()
	s, ok := a.compose.Services[service]
	if !ok {
		a.t.Fatalf("docker-compose.yml has no service %s", service)
	}
	p := &process{a: a, name: service}
	var mounts []string // container path, host path, …
	for _, v := range s.Volumes {
		from, to, _ := strings.Cut(strings.TrimSuffix(v, ":ro"), ":")
		host := filepath.Join(a.dir, from)
		if !strings.HasPrefix(from, ".") {
			host = filepath.Join(a.dir, "volumes", from)
			if err := os.MkdirAll(host, 0o750); err != nil {
				a.t.Fatal(err)
			}
		}
		mounts = append(mounts, to, host)
	}
	if strings.HasPrefix(service, "gateway") {
		mounts = append(mounts, "/var/lib/octomesh", a.t.TempDir())
	}
	paths := strings.NewReplacer(append(mounts, "nats://nats:4222", "nats://127.0.0.1:"+a.port, "0.0.0.0:9464", "127.0.0.1:"+freePort(a.t))...)
	vars := s.variables(a.t, a.dir)
	if service != "nats" {
		for name, value := range a.image {
			vars[name] = value
		}
		p.probes = "http://" + paths.Replace(vars["OCTOMESH_METRICS_ADDR"])
	}
	if service == "gateway" {
		p.HTTP = "127.0.0.1:" + freePort(a.t)
		vars["MOSTA_NET_PORT"] = p.HTTP[len("127.0.0.1:"):] // 4488 inside each container
	}
	if service == "gateway-grpc" {
		p.GRPC = "127.0.0.1:" + freePort(a.t)
		vars["MOSTA_NET_GRPC_PORT"] = p.GRPC[len("127.0.0.1:"):] // 50051 there
	}
	for name, value := range a.extra[service] {
		vars[name] = value
	}
	bin, _ := programs()
	p.env = []string{"PATH=" + bin, "HOME=" + a.dir, "TMPDIR=" + os.TempDir()}
	for name, value := range vars {
		p.env = append(p.env, name+"="+paths.Replace(value))
	}
	program := slices.Clone(s.Command)
	if service == "nats" {
		program = append([]string{"nats-server"}, program...) // the image's entry point
	}
	for i, arg := range program {
		program[i] = paths.Replace(arg)
	}
	p.args = append([]string{filepath.Join(bin, program[0])}, program[1:]...)
	p.again()
	if service == "nats" {
		a.nats = p
	}
	a.t.Cleanup(func() {
		if a.t.Failed() {
			a.t.Logf("%s said:\n%s", p.name, p.log)
		}
		if p.cmd != nil && p != a.nats {
			p.stop()
		}
	})
	return p
}

// again starts the process with the same settings, ports included.
func (p *process) again() {
	p.a.t.Helper()
	p.cmd, p.done = exec.Command(p.args[0], p.args[1:]...), make(chan struct{})
	if p.log == nil {
		p.log = &tail{}
	}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.a.t.TempDir(), p.env, p.log, p.log
	if err := p.cmd.Start(); err != nil {
		p.a.t.Fatal(err)
	}
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(p.cmd, p.done)
}

// kill ends the process as a crash does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
	p.cmd = nil
}

// stop ends it as a container engine does, and fails the test if it does not end
// in good order within the grace period.
func (p *process) stop() {
	p.a.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT)
		<-p.done
		p.a.t.Errorf("%s did not stop\n%s", p.name, p.log)
	}
	// The NATS server ends with status 1 after SIGTERM.
	if code := p.cmd.ProcessState.ExitCode(); code != 0 && p.name != "nats" {
		p.a.t.Errorf("%s ended with status %d\n%s", p.name, code, p.log)
	}
	p.cmd = nil
}

// ready waits until /readyz of the service says so.
func (p *process) ready() *process {
	p.a.t.Helper()
	c, err := client.New(p.probes)
	if err != nil {
		p.a.t.Fatal(err)
	}
	defer c.Close()
	if err := c.WaitReady(within(p.a.t, 30*time.Second)); err != nil {
		p.a.t.Fatalf("%s: %v\n%s", p.name, err, p.log)
	}
	return p
}

// house is a running installation with one of each.
type house struct {
	*apart
	auth, entity, gateway *process
}

// up starts one of each, in an order in which nothing finds what it needs, and
// waits until all are ready.
func (a *apart) up() *house {
	a.t.Helper()
	h := &house{apart: a}
	h.gateway, h.entity, h.auth = a.start("gateway"), a.start("entity"), a.start("auth")
	a.start("nats")
	h.auth.ready()
	h.entity.ready()
	h.gateway.ready()
	key, err := os.ReadFile(filepath.Join(a.dir, "volumes/auth/admin.key"))
	if err != nil {
		a.t.Fatal(err)
	}
	a.Key = strings.TrimSpace(string(key))
	return h
}

// client is a client of some gateways with the admin key.
func (h *house) client(gateways []*process, opts ...client.Option) *client.Client {
	h.t.Helper()
	var addresses []string
	for _, g := range gateways {
		addresses = append(addresses, "http://"+g.HTTP)
	}
	if addresses == nil {
		addresses = []string{"http://" + h.gateway.HTTP}
	}
	c, err := client.New(strings.Join(addresses, ","), append([]client.Option{client.WithAPIKey(h.Key)}, opts...)...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(c.Close)
	return c
}

// server is the installation as the tests of the all-in-one see theirs.
func (h *house) server() *server {
	return &server{t: h.t, HTTP: h.gateway.HTTP, NATS: "127.0.0.1:" + h.port, Key: h.Key}
}

// followAll is follow, with the record that it begins at.
func followAll(t *testing.T, s *server) *follower {
	t.Helper()
	if _, err := client.Create[account](within(t, callDeadline), s.client(), "Account", account{ID: "a00", Owner: "w"}); err != nil {
		t.Fatal(err)
	}
	return follow(t, s)
}

// body returns the error code of a reply, "" for none.
func body(t testing.TB, resp *http.Response) string {
	t.Helper()
	var b struct{ Error struct{ Code string } }
	if err := json.NewDecoder(resp.Body).Decode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Error.Code
}

// eventually asks until the answer is yes; only the deadline judges.
func eventually(t testing.TB, what string, yes func(ctx context.Context) error) {
	t.Helper()
	ctx := within(t, 30*time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := yes(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		}
	}
}
