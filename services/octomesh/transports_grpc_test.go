package octomesh

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/octomesh/octomesh/pkg/schema"
)

// grpcClient calls typed methods with messages of the descriptors that the server
// hands out.
type grpcClient struct {
	cc   *grpc.ClientConn
	file protoreflect.FileDescriptor
	key  string
}

func dialGRPC(t *testing.T, s *server) *grpcClient {
	t.Helper()
	cc, err := grpc.NewClient(s.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.HTTP+"/api/grpc/descriptors", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", s.Key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(b, &set); err != nil {
		t.Fatalf("%v: %.200s", err, b)
	}
	file, err := protodesc.NewFile(set.File[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	return &grpcClient{cc: cc, file: file, key: s.Key}
}

// call makes a message of a request object, and calls the method of the op.
func (c *grpcClient) call(t *testing.T, entity, op, args string) (*dynamicpb.Message, metadata.MD, error) {
	t.Helper()
	service, name := entity+"Service", strings.ToUpper(op[:1])+op[1:]
	in, out := dynamicpb.NewMessage(c.file.Messages().ByName("Empty")), dynamicpb.NewMessage(c.file.Messages().ByName("Empty"))
	if sd := c.file.Services().ByName(protoreflect.Name(service)); sd != nil {
		m := sd.Methods().ByName(protoreflect.Name(name))
		in, out = dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(args), &members); err != nil {
		t.Fatal(err)
	}
	for member, v := range members {
		setMember(t, in, member, v)
	}
	var header metadata.MD
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", c.key)
	err := c.cc.Invoke(ctx, "/mostajs."+service+"/"+name, in, out, grpc.Header(&header), grpc.MaxCallRecvMsgSize(64<<20))
	return out, header, err
}

// setMember sets the field of a request that has the member's name.
func setMember(t *testing.T, in *dynamicpb.Message, member string, v json.RawMessage) {
	t.Helper()
	f := in.Descriptor().Fields().ByName(protoreflect.Name(member))
	if f == nil {
		if in.Descriptor().Name() != "Empty" {
			t.Fatalf("%s has no field %s", in.Descriptor().Name(), member)
		}
		return
	}
	var text string
	isText := json.Unmarshal(v, &text) == nil
	switch {
	case f.IsList():
		var list []string
		if err := json.Unmarshal(v, &list); err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			in.Mutable(f).List().Append(protoreflect.ValueOfString(s))
		}
	case f.Kind() == protoreflect.DoubleKind:
		n, _ := strconv.ParseFloat(string(v), 64)
		in.Set(f, protoreflect.ValueOfFloat64(n))
	case f.Kind() == protoreflect.Int32Kind:
		n, _ := strconv.ParseInt(string(v), 10, 32)
		in.Set(f, protoreflect.ValueOfInt32(int32(n)))
	case isText && member != "value":
		in.Set(f, protoreflect.ValueOfString(text))
	default:
		in.Set(f, protoreflect.ValueOfString(string(v)))
	}
}

// grpcDoor asks the typed methods and puts REST's reply together from what they
// answer.
func grpcDoor(t *testing.T, s *server) door {
	c := dialGRPC(t, s)
	catalog, err := schema.Parse([]byte(deskSchema))
	if err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, st step) string {
		t.Helper()
		args := st.args
		switch {
		case st.want == "PARSE_ERROR": // what the other doors get as a body
			args = fmt.Sprintf(`{"data":%q}`, st.body)
		case st.entity == "_project":
			return c.execute(t, st)
		}
		out, header, err := c.call(t, st.entity, st.op, args)
		var meta []string
		if at := header["octo-position"]; len(at) == 1 {
			meta = append(meta, fmt.Sprintf(`"position":%q`, at[0]))
		}
		if err != nil {
			if status.Code(err) == codes.NotFound && reasonOf(err) == "NOT_FOUND" {
				return ok("null", strings.Join(meta, ","))
			}
			return fmt.Sprintf(`{"status":"error","error":{"code":%q,"message":%q}}`, reasonOf(err), status.Convert(err).Message())
		}
		get := func(name string) protoreflect.Value {
			return out.Get(out.Descriptor().Fields().ByName(protoreflect.Name(name)))
		}
		switch st.op {
		case "findAll", "search":
			var list []string
			for i := range get("items").List().Len() {
				list = append(list, recordOf(catalog.Entity(st.entity), get("items").List().Get(i).Message()))
			}
			return ok("["+strings.Join(list, ",")+"]", fmt.Sprintf(`"count":%d`, get("count").Int()))
		case "aggregate":
			var rows []string
			for i := range get("rows").List().Len() {
				rows = append(rows, get("rows").List().Get(i).String())
			}
			return ok("["+strings.Join(rows, ",")+"]", "")
		case "count":
			return ok(fmt.Sprint(get("count").Int()), fmt.Sprintf(`"total":%d`, get("count").Int()))
		case "delete":
			return ok(get("data").String(), strings.Join(meta, ","))
		case "updateMany", "deleteMany":
			meta = append([]string{fmt.Sprintf(`"count":%d`, get("count").Int())}, meta...)
			if st.op == "updateMany" {
				return `{"status":"ok","metadata":{` + strings.Join(meta, ",") + `}}`
			}
			return ok(get("data").String(), strings.Join(meta, ","))
		}
		return ok(recordOf(catalog.Entity(st.entity), out), strings.Join(meta, ","))
	}
}

func (c *grpcClient) execute(t *testing.T, st step) string {
	t.Helper()
	args, err := json.Marshal(map[string]string{"entity": st.entity, "op": st.op})
	if err != nil {
		t.Fatal(err)
	}
	in := dynamicpb.NewMessage(c.file.Messages().ByName("ExecuteRequest"))
	for _, name := range []string{"entity", "op"} {
		var v map[string]json.RawMessage
		_ = json.Unmarshal(args, &v)
		setMember(t, in, name, v[name])
	}
	in.Set(in.Descriptor().Fields().ByName("payload"), protoreflect.ValueOfBytes([]byte(st.args)))
	out := dynamicpb.NewMessage(c.file.Messages().ByName("ExecuteResponse"))
	if err := c.cc.Invoke(metadata.AppendToOutgoingContext(t.Context(), "x-api-key", c.key), "/mostajs.EntityService/Execute", in, out); err != nil {
		t.Fatal(err)
	}
	return string(out.Get(out.Descriptor().Fields().ByName("payload")).Bytes())
}

func reasonOf(err error) string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.Reason
		}
	}
	return "no reason: " + err.Error()
}

// recordOf writes a message as the record that REST would show: its members in
// the order of the schema, what is not there as null. only names the members that
// a relation shows of it; none = all.
func recordOf(e *schema.Entity, m protoreflect.Message, only ...string) string {
	fields := m.Descriptor().Fields()
	var members []string
	add := func(name, value string) { members = append(members, strconv.Quote(name)+":"+value) }
	for _, k := range e.Members {
		if len(only) > 0 && k.Name != "id" && k.Name != "_version" && !slices.Contains(only, k.Name) {
			continue
		}
		f := fields.ByName(protoreflect.Name(strings.TrimLeft(k.Name, "_")))
		if k.Relation != nil && k.Column != nil {
			if r := fields.ByName(protoreflect.Name(k.Name + "_record")); m.Has(r) {
				add(k.Name, recordOf(k.Relation.Target, m.Get(r).Message(), k.Relation.Select...))
				continue
			}
		}
		switch {
		case f.IsList():
			var list []string
			for i := range m.Get(f).List().Len() {
				list = append(list, recordOf(k.Relation.Target, m.Get(f).List().Get(i).Message(), k.Relation.Select...))
			}
			add(k.Name, "["+strings.Join(list, ",")+"]")
		case f.HasPresence() && !m.Has(f):
			add(k.Name, "null")
		default:
			add(k.Name, valueOf(k.Column, m.Get(f)))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func valueOf(c *schema.Column, v protoreflect.Value) string {
	switch c.Type.Kind() {
	case schema.KindFloat:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case schema.KindInt:
		return strconv.FormatInt(v.Int(), 10)
	case schema.KindBool:
		return strconv.FormatBool(v.Bool())
	case schema.KindJSON, schema.KindDecimal:
		return v.String()
	}
	return string(schema.AppendString(nil, v.String()))
}

// TestGRPCAgainstREST: every record of the example shop, with its relations, is
// over gRPC what it is over REST, to the byte.
func TestGRPCAgainstREST(t *testing.T) {
	s := serve(t, "", "--example", "shop")
	c := dialGRPC(t, s)
	_, text := posted(t, s, http.MethodGet, "/api/v1/_catalog", "")
	var catalog struct{ Data json.RawMessage }
	if err := json.Unmarshal([]byte(text), &catalog); err != nil {
		t.Fatal(err)
	}
	var listed struct{ Schemas json.RawMessage }
	if json.Unmarshal(catalog.Data, &listed) == nil && listed.Schemas != nil {
		catalog.Data = listed.Schemas
	}
	entities, err := schema.Parse(catalog.Data)
	if err != nil {
		t.Fatalf("%v: %.300s", err, text)
	}
	records := 0
	for _, e := range entities.Entities {
		var relations []string
		for _, r := range e.Relations {
			relations = append(relations, r.Name)
		}
		for _, filled := range [][]string{nil, relations} {
			names, err := json.Marshal(filled)
			if err != nil {
				t.Fatal(err)
			}
			args, query := `{"sort":"id","limit":200}`, "?sort=id&limit=200"
			if len(filled) > 0 {
				args = fmt.Sprintf(`{"sort":"id","limit":200,"relations":%s}`, names)
				query += "&relations=" + strings.Join(filled, ",")
			}
			out, _, err := c.call(t, e.Name, "findAll", args)
			if err != nil {
				t.Fatalf("%s: %v", e.Name, err)
			}
			_, body := posted(t, s, http.MethodGet, "/api/v1/"+e.Name+query, "")
			var want struct{ Data []json.RawMessage }
			if err := json.Unmarshal([]byte(body), &want); err != nil {
				t.Fatal(err)
			}
			items := out.Get(out.Descriptor().Fields().ByName("items")).List()
			if items.Len() != len(want.Data) || items.Len() == 0 {
				t.Fatalf("%s: %d records, REST has %d", e.Name, items.Len(), len(want.Data))
			}
			for i, w := range want.Data {
				if got := recordOf(e, items.Get(i).Message()); got != string(w) {
					t.Fatalf("%s %v\n got  %s\n want %s", e.Name, filled, got, w)
				}
				records++
			}
		}
	}
	figure(map[string]any{"records": records, "equal": !t.Failed()})
}

// TestGRPCNumbersOutliveSchemas: a field that is put before others does not move
// them, and a client of the first file reads and writes on after each change.
func TestGRPCNumbersOutliveSchemas(t *testing.T) {
	entity := func(fields string) string {
		return `[{"name":"Note","collection":"notes","fields":{` + fields + `}}]`
	}
	path := schemaFile(t, entity(`"text":"string","stars":"integer"`))
	s := serve(t, path)
	first := dialGRPC(t, s)
	if _, _, err := first.call(t, "Note", "create", `{"data":{"id":"n1","text":"é","stars":9007199254740993}}`); err != nil {
		t.Fatal(err)
	}
	for _, fields := range []string{`"before":"boolean","stars":"integer","text":"string"`, `"stars":"integer","more":"json"`, `"text":"string","stars":"integer"`} {
		s.stop()
		if err := os.WriteFile(path, []byte(entity(fields)), 0o600); err != nil {
			t.Fatal(err)
		}
		s.start()
		now := dialGRPC(t, s) // the connection of a client that was there before comes back by itself
		out, _, err := first.call(t, "Note", "findById", `{"id":"n1"}`)
		if err != nil {
			t.Fatalf("%s: %v", fields, err)
		}
		if n := out.Get(out.Descriptor().Fields().ByName("stars")).Int(); n != 9007199254740993 {
			t.Errorf("%s: the old client reads %d", fields, n)
		}
		was, is := first.file.Messages().ByName("Note").Fields(), now.file.Messages().ByName("Note").Fields()
		for i := range was.Len() {
			if f := is.ByName(was.Get(i).Name()); f != nil && f.Number() != was.Get(i).Number() {
				t.Errorf("%s: %s moved to %d", fields, was.Get(i), f.Number())
			}
		}
	}
}
