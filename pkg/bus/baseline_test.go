package bus_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
)

// BenchmarkPlainMicro is what a call is measured against: a request of nats.go
// to an endpoint of micro, with one header, under the same permissions.
func BenchmarkPlainMicro(b *testing.B) {
	s := mustStart(b, embedded.Options{Port: embedded.NoListen})
	worker := mustDial(b, s.Dialer(bus.RoleEntity))
	svc, err := micro.AddService(worker, micro.Config{Name: "plain", Version: "1.0.0"})
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(record)
	if err := svc.AddEndpoint("e", micro.HandlerFunc(func(r micro.Request) { _ = r.Respond(body) }),
		micro.WithEndpointSubject("mostajs.*.*")); err != nil {
		b.Fatal(err)
	}
	if err := worker.Flush(); err != nil {
		b.Fatal(err)
	}
	nc := mustDial(b, s.Dialer(bus.RoleGateway))
	r := call("default", "User", "findById", `{"id":"a"}`)
	r.Token = token
	parallel(b, func() error {
		m := nats.NewMsg("mostajs.User.findById")
		m.Data = r.Args
		m.Header[bus.HeaderName] = []string{string(bus.AppendHeader(nil, &r.Header, time.Second))}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, err := nc.RequestMsgWithContext(ctx, m)
		return err
	})
}

func BenchmarkCallInProcess(b *testing.B) {
	s := mustStart(b, embedded.Options{Port: embedded.NoListen})
	mustHost(b, s.Dialer(bus.RoleEntity), bus.HostOptions{}, bus.Project{Slug: "default"}, echo(record))
	c := mustClient(b, s.Dialer(bus.RoleGateway), bus.ClientOptions{})
	r := call("default", "User", "findById", `{"id":"a"}`)
	r.Token = token
	parallel(b, func() error {
		_, err := c.Call(context.Background(), r)
		return err
	})
}

// parallel runs one with 1, 16 and 64 callers and reports processor time.
func parallel(b *testing.B, one func() error) {
	for _, n := range []int{1, 16, 64} {
		b.Run(map[int]string{1: "1", 16: "16", 64: "64"}[n], func(b *testing.B) {
			b.ReportAllocs()
			var left atomic.Int64
			left.Store(int64(b.N))
			done := make(chan struct{}, n)
			before := cpu()
			b.ResetTimer()
			for range n {
				go func() {
					for left.Add(-1) >= 0 {
						if err := one(); err != nil {
							b.Error(err)
						}
					}
					done <- struct{}{}
				}()
			}
			for range n {
				<-done
			}
			b.ReportMetric(float64((cpu()-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
		})
	}
}
