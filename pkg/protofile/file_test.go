package protofile_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"pgregory.net/rapid"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/protofile"
	"github.com/octomesh/octomesh/pkg/protofile/internal/drawn"
	"github.com/octomesh/octomesh/pkg/protofile/number"
	"github.com/octomesh/octomesh/pkg/schema"
)

var update = flag.Bool("update", false, "rewrite the golden file")

const file = "mostajs/p.proto"

// compiled is the text as a compiler of its own understands it.
func compiled(t rapid.TB, text string) *descriptorpb.FileDescriptorProto {
	t.Helper()
	c := protocompile.Compiler{Resolver: &protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{file: text})}}
	got, err := c.Compile(context.Background(), file)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return protodesc.ToFileDescriptorProto(got[0])
}

// check holds the descriptor and the text to each other.
func check(t rapid.TB, f *protofile.File) protoreflect.FileDescriptor {
	t.Helper()
	fd, err := f.Compile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := f.Descriptor(file)
	text := f.Text("p", "v")
	if got := compiled(t, text); !proto.Equal(got, want) {
		t.Fatalf("the text is another file\n%s\n%v\n%v", text, got, want)
	}
	return fd
}

const shop = `[
{"name":"Author","collection":"authors","timestamps":true,"description":"Who writes.",
 "fields":{"name":{"type":"string","required":true},"password":"string","born":"date","fame":"integer","active":"boolean"},
 "relations":{"books":{"target":"Book","type":"one-to-many","mappedBy":"author"}}},
{"name":"Book","collection":"books","softDelete":true,
 "fields":{"title":{"type":"string","description":"As printed."},"price":"decimal","weight":"number","tags":{"type":"array","arrayOf":"string"},"more":"json","cover":"binary"},
 "relations":{"author":{"target":"Author","type":"many-to-one"},"genres":{"target":"Genre","type":"many-to-many"}}},
{"name":"Genre","collection":"genres","fields":{"label":"text"}}]`

func catalog(t testing.TB, source string) *schema.Catalog {
	t.Helper()
	c, err := schema.Parse([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestGolden(t *testing.T) {
	f := protofile.New(catalog(t, shop), nil, mesh.View{Read: true, Write: true})
	check(t, f)
	text := f.Text("shop", "v1")
	path := filepath.Join("testdata", "shop.proto")
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, []byte(text)) {
		t.Errorf("testdata/shop.proto differs (-update rewrites it):\n%s", text)
	}
}

// protoc, where it is installed, makes of the text what we serve as the set.
func TestProtoc(t *testing.T) {
	if _, err := exec.LookPath("protoc"); err != nil {
		t.Skip("skipped: protoc (apt-get install protobuf-compiler)")
	}
	f := protofile.New(catalog(t, shop), nil, mesh.View{Read: true, Write: true})
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "mostajs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, file), []byte(f.Text("p", "v")), 0o644); err != nil {
		t.Fatal(err)
	}
	set := filepath.Join(dir, "set")
	if out, err := exec.CommandContext(t.Context(), "protoc", "-I", dir, "-o", set, file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(set)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := f.Set(file)
	if err != nil {
		t.Fatal(err)
	}
	var got, want descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(ours, &want); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(&got, &want) {
		t.Errorf("got  %v\nwant %v", &got, &want)
	}
}

// A file shows what its reader may do, and nobody who may do nothing anything.
func TestViews(t *testing.T) {
	c := catalog(t, shop)
	for view, want := range map[mesh.View]string{
		{Read: true, Write: true}: "FindAll FindById Create Update Delete Count FindOne Search Aggregate Upsert UpdateMany DeleteMany AddToSet Pull Increment Stream Watch",
		{Read: true}:              "FindAll FindById Count FindOne Search Aggregate Stream Watch",
		{Write: true}:             "Create Update Delete Upsert UpdateMany DeleteMany AddToSet Pull Increment",
	} {
		f := protofile.New(c, nil, view)
		check(t, f)
		var got []string
		for _, m := range f.Services[1].Methods {
			got = append(got, m.Name)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%+v: %s", view, s)
		}
		if strings.Contains(f.Text("p", "v"), "password") {
			t.Error("a hidden field is shown")
		}
	}
	if f := protofile.New(c, nil, mesh.View{}); len(f.Messages)+len(f.Services) != 0 {
		t.Error("something is shown to nobody")
	}
}

// TestAny: any catalog gives a file that compiles, and what became of a catalog
// reads what was written before: a number that both files have stands for the
// same thing, and one that only the old file has is taken by nothing.
func TestAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var n number.Numbers
		var before protoreflect.FileDescriptor
		for range rapid.IntRange(1, 3).Draw(t, "steps") {
			c := drawn.Catalog(t)
			if c == nil {
				continue
			}
			n, _ = number.Extend(n, c)
			f := protofile.New(c, n, mesh.View{Read: true, Write: true})
			now := check(t, f)
			if before != nil {
				compatible(t, before, now)
			}
			before = now
		}
	})
}

func compatible(t *rapid.T, before, now protoreflect.FileDescriptor) {
	for i := range before.Messages().Len() {
		o := before.Messages().Get(i)
		m := now.Messages().ByName(o.Name())
		if m == nil {
			continue
		}
		for j := range o.Fields().Len() {
			was := o.Fields().Get(j)
			is := m.Fields().ByNumber(was.Number())
			if is == nil {
				if !m.ReservedRanges().Has(was.Number()) {
					t.Fatalf("%s was taken from the file, and anybody may have its number", was.FullName())
				}
				continue
			}
			if is.FullName() != was.FullName() || is.Kind() != was.Kind() || is.Cardinality() != was.Cardinality() ||
				is.Message() != nil && is.Message().FullName() != was.Message().FullName() {
				t.Fatalf("%v became %v", was, is)
			}
		}
	}
}
