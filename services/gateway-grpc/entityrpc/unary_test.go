package entityrpc_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/gateway/scripted"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// TestMethods: each method's message becomes the op's request object, and its
// reply the reply's message.
func TestMethods(t *testing.T) {
	h := open(t)
	const record = `{"id":"p1","_version":3,"title":"Chair","price":12.5,"stock":9007199254740993,"active":null,"added":"2026-01-02T03:04:05.000Z","tags":["a"],"meta":{"x":[1]},"maker":"m1","createdAt":"c","updatedAt":"u","deletedAt":null}`
	const message = `id:"p1" version:3 title:"Chair" price:12.5 stock:9007199254740993 added:"2026-01-02T03:04:05.000Z" tags:"[\"a\"]" meta:"{\"x\":[1]}" maker:"m1" createdAt:"c" updatedAt:"u"`
	for _, c := range []struct {
		name          protoreflect.Name
		in, args      string
		reply, out    string // reply: data and metadata
		header, wants string // "key: value" sent; that must come back
	}{
		{name: "FindById", in: `id:"p1" relations:"maker"`, args: `{"id":"p1","relations":["maker"]}`, reply: `"data":` + record, out: message, wants: "octo-version: 3"},
		{name: "FindById", in: `id:"p1"`, args: `{"id":"p1","minPosition":"e-7"}`, reply: `"data":` + record, out: message, header: "octo-min-position: e-7"},
		{name: "FindById", in: `id:"p1" min_position:"e-8"`, args: `{"id":"p1","minPosition":"e-8"}`, reply: `"data":` + record, out: message, header: "octo-min-position: e-7"},
		{name: "FindAll", in: `filter:"{\"price\":{\"$gt\":1}}" sort:"-price" limit:0 count:true`, args: `{"filter":{"price":{"$gt":1}},"sort":"-price","limit":0,"count":true}`, reply: `"data":[` + record + `,{"id":"p2","_version":1}],"metadata":{"count":2,"total":7,"next":"n"}`, out: `items:{` + message + `} items:{id:"p2" version:1} count:2 total:7 next:"n"`},
		{name: "FindOne", in: `filter:"{}"`, args: `{"filter":{}}`, reply: `"data":` + record, out: message},
		{name: "Count", in: ``, args: `{}`, reply: `"data":3,"metadata":{"total":3}`, out: `count:3`},
		{name: "Search", in: `query:"chair" fields:"title"`, args: `{"query":"chair","searchFields":["title"]}`, reply: `"data":[]`, out: ``},
		{name: "Aggregate", in: `stages:"[{\"$count\":\"n\"}]"`, args: `{"stages":[{"$count":"n"}]}`, reply: `"data":[{"n":3}]`, out: `rows:"{\"n\":3}"`},
		{name: "Create", in: `data:"{\"title\":\"Chair\"}"`, args: `{"data":{"title":"Chair"}}`, reply: `"data":` + record, out: message, wants: "octo-position: e1-7"},
		{name: "Create", in: `record:{title:"Chair" stock:0 active:false tags:"[]" maker:"m1"}`, args: `{"data":{"title":"Chair","stock":0,"active":false,"tags":[],"maker":"m1"}}`, reply: `"data":` + record, out: message},
		{name: "Update", in: `id:"p1" record:{title:"Chair"} clear:"maker"`, args: `{"id":"p1","data":{"title":"Chair","maker":null},"expectedVersion":2}`, reply: `"data":` + record, out: message, header: "if-match: \"2\""},
		{name: "Upsert", in: `filter:"{}" data:"{}"`, args: `{"filter":{},"data":{}}`, reply: `"data":` + record, out: message},
		{name: "UpdateMany", in: `filter:"{}" data:"{}"`, args: `{"filter":{},"data":{}}`, reply: `"metadata":{"count":3,"position":"e1-7"}`, out: `status:"ok" count:3 position:"e1-7"`},
		{name: "DeleteMany", in: `filter:"{}"`, args: `{"filter":{}}`, reply: `"data":3,"metadata":{"count":3,"position":"e1-7"}`, out: `status:"ok" data:"3" count:3 position:"e1-7"`},
		{name: "Delete", in: `id:"p1" expected_version:4`, args: `{"id":"p1","expectedVersion":4}`, reply: `"data":false`, out: `status:"ok" data:"false"`, header: "if-match: 2"},
		{name: "AddToSet", in: `id:"p1" field:"tags" text:"b"`, args: `{"id":"p1","field":"tags","value":"b"}`, reply: `"data":` + record, out: message},
		{name: "Pull", in: `id:"p1" field:"tags" value:"\"b\""`, args: `{"id":"p1","field":"tags","value":"b"}`, reply: `"data":` + record, out: message},
		{name: "Increment", in: `id:"p1" field:"stock" exact:"9007199254740993"`, args: `{"id":"p1","field":"stock","amount":9007199254740993}`, reply: `"data":` + record, out: message},
	} {
		t.Run(string(c.name)+" "+c.in, func(t *testing.T) {
			h.mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
				r := &mesh.Reply{Body: []byte(`{"status":"ok",` + c.reply + `}`), Version: 3}
				if c.wants == "octo-position: e1-7" {
					r.Position = mesh.Position{Epoch: "e1", Seq: 7}
				}
				return r, nil
			})
			ctx := as(t.Context(), scripted.Key, "x-project", "shop", "idempotency-key", "once")
			if k, v, ok := strings.Cut(c.header, ": "); ok {
				ctx = metadata.AppendToOutgoingContext(ctx, k, v)
			}
			var header metadata.MD
			out, err := h.ask(ctx, "ProductService", c.name, c.in, grpc.Header(&header))
			check(t, err)
			if want := h.message(out.Descriptor().Name(), c.out); !proto.Equal(out, want) {
				t.Errorf("got  %v\nwant %v", out, want)
			}
			op := strings.ToLower(string(c.name[:1])) + string(c.name[1:])
			last := h.mesh.Last()
			if last.Args != c.args || last.Project != "shop" || last.Entity != "Product" || last.Op != op || last.Header.Transport != "grpc" ||
				last.Header.Token != "token-of-key" || last.Header.CatalogVersion != "v1" || last.Header.IdempotencyKey != "once" {
				t.Errorf("arrived %+v, want %s", last, c.args)
			}
			if k, v, ok := strings.Cut(c.wants, ": "); ok && strings.Join(header[k], ",") != v {
				t.Errorf("header %v, want %s", header, c.wants)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	h := open(t)
	null := func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":null}`)}, nil
	}
	for _, c := range []struct {
		name, key, path string
		in              proto.Message
		want            string
		code            codes.Code
		arrives         bool
	}{
		{"no such record", scripted.Key, "/mostajs.ProductService/FindById", h.message("IdRequest", `id:"x"`), "NOT_FOUND", codes.NotFound, true},
		{"no such entity", scripted.Key, "/mostajs.ThingService/FindById", &emptypb.Empty{}, "UNKNOWN_ENTITY", codes.NotFound, false},
		{"no such method", scripted.Key, "/mostajs.ProductService/Fly", &emptypb.Empty{}, "UNKNOWN_OP", codes.Unimplemented, false},
		{"no such package", scripted.Key, "/other.Service/Fly", &emptypb.Empty{}, "UNKNOWN_OP", codes.Unimplemented, false},
		{"no method of the generic one", scripted.Key, "/mostajs.EntityService/Fly", &emptypb.Empty{}, "UNKNOWN_OP", codes.Unimplemented, false},
		{"a wrong key", "wrong", "/mostajs.ProductService/Count", &emptypb.Empty{}, "UNAUTHORIZED", codes.Unauthenticated, false},
		{"nobody and an entity that is not", "", "/mostajs.ThingService/Count", &emptypb.Empty{}, "UNAUTHORIZED", codes.Unauthenticated, false},
		{"no JSON", scripted.Key, "/mostajs.ProductService/Count", h.message("FilterRequest", `filter:"{"`), "PARSE_ERROR", codes.InvalidArgument, false},
		{"an unknown op", scripted.Key, "/mostajs.EntityService/Execute", h.message("ExecuteRequest", `op:"fly" entity:"Product"`), "UNKNOWN_OP", codes.Unimplemented, false},
		{"an entity with a bad name", scripted.Key, "/mostajs.EntityService/Execute", h.message("ExecuteRequest", `op:"count" entity:"a.b"`), "UNKNOWN_ENTITY", codes.NotFound, false},
		{"another project", scripted.Key, "/mostajs.EntityService/Execute", h.message("ExecuteRequest", `op:"count" entity:"Product" project:"nowhere"`), "UNKNOWN_PROJECT", codes.NotFound, false},
		{"a stream in one message", scripted.Key, "/mostajs.EntityService/Execute", h.message("ExecuteRequest", `op:"stream" entity:"Product"`), "INVALID_REQUEST", codes.InvalidArgument, false},
		{"a payload that is none", scripted.Key, "/mostajs.EntityService/Execute", h.message("ExecuteRequest", `op:"count" entity:"Product" payload:"[]"`), "INVALID_REQUEST", codes.InvalidArgument, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.mesh.Forget()
			h.mesh.Answer(null)
			err := h.cc.Invoke(as(t.Context(), c.key), c.path, c.in, &emptypb.Empty{})
			if reason(err) != c.want || status.Code(err) != c.code {
				t.Errorf("%v, want %s", err, c.want)
			}
			if arrived := h.mesh.Last().Op != ""; arrived != c.arrives {
				t.Errorf("it arrived: %v", h.mesh.Last())
			}
		})
	}
}

// Bytes that are no message never reach the mesh.
func TestMalformed(t *testing.T) {
	h := open(t)
	for name, b := range map[string]string{
		"cut":           "\x0a\x05a",
		"a group":       "\x0b\x0c",
		"wrong type":    "\x08\x01",
		"no UTF-8":      "\x0a\x01\xff",
		"field zero":    "\x02\x00",
		"long varint":   "\x28\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
		"nested groups": strings.Repeat("\x0b", 1000),
	} {
		var out raw
		err := h.cc.Invoke(as(t.Context(), scripted.Key), "/mostajs.ProductService/FindById", raw(b), &out, grpc.ForceCodecV2(rawCodec{}))
		if reason(err) != "INVALID_REQUEST" || status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	if last := h.mesh.Last(); last.Op != "" {
		t.Errorf("%+v arrived", last)
	}
	// What the file does not have is passed over, as a newer client may send it.
	h.mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":{"id":"p1"}}`)}, nil
	})
	var out raw
	check(t, h.cc.Invoke(as(t.Context(), scripted.Key), "/mostajs.ProductService/FindById", raw("\x0a\x02p1\xc0\x3e\x01"), &out, grpc.ForceCodecV2(rawCodec{})))
	if string(out) != "\x0a\x02p1" || h.mesh.Last().Args != `{"id":"p1"}` {
		t.Errorf("%q %+v", out, h.mesh.Last())
	}
}

// A large page comes whole, compressed too; one that is too large is refused.
func TestLargeReplies(t *testing.T) {
	h := open(t)
	line := `{"id":"p1","title":"` + strings.Repeat("x", 1000) + `"},`
	part := strings.Repeat(line, 500)
	answer := func(n int) {
		h.mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
			parts := []string{`{"status":"ok","data":[`}
			for range n {
				parts = append(parts, part)
			}
			return &mesh.Reply{Chunks: &scripted.Chunks{Parts: append(parts, `{"id":"last"}],"metadata":{"count":1}}`)}}, nil
		})
	}
	answer(4)
	for _, o := range [][]grpc.CallOption{nil, {grpc.UseCompressor(gzip.Name)}} {
		out, err := h.ask(as(t.Context(), scripted.Key), "ProductService", "FindAll", "", o...)
		check(t, err)
		items := out.Get(out.Descriptor().Fields().ByName("items")).List()
		if items.Len() != 2001 || items.Get(2000).Message().Get(items.Get(0).Message().Descriptor().Fields().ByName("id")).String() != "last" {
			t.Errorf("%d items", items.Len())
		}
	}
	answer(40)
	if _, err := h.ask(as(t.Context(), scripted.Key), "ProductService", "FindAll", "", grpc.MaxCallRecvMsgSize(64<<20)); reason(err) != string(fault.PayloadTooLarge) {
		t.Error(err)
	}
}

// TestNewCatalog: a changed schema is a changed service, on the same connection.
func TestNewCatalog(t *testing.T) {
	h := open(t)
	h.mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":{"id":"n1","text":"new"}}`)}, nil
	})
	ctx := as(t.Context(), scripted.Key)
	if err := h.cc.Invoke(ctx, "/mostajs.NoteService/FindById", &emptypb.Empty{}, &emptypb.Empty{}); reason(err) != "UNKNOWN_ENTITY" {
		t.Error(err)
	}
	check(t, h.projects.Apply("default", []byte(`{"id":"id-default","slug":"default","version":"v2","schemas":[{"name":"Note","collection":"notes","fields":{"text":"string"}}],
		"numbers":{"Note":{"message":"Note","fields":{"id:string":1,"text:string":7}}}}`), false))
	h.describe("default")
	out, err := h.ask(ctx, "NoteService", "FindById", `id:"n1"`)
	check(t, err)
	if s := fmt.Sprint(out.Get(out.Descriptor().Fields().ByNumber(7))); s != "new" || h.mesh.Last().Header.CatalogVersion != "v2" {
		t.Error(s, h.mesh.Last())
	}
	if err := h.cc.Invoke(ctx, "/mostajs.ProductService/FindById", &emptypb.Empty{}, &emptypb.Empty{}); reason(err) != "UNKNOWN_ENTITY" {
		t.Error(err)
	}
}

func TestTooLarge(t *testing.T) {
	h := open(t)
	_, err := h.ask(as(t.Context(), scripted.Key), "ProductService", "FindById", `id:"`+strings.Repeat("x", rpc.MaxMessage)+`"`)
	if status.Code(err) != codes.ResourceExhausted {
		t.Error(err)
	}
}

// A call that ends before it has said anything.
func TestNoMessage(t *testing.T) {
	h := open(t)
	for _, method := range []string{"FindById", "Stream", "Watch"} {
		cs, err := h.cc.NewStream(as(t.Context(), scripted.Key), &grpc.StreamDesc{ServerStreams: true}, "/mostajs.ProductService/"+method)
		check(t, err)
		check(t, cs.CloseSend())
		if err := cs.RecvMsg(&emptypb.Empty{}); reason(err) != "INVALID_REQUEST" {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// TestDeadline: a client's deadline goes with the call, and no call lasts longer
// than the server's own.
func TestDeadline(t *testing.T) {
	for name, c := range map[string]func(short time.Duration) (server, client time.Duration){
		"of the client": func(short time.Duration) (server, client time.Duration) { return time.Hour, short },
		"of the server": func(short time.Duration) (server, client time.Duration) { return short, time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			// The time also runs while the call is on its way: how much that takes
			// is the machine's affair, so a call that does not arrive gets more.
			for short := 50 * time.Millisecond; ; short *= 2 {
				server, client := c(short)
				left, err := deadline(t, server, client)
				if status.Code(err) != codes.DeadlineExceeded {
					t.Fatal(err)
				}
				if left == 0 {
					continue
				}
				if left > short {
					t.Errorf("%s are left of %s", left, short)
				}
				return
			}
		})
	}
}

// deadline makes a call that is never answered, and returns the time that its
// handler was given, 0 when the call ended before it got there.
func deadline(t *testing.T, server, client time.Duration) (time.Duration, error) {
	h := open(t)
	h.services.Timeout = server
	left := make(chan time.Duration, 1)
	h.mesh.Answer(func(ctx context.Context, _ *mesh.Request) (*mesh.Reply, error) {
		at, ok := ctx.Deadline()
		if !ok {
			t.Error("there is no deadline")
		}
		if rest := time.Until(at); rest > 0 {
			left <- rest
		}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithTimeout(as(t.Context(), scripted.Key), client)
	defer cancel()
	_, err := h.ask(ctx, "ProductService", "Count", "")
	select {
	case rest := <-left:
		return rest, err
	default:
		return 0, err
	}
}

// From nobody no message is waited for: it may be large.
func TestNobody(t *testing.T) {
	h := open(t)
	for _, key := range []string{"", "wrong"} {
		cs, err := h.cc.NewStream(as(t.Context(), key), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/mostajs.ProductService/Count")
		check(t, err)
		if err := cs.RecvMsg(&emptypb.Empty{}); reason(err) != "UNAUTHORIZED" {
			t.Errorf("%q: %v", key, err)
		}
	}
}

// TestCounted: each call counts once for the key's rate, whichever service and
// whatever becomes of it.
func TestCounted(t *testing.T) {
	h := open(t)
	h.mesh.Answer(func(context.Context, *mesh.Request) (*mesh.Reply, error) {
		return &mesh.Reply{Body: []byte(`{"status":"ok","data":1}`)}, nil
	})
	ctx := as(t.Context(), scripted.Slow) // two calls a day
	for i, want := range []struct{ left, reason string }{{"1", ""}, {"0", "UNKNOWN_OP"}, {"0", "RATE_LIMITED"}} {
		var header metadata.MD
		var err error
		if i == 0 {
			_, err = h.ask(ctx, "ProductService", "Count", "", grpc.Header(&header))
		} else {
			_, err = h.ask(ctx, "EntityService", "Execute", `entity:"Product" op:"nothing"`, grpc.Header(&header))
		}
		if left := header["ratelimit-remaining"]; len(left) != 1 || left[0] != want.left || reason(err) != want.reason {
			t.Errorf("call %d: %v left, %v; want %+v", i, left, err, want)
		}
	}
}
