package gatewaygrpc_test

import (
	"io"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/gateway/gatewaytest"
	"github.com/octomesh/octomesh/pkg/telemetry"
	gatewaygrpc "github.com/octomesh/octomesh/services/gateway-grpc"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.init.0.func1"))
}

const (
	key     = "sk_test_AAAAAAAA_0000000000000000000000000000000000000000000"
	schemas = `[{"name":"Product","collection":"products","fields":{"title":{"type":"string"}}}]`
)

// TestTheWholeGateway: both ports answer, to nobody and to who has a key.
func TestTheWholeGateway(t *testing.T) {
	w := gatewaytest.Start(t, schemas, key, nil)
	cfg := gatewaygrpc.DefaultConfig()
	cfg.Host, cfg.Port, cfg.ArrowPort = "127.0.0.1", 0, 0
	_, metrics := telemetry.New("gateway-grpc", telemetry.Options{Output: io.Discard})
	s, err := gatewaygrpc.New(cfg, gatewaygrpc.Deps{Dialer: w.NATS.Dialer(bus.RoleGateway), Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err == nil {
		t.Error("it serves before it runs")
	}
	w.Run(s)
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	for _, addr := range []net.Addr{s.Addr(), s.ArrowAddr()} {
		cc, err := grpc.NewClient(addr.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", key)
		if err := cc.Invoke(ctx, "/no.Such/Method", &emptypb.Empty{}, &emptypb.Empty{}); status.Code(err) != codes.Unimplemented {
			t.Errorf("%s: %v", addr, err)
		}
		if err := cc.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestPortInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	taken := ln.Addr().(*net.TCPAddr).Port
	for setting, change := range map[string]func(*gatewaygrpc.Config){
		"MOSTA_NET_GRPC_PORT":  func(c *gatewaygrpc.Config) { c.Port = taken },
		"MOSTA_NET_ARROW_PORT": func(c *gatewaygrpc.Config) { c.Port, c.ArrowPort = 0, taken },
	} {
		cfg := gatewaygrpc.DefaultConfig()
		cfg.Host = "127.0.0.1"
		change(&cfg)
		if _, err := gatewaygrpc.New(cfg, gatewaygrpc.Deps{}); err == nil || !strings.Contains(err.Error(), setting) {
			t.Errorf("%s: %v", setting, err)
		}
	}
}
