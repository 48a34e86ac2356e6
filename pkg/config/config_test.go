package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/octomesh/octomesh/pkg/config"
)

type settings struct {
	HTTPPort int           `name:"http-port" env:"T_CFG_PORT,T_CFG_REST_PORT" default:"4488"`
	DataDir  string        `name:"data-dir" env:"T_CFG_DIR" default:"./data"`
	Wait     time.Duration `name:"wait" env:"T_CFG_WAIT" default:"30s"`
	Until    time.Duration `name:"until"`
	REST     bool          `name:"rest-enabled" env:"T_CFG_REST" default:"true" negatable:""`
	Names    []string      `name:"names" env:"T_CFG_NAMES"`
	DBURI    string        `name:"db-uri" env:"T_CFG_URI"`
	AdminKey string        `name:"admin-key" env:"T_CFG_KEY" secret:""`
}

func inDir(t *testing.T, yaml string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if yaml != "" {
		if err := os.WriteFile(config.DefaultFile, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOrder(t *testing.T) {
	inDir(t, "http: {port: 1111}\ndata-dir: fromfile\nwait: 5s\nrest-enabled: false\nnames: [a, 'b,c']\n")
	t.Setenv("T_CFG_DIR", "fromenv")
	t.Setenv("T_CFG_WAIT", "6s")
	var s settings
	ctx, err := config.Parse("octomesh", &s, []string{"--wait=7s"})
	if err != nil {
		t.Fatal(err)
	}
	if s.HTTPPort != 1111 || s.DataDir != "fromenv" || s.Wait != 7*time.Second || s.REST ||
		len(s.Names) != 2 || s.Names[1] != "b,c" {
		t.Fatalf("%+v", s)
	}
	got := map[string]string{}
	for _, e := range config.List(ctx) {
		got[e.Name] = e.Source
	}
	for name, want := range map[string]string{"http-port": "file", "data-dir": "environment", "wait": "flag", "db-uri": "default"} {
		if got[name] != want {
			t.Errorf("%s comes from %s, want %s", name, got[name], want)
		}
	}
}

func TestAliasVariable(t *testing.T) {
	inDir(t, "http-port: 1\n")
	t.Setenv("T_CFG_REST_PORT", "99")
	var s settings
	if _, err := config.Parse("octomesh", &s, nil); err != nil || s.HTTPPort != 99 {
		t.Fatalf("%d, %v", s.HTTPPort, err)
	}
}

func TestDurationsAreAboveZero(t *testing.T) {
	inDir(t, "")
	for _, arg := range []string{"--wait=0s", "--wait=-1s", "--until=0s"} {
		var s settings
		if _, err := config.Parse("octomesh", &s, []string{arg}); err == nil || !strings.Contains(err.Error(), "must be above 0") {
			t.Errorf("%s: %v", arg, err)
		}
	}
	t.Setenv("T_CFG_WAIT", "0s")
	if _, err := config.Parse("octomesh", &settings{}, nil); err == nil {
		t.Error("the environment's is taken")
	}
	t.Setenv("T_CFG_WAIT", "1s")
	var s settings
	if _, err := config.Parse("octomesh", &s, nil); err != nil || s.Until != 0 {
		t.Errorf("one that is not there: %v, %v", s.Until, err)
	}
}

func TestSections(t *testing.T) {
	inDir(t, "data-dir: shared\nauth:\n  data-dir: own\nentity:\n  something-else: 1\n")
	var s settings
	if _, err := config.Parse("octomesh-auth", &s, nil); err != nil || s.DataDir != "own" {
		t.Fatalf("%q, %v", s.DataDir, err)
	}
}

func TestNamedFile(t *testing.T) {
	inDir(t, "")
	path := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(path, []byte("http-port: 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var s settings
	if _, err := config.Parse("octomesh", &s, []string{"--config", path}); err != nil || s.HTTPPort != 7 {
		t.Fatalf("%d, %v", s.HTTPPort, err)
	}
	t.Setenv(config.FileEnv, path)
	s = settings{}
	if _, err := config.Parse("octomesh", &s, nil); err != nil || s.HTTPPort != 7 {
		t.Fatalf("%d, %v", s.HTTPPort, err)
	}
	if _, err := config.Parse("octomesh", &s, []string{"--config=" + path + "x"}); err == nil {
		t.Fatal("a named file that is not there must be an error")
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		yaml string
		args []string
		env  string
		says string
	}{
		"typo":          {yaml: "http-prot: 1\n", says: `did you mean "http-port"`},
		"unknown":       {yaml: "\nhttp:\n  zzzzzzzzzz: 1\n", says: `line 3: there is no setting "http-zzzzzzzzzz"`},
		"twice":         {yaml: "wait: 1s\nwait: 2s\n", says: "line 2"},
		"both forms":    {yaml: "http-port: 1\nhttp: {port: 2}\n", says: "set twice"},
		"wrong type":    {yaml: "http-port: many\n", says: "http-port"},
		"list":          {yaml: "wait: [1s]\n", says: "not a list"},
		"no mapping":    {yaml: "- a\n", says: "mapping"},
		"syntax":        {yaml: "a: [\n", says: "octomesh.yaml"},
		"alias":         {yaml: "wait: &a 1s\ndata-dir: *a\n", says: "aliases"},
		"bad env":       {env: "x", says: "T_CFG_PORT"},
		"unknown flag":  {args: []string{"--nope"}, says: "--nope"},
		"config inside": {yaml: "config: other.yaml\n", says: "no setting"},
	} {
		t.Run(name, func(t *testing.T) {
			inDir(t, c.yaml)
			if c.env != "" {
				t.Setenv("T_CFG_PORT", c.env)
			}
			var s settings
			_, err := config.Parse("octomesh", &s, c.args, kong.Writers(&strings.Builder{}, &strings.Builder{}))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, want something about %q", err, c.says)
			}
		})
	}
}

func TestSecretsAreMasked(t *testing.T) {
	inDir(t, "")
	var s settings
	ctx, err := config.Parse("octomesh", &s, []string{"--admin-key=hunter2", "--db-uri=postgres://bob:hunter3@h/db?sslkey=hunter4&x=1", "--names=nats://hunter5@h"})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := config.Write(&out, config.List(ctx)); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "hunter") {
		t.Fatalf("a secret is shown:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "postgres://bob:********@h/db?sslkey=********&x=1") {
		t.Fatalf("too little is shown:\n%s", out.String())
	}
}

func TestMaskURI(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                    "plain",
		"sqlite://data/x.db":       "sqlite://data/x.db",
		"pg://u:p@ss@h/d":          "pg://u:********@h/d",
		"pg://u:p%zz@h/d":          "pg://********",
		"nats://u:p@a,nats://t@b":  "nats://u:********@a,nats://********@b",
		"mysql://u:p@tcp(h:3306)/": "mysql://********",
	} {
		if got := config.MaskURI(in); got != want {
			t.Errorf("%s is shown as %s, want %s", in, got, want)
		}
	}
}
