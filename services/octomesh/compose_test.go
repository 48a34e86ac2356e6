package octomesh

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// repository is the way from this package to the root of the clone.
const repository = "../.."

// compose is what of docker-compose.yml says how a service is started.
type compose struct {
	Services map[string]composed `yaml:"services"`
	Volumes  map[string]any      `yaml:"volumes"`
}

type composed struct {
	Image       string            `yaml:"image"`
	Command     []string          `yaml:"command"`
	EnvFile     []string          `yaml:"env_file"`
	Environment map[string]string `yaml:"environment"`
	Volumes     []string          `yaml:"volumes"`
	Ports       []string          `yaml:"ports"`
	StopGrace   string            `yaml:"stop_grace_period"`
	Health      struct {
		Test []string `yaml:"test"`
	} `yaml:"healthcheck"`
}

func readCompose(t testing.TB) compose {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(repository, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := yaml.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// imageEnv are the variables that the image sets.
func imageEnv(t testing.TB) map[string]string {
	t.Helper()
	vars := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^ENV (OCTOMESH_\w+)=(\S+)$`).FindAllStringSubmatch(dockerfile(t), -1) {
		vars[line[1]] = line[2]
	}
	return vars
}

func dockerfile(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(repository, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// variables are those that a service's container would have, paths and hosts as
// they are written.
func (c composed) variables(t testing.TB, dir string) map[string]string {
	t.Helper()
	vars := map[string]string{}
	for _, file := range c.EnvFile {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
			if !ok {
				t.Fatalf("%s: %q is no variable", file, line)
			}
			vars[name] = value
		}
	}
	maps.Copy(vars, c.Environment)
	return vars
}

// TestApartComposeFile holds the compose file against the image and the server
// that the tests run.
func TestApartComposeFile(t *testing.T) {
	c, image := readCompose(t), dockerfile(t)
	if got := slices.Sorted(maps.Keys(c.Services)); !slices.Equal(got, []string{"auth", "entity", "gateway", "gateway-grpc", "nats"}) {
		t.Errorf("services %q", got)
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`nats-server/v2 v(\d+\.\d+)\.`).FindStringSubmatch(string(mod))
	if version == nil || c.Services["nats"].Image != "nats:"+version[1] {
		t.Errorf("the image %s is not the tested server %v", c.Services["nats"].Image, version)
	}
	for name, s := range c.Services {
		if s.StopGrace != "30s" { // drains take up to 10 s, and docker kills after 10
			t.Errorf("%s is killed after %q", name, s.StopGrace)
		}
		if name == "nats" {
			continue
		}
		if !strings.Contains(image, "/"+s.Command[0]+" \\\n") && !strings.Contains(image, "/"+s.Command[0]+"\n") {
			t.Errorf("%s: the image has no program %s", name, s.Command[0])
		}
		if len(s.Health.Test) < 2 || s.Health.Test[1] != "octomesh" {
			t.Errorf("%s has no health check: %q", name, s.Health.Test)
		}
		for _, v := range s.Volumes {
			from, to, _ := strings.Cut(v, ":")
			if _, named := c.Volumes[from]; named && !strings.Contains(image, "install -d -o octomesh -m 0700 "+to+"\n") {
				t.Errorf("%s: the image has no folder %s that a volume could take its owner from", name, to)
			}
		}
	}
}
