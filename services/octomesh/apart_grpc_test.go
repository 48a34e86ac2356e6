package octomesh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	client "github.com/octomesh/octomesh/clients/go"
)

// bytesCodec sends messages that the test has written by hand.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) ([]byte, error)   { return *v.(*[]byte), nil }
func (bytesCodec) Unmarshal(b []byte, v any) error { *v.(*[]byte) = bytes.Clone(b); return nil }
func (bytesCodec) Name() string                    { return "proto" }

// TestApartGRPC: the gateway for gRPC is a process of its own, too, with the key
// of the other one. It is killed and started again, and drained while a stream is
// open, and its clients go on.
func TestApartGRPC(t *testing.T) {
	h := newApart(t, deskSchema).up()
	g := h.start("gateway-grpc").ready()
	ctx := within(t, callDeadline)
	const records = 3000
	w := h.client(nil)
	for at := 0; at < records; at += 500 {
		var operations []client.Operation
		for i := range 500 {
			operations = append(operations, client.Operation{Op: "create", Entity: "Desk", Data: map[string]any{"id": fmt.Sprintf("d%05d", at+i), "label": fmt.Sprint("desk ", at+i)}})
		}
		if _, err := w.Transaction(ctx, operations); err != nil {
			t.Fatal(err)
		}
	}
	cc, err := grpc.NewClient(g.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	known := metadata.AppendToOutgoingContext(ctx, "x-api-key", h.Key)
	find := func(ctx context.Context) ([]byte, error) {
		request, reply := []byte("\x0a\x06d00042"), []byte(nil) // id, as docs/grpc.md numbers it
		err := cc.Invoke(ctx, "/mostajs.DeskService/FindById", &request, &reply, grpc.ForceCodec(bytesCodec{}))
		return reply, err
	}
	arrow := flight.NewClientFromConn(cc, nil)
	stream := func(read int) (int, error) {
		s, err := arrow.DoGet(known, &flight.Ticket{Ticket: []byte(`{"entity":"Desk","op":"stream","batchSize":100}`)})
		if err != nil {
			return 0, err
		}
		in, err := flight.NewRecordReader(s)
		if err != nil {
			return 0, err
		}
		defer in.Release()
		rows := 0
		for rows < read && in.Next() {
			rows += int(in.RecordBatch().NumRows())
		}
		if err := in.Err(); err != nil && !errors.Is(err, io.EOF) {
			return rows, err
		}
		return rows, nil
	}
	all := func() {
		t.Helper()
		if reply, err := find(known); err != nil || !bytes.Contains(reply, []byte("desk 42")) {
			t.Errorf("%q %v", reply, err)
		}
		if rows, err := stream(records + 1); err != nil || rows != records {
			t.Errorf("%d rows, %v", rows, err)
		}
	}
	all()
	if _, err := find(ctx); status.Code(err) != codes.Unauthenticated {
		t.Errorf("without a key: %v", err)
	}
	g.kill()
	g.again()
	g.ready()
	all()
	// Nothing is lost of a stream that is open while the gateway is told to stop.
	began, over := make(chan struct{}), make(chan error, 1)
	go func() {
		s, err := arrow.DoGet(known, &flight.Ticket{Ticket: []byte(`{"entity":"Desk","op":"stream","batchSize":100}`)})
		if err != nil {
			over <- err
			return
		}
		rows := 0
		for first := true; ; first = false {
			m, err := s.Recv()
			if first {
				close(began)
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				over <- err
				return
			}
			rows += len(m.DataBody)
		}
		if rows == 0 {
			err = errors.New("nothing came")
		}
		over <- err
	}()
	<-began
	g.stop()
	if err := <-over; err != nil {
		t.Errorf("the stream ended by %v", err)
	}
	g.again()
	g.ready()
	all()
}
