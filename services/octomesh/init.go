package octomesh

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/services/auth/keyring"
)

type initCommand struct {
	output
	Dir string `arg:"" optional:"" help:"Folder of the keys." default:"./keys" type:"path"`
}

// Run makes what separate processes need to meet on an external NATS server: a
// seed for each role (<role>.nk, mode 0600), the settings of each service with
// its own seeds alone (auth.env, entity.env, gateway.env), and the public keys
// that nats.conf reads (nats.env). Keys that are there already stay.
func (c *initCommand) Run(e *env) error {
	ring, err := keyring.Open(c.Dir)
	if err != nil {
		return err
	}
	seeds, err := ring.Roles(bus.Roles()...)
	if err != nil {
		return err
	}
	issuer, err := ring.Issuer()
	if err != nil {
		return err
	}
	curve, err := ring.Curve()
	if err != nil {
		return err
	}
	public := map[string]string{}
	for role, seed := range seeds {
		if public["OCTOMESH_NKEY_"+strings.ToUpper(role)], err = keyring.Public(seed); err != nil {
			return err
		}
	}
	if public["OCTOMESH_CALLOUT_ISSUER"], err = keyring.Public(issuer); err != nil {
		return err
	}
	for file, vars := range map[string]map[string]string{
		"nats.env": public,
		"auth.env": {
			"OCTOMESH_NATS_SEED": seeds[bus.RoleAuth], "OCTOMESH_NATS_SYSTEM_SEED": seeds[bus.RoleSystem],
			"OCTOMESH_ISSUER_SEED": issuer, "OCTOMESH_CURVE_SEED": curve,
		},
		"entity.env":  {"OCTOMESH_NATS_SEED": seeds[bus.RoleEntity], "OCTOMESH_NATS_RELAY_SEED": seeds[bus.RoleRelay]},
		"gateway.env": {"OCTOMESH_NATS_SEED": seeds[bus.RoleGateway]},
	} {
		if err := writeWhole(filepath.Join(c.Dir, file), lines(vars), 0o600); err != nil {
			return err
		}
	}
	e.say(c.output, "Keys and settings of each service are in %s; docs/operations.md shows how to use them.", c.Dir)
	return e.result(c.output, public, func(io.Writer) {})
}

// lines writes variables in the form of an environment file, sorted.
func lines(vars map[string]string) []byte {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		b = fmt.Appendf(b, "%s=%s\n", name, vars[name])
	}
	return b
}
