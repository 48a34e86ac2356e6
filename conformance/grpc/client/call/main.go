// Command call is a client of the code that protoc generated from the server's own
// proto file, which is put into ../mostajs before this is built. It prints a line
// for each scenario: "ok <name>", or "not ok <name>: <why>".
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/octomesh/octomesh/conformance/grpc/client/mostajs"
)

func main() {
	cc, err := grpc.NewClient(os.Getenv("OCTOMESH_GRPC"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println("not ok connect:", err)
		os.Exit(1)
	}
	defer cc.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "x-api-key", os.Getenv("OCTOMESH_KEY"))
	c := &calls{ctx: ctx, products: mostajs.NewProductServiceClient(cc), entities: mostajs.NewEntityServiceClient(cc), cc: cc, id: fmt.Sprintf("protoc-%d", os.Getpid())}
	failed := 0
	for _, s := range []struct {
		name string
		run  func() error
	}{
		{"create and read", c.create},
		{"null is not zero", c.null},
		{"lists", c.lists},
		{"every other op", c.others},
		{"errors", c.errors},
		{"stream", c.stream},
		{"watch", c.watch},
		{"execute", c.execute},
		{"health", c.health},
	} {
		if err := s.run(); err != nil {
			failed++
			fmt.Printf("not ok %s: %s\n", s.name, strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		fmt.Println("ok", s.name)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

type calls struct {
	ctx      context.Context
	products mostajs.ProductServiceClient
	entities mostajs.EntityServiceClient
	cc       *grpc.ClientConn
	id       string
}

func same[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s is %v, want %v", what, got, want)
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *calls) create() error {
	var header metadata.MD
	made, err := c.products.Create(c.ctx, &mostajs.ProductInput{Record: &mostajs.Product{
		Id: c.id, Title: proto.String("Stuhl, grün"), Price: proto.Float64(49.5), Stock: proto.Float64(0),
	}}, grpc.Header(&header))
	if err != nil {
		return err
	}
	read, err := c.products.FindById(c.ctx, &mostajs.IdRequest{Id: c.id})
	if err != nil {
		return err
	}
	if !proto.Equal(made, read) {
		return fmt.Errorf("made %v, read %v", made, read)
	}
	return first(same("title", read.GetTitle(), "Stuhl, grün"), same("version", read.Version, 1), same("positions", len(header["octo-position"]), 1))
}

func (c *calls) null() error {
	p, err := c.products.Update(c.ctx, &mostajs.ProductUpdateInput{Id: c.id, Record: &mostajs.Product{Category: proto.String("")}, Clear: []string{"stock"}})
	if err != nil {
		return err
	}
	return first(same("an empty text is there", p.Category != nil, true), same("null is there", p.Stock != nil, false))
}

func (c *calls) lists() error {
	filter := fmt.Sprintf(`{"id":%q}`, c.id)
	l, err := c.products.FindAll(c.ctx, &mostajs.FilterRequest{Filter: filter, Count: true, Select: []string{"title"}})
	if err != nil {
		return err
	}
	n, err := c.products.Count(c.ctx, &mostajs.FilterRequest{Filter: filter})
	if err != nil {
		return err
	}
	return first(same("items", len(l.Items), 1), same("total", l.Total, 1), same("count", n.Count, 1), same("price is there", l.Items[0].Price != nil, false))
}

func (c *calls) others() error {
	filter := fmt.Sprintf(`{"id":%q}`, c.id)
	_, one := c.products.FindOne(c.ctx, &mostajs.FilterRequest{Filter: filter})
	found, search := c.products.Search(c.ctx, &mostajs.SearchRequest{Query: "GRÜN", Fields: []string{"title"}})
	rows, aggregate := c.products.Aggregate(c.ctx, &mostajs.AggregateRequest{Stages: `[{"$count":"n"}]`})
	up, upsert := c.products.Upsert(c.ctx, &mostajs.ProductUpsertInput{Filter: filter, Data: `{"price":1}`})
	many, updateMany := c.products.UpdateMany(c.ctx, &mostajs.UpdateManyRequest{Filter: filter, Data: `{"price":2}`})
	plus, increment := c.products.Increment(c.ctx, &mostajs.IncrementRequest{Id: c.id, Field: "price", Amount: proto.Float64(0.5)})
	gone, deleteMany := c.products.DeleteMany(c.ctx, &mostajs.FilterRequest{Filter: `{"id":"nobody"}`})
	none, remove := c.products.Delete(c.ctx, &mostajs.IdRequest{Id: "nobody"})
	if err := first(one, search, aggregate, upsert, updateMany, increment, deleteMany, remove); err != nil {
		return err
	}
	return first(same("found", len(found.Items) > 0, true), same("rows", len(rows.Rows), 1), same("upserted", up.GetPrice(), 1.0),
		same("updated", many.Count, 1), same("price", plus.GetPrice(), 2.5), same("deleted", gone.Count, 0), same("deleted", none.Data, "false"))
}

func (c *calls) errors() error {
	_, missing := c.products.FindById(c.ctx, &mostajs.IdRequest{Id: "nobody"})
	_, invalid := c.products.Create(c.ctx, &mostajs.ProductInput{Record: &mostajs.Product{}})
	_, stranger := c.products.Count(metadata.NewOutgoingContext(c.ctx, metadata.Pairs("x-api-key", "rubbish")), &mostajs.FilterRequest{})
	late, cancel := context.WithTimeout(c.ctx, 0)
	defer cancel()
	_, timeout := c.products.Count(late, &mostajs.FilterRequest{})
	return first(same("a missing record", status.Code(missing), codes.NotFound), same("a wrong record", status.Code(invalid), codes.InvalidArgument),
		same("its details", len(status.Convert(invalid).Details()) >= 2, true), same("a wrong key", status.Code(stranger), codes.Unauthenticated),
		same("a deadline", status.Code(timeout), codes.DeadlineExceeded))
}

func (c *calls) stream() error {
	s, err := c.products.Stream(c.ctx, &mostajs.FilterRequest{Filter: fmt.Sprintf(`{"id":%q}`, c.id)})
	if err != nil {
		return err
	}
	p, err := s.Recv()
	if err != nil {
		return err
	}
	return same("id", p.Id, c.id)
}

func (c *calls) watch() error {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	w, err := c.products.Watch(ctx, &mostajs.WatchRequest{Filter: fmt.Sprintf(`{"id":%q}`, c.id)})
	if err != nil {
		return err
	}
	start, err := w.Recv()
	if err != nil {
		return err
	}
	if _, err := c.products.Increment(c.ctx, &mostajs.IncrementRequest{Id: c.id, Field: "price", Exact: "1"}); err != nil {
		return err
	}
	e, err := w.Recv()
	if err != nil {
		return err
	}
	again, err := c.products.Watch(ctx, &mostajs.WatchRequest{Filter: fmt.Sprintf(`{"id":%q}`, c.id), Position: start.Position})
	if err != nil {
		return err
	}
	if _, err := again.Recv(); err != nil {
		return err
	}
	resumed, err := again.Recv()
	if err != nil {
		return err
	}
	return first(same("type", e.Type, "updated"), same("price", e.Record.GetPrice(), 3.5), same("match", e.Match, "stay"), same("resumed", resumed.Position, e.Position))
}

func (c *calls) execute() error {
	r, err := c.entities.Execute(c.ctx, &mostajs.ExecuteRequest{Op: "catalog", Entity: "_project"})
	if err != nil {
		return err
	}
	s, err := c.entities.ExecuteStream(c.ctx, &mostajs.ExecuteRequest{Op: "export", Entity: "_project"})
	if err != nil {
		return err
	}
	chunk, err := s.Recv()
	if err != nil {
		return err
	}
	return first(same("the catalog", strings.Contains(string(r.Payload), `"products"`), true), same("the export", strings.Contains(string(chunk.Payload), c.id), true))
}

func (c *calls) health() error {
	r, err := grpc_health_v1.NewHealthClient(c.cc).Check(c.ctx, &grpc_health_v1.HealthCheckRequest{Service: "mostajs.ProductService"})
	if err != nil {
		return err
	}
	return same("status", r.Status, grpc_health_v1.HealthCheckResponse_SERVING)
}
