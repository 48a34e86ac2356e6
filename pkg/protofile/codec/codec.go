package codec

import (
	"github.com/octomesh/octomesh/pkg/protofile"
)

// MaxRequest is how long the JSON of a request may become.
const MaxRequest = 8 << 20

// Codec knows the methods of one File. It is read-only.
type Codec struct {
	methods map[string]*Method
}

// Method is one method with the plans of its messages.
type Method struct {
	*protofile.Method
	Service *protofile.Service
	in      *input
	out     *output
	// whole tells that the reply message is the record that the reply has as its
	// data, and not made of the reply's members.
	whole bool
}

// New compiles the messages of all methods of a file.
func New(f *protofile.File) *Codec {
	c := &Codec{methods: map[string]*Method{}}
	ins, outs := map[*protofile.Message]*input{}, map[*protofile.Message]*output{}
	for _, s := range f.Services {
		for _, m := range s.Methods {
			x := &Method{Method: m, Service: s, in: newInput(m.In, ins), whole: s.Record != nil && m.Out == s.Record}
			switch {
			case x.whole || m.Op == protofile.OpWatch:
				x.out = newOutput(m.Out, outs)
			default:
				x.out = newReply(m.Out, outs)
			}
			c.methods["/"+protofile.Package+"."+s.Name+"/"+m.Name] = x
		}
	}
	return c
}

// Method returns the method of that path, /mostajs.BookService/FindAll; nil if
// there is none.
func (c *Codec) Method(path string) *Method { return c.methods[path] }
