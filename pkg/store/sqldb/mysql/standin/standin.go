// Package standin is MySQL as far as go-mysql-server is: the driver's own
// suites go in, and what an emulator in memory says of them comes out. It is a
// module of its own, so that the emulator reaches no service's go.sum.
package standin

import (
	"fmt"
	"net"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/sirupsen/logrus"
)

// Server is an emulator that listens on loopback.
type Server struct {
	address string
	server  *server.Server
	ended   chan error
}

// Start starts an emulator without databases.
func Start() (*Server, error) {
	logrus.SetLevel(logrus.FatalLevel) // it tells each connection and each error
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	provider := memory.NewDBProviderWithOpts(memory.NativeIndexProvider(true)).(*memory.DbProvider)
	engine := sqle.NewDefault(provider)
	config := server.Config{Protocol: "tcp", Address: listener.Addr().String(), Listener: listener}
	s, err := server.NewServerWithHandler(config, engine, sql.NewContext, memory.NewSessionBuilder(provider), nil, newSerial)
	if err != nil {
		return nil, err
	}
	started := &Server{address: listener.Addr().String(), server: s, ended: make(chan error, 1)}
	go func() { started.ended <- s.Start() }()
	return started, nil
}

// URI is the address of a database of that name, which need not be there.
func (s *Server) URI(database string) string {
	return fmt.Sprintf("mysql://root@%s/%s", s.address, database)
}

// Close ends the emulator and waits until it has ended.
func (s *Server) Close() error {
	if err := s.server.Close(); err != nil {
		return err
	}
	return <-s.ended
}
