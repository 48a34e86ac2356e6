// Package embedded runs a NATS server inside the process, with the accounts and
// permissions of the house: connections, in process or over the network, come
// in and are held to their role. It reads the very text that nats.conf holds.
package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/octomesh/octomesh/pkg/bus"
)

// NoListen as Port opens no port: the server is reached in process only.
const NoListen = -1

// Options configure Start. The zero value listens on a free loopback port,
// without JetStream and without native clients.
type Options struct {
	// StoreDir is the folder of JetStream; empty means no JetStream.
	StoreDir string
	// Host and Port are where clients connect: 127.0.0.1 by default, port 0
	// takes a free one, NoListen none.
	Host string
	Port int
	// Name names the server; needed in a cluster.
	Name string
	// Seeds are the nkey seeds of roles that connect from other processes, by
	// role; a role without one gets a key that only this process knows.
	Seeds map[string]string
	// Callout admits native clients through the auth service; nil admits none.
	Callout *Callout
	// Natives are static users of APP.
	Natives []Native
	// Cluster joins servers; nil runs alone.
	Cluster *Cluster
	// Log takes the server's warnings and errors; nil discards them.
	Log *slog.Logger
	// SyncAlways makes JetStream fsync every message (slow; the default is not
	// to, because the change log is the truth and the stream a copy of it).
	SyncAlways bool
}

// Callout is the public half of the auth callout.
type Callout struct {
	Issuer string // public account nkey
	XKey   string // public curve key, or empty
}

// Cluster is how a server finds its peers.
type Cluster struct {
	Name   string
	Host   string // of the route port
	Port   int
	Routes []string // host:port of all route ports
}

// Server is a running NATS server.
type Server struct {
	ns    *server.Server
	seeds map[string]string
}

// Start starts a server and returns when it takes connections.
func Start(o Options) (*Server, error) {
	seeds, err := fillSeeds(o.Seeds)
	if err != nil {
		return nil, err
	}
	so, err := serverOptions(o, seeds)
	if err != nil {
		return nil, err
	}
	if !so.DontListen && so.Port > 0 {
		// The server itself would only log that the port is taken.
		l, err := net.Listen("tcp", net.JoinHostPort(so.Host, strconv.Itoa(so.Port)))
		if err != nil {
			return nil, fmt.Errorf("the NATS port cannot be opened: %w", err)
		}
		_ = l.Close()
	}
	ns, err := server.NewServer(so)
	if err != nil {
		return nil, fmt.Errorf("the NATS server cannot start: %w", err)
	}
	if o.Log != nil {
		ns.SetLoggerV2(newLogger(o.Log, time.Now), false, false, false)
	}
	ns.Start()
	if !ns.ReadyForConnections(10 * time.Second) {
		ns.Shutdown()
		return nil, errors.New("the NATS server did not become ready within 10 s")
	}
	if so.JetStream && !ns.JetStreamEnabled() {
		ns.Shutdown()
		return nil, fmt.Errorf("JetStream cannot use the folder %s", so.StoreDir)
	}
	return &Server{ns: ns, seeds: seeds}, nil
}

func serverOptions(o Options, seeds map[string]string) (*server.Options, error) {
	conf := Conf{StoreDir: o.StoreDir, Natives: o.Natives, Key: func(role string) string { return public(seeds[role]) }}
	if o.Callout != nil {
		conf.Issuer, conf.XKey = o.Callout.Issuer, o.Callout.XKey
	}
	var text bytes.Buffer
	if err := WriteConf(&text, conf); err != nil {
		return nil, err
	}
	so := &server.Options{}
	if err := so.ProcessConfigString(text.String()); err != nil {
		return nil, fmt.Errorf("the NATS configuration is refused: %w", err)
	}
	so.ServerName, so.NoSigs, so.NoLog = o.Name, true, o.Log == nil
	so.Host, so.Port = o.Host, o.Port
	if so.Host == "" {
		so.Host = "127.0.0.1"
	}
	switch {
	case o.Port == NoListen:
		so.DontListen, so.Port = true, 0
	case o.Port == 0:
		so.Port = server.RANDOM_PORT
	}
	so.SyncAlways = o.SyncAlways
	if c := o.Cluster; c != nil {
		so.Cluster = server.ClusterOpts{Name: c.Name, Host: c.Host, Port: c.Port, PoolSize: -1}
		so.Routes = server.RoutesFromStr(routes(c.Routes))
	}
	return so, nil
}

func routes(addrs []string) string {
	var s string
	for i, a := range addrs {
		if i > 0 {
			s += ","
		}
		s += "nats-route://" + a
	}
	return s
}

// fillSeeds gives every role a seed.
func fillSeeds(given map[string]string) (map[string]string, error) {
	seeds := make(map[string]string)
	for _, role := range bus.Roles() {
		if seeds[role] = given[role]; seeds[role] != "" {
			if public(seeds[role]) == "" {
				return nil, fmt.Errorf("the nkey seed of the role %s cannot be read", role)
			}
			continue
		}
		kp, err := nkeys.CreateUser()
		if err != nil {
			return nil, err
		}
		seed, err := kp.Seed()
		if err != nil {
			return nil, err
		}
		seeds[role] = string(seed)
	}
	return seeds, nil
}

func public(seed string) string {
	kp, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return ""
	}
	pub, err := kp.PublicKey()
	if err != nil || !nkeys.IsValidPublicUserKey(pub) {
		return ""
	}
	return pub
}

// Dialer returns the Dialer of a role, in process.
func (s *Server) Dialer(role string) bus.Dialer {
	return bus.URL{Service: role, Role: role, Seed: s.seeds[role], Options: []nats.Option{nats.InProcessServer(s.ns), nats.FlusherTimeout(0)}}
}

// RemoteDialer returns the Dialer of a role over the network port, as another
// process would use it.
func (s *Server) RemoteDialer(role string) bus.Dialer {
	return bus.URL{Addr: s.ClientURL(), Service: role, Role: role, Seed: s.seeds[role]}
}

// Seed returns a role's nkey seed, for a service in another process.
func (s *Server) Seed(role string) string { return s.seeds[role] }

// ClientURL returns the address of the client port, "" if there is none.
func (s *Server) ClientURL() string {
	if s.ns.Addr() == nil {
		return ""
	}
	return s.ns.ClientURL()
}

// Server returns the NATS server itself, for its monitoring figures and to
// disconnect clients.
func (s *Server) Server() *server.Server { return s.ns }

// Shutdown stops the server and waits until it has.
func (s *Server) Shutdown() {
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
}
