package changelog

import (
	"bytes"
	"crypto/sha256"
	"slices"

	"github.com/octomesh/octomesh/pkg/strictjson"
	"github.com/valyala/fastjson"
)

// Hash is the digest by which a repeated request is known: of the op, the
// entity and the arguments. Order of keys and white space make no difference;
// neither do the members that ignored names, which say nothing about what is to
// be done.
func Hash(op, entity string, args *fastjson.Value, ignored func(member []byte) bool) []byte {
	var scratch [1024]byte
	text := append(scratch[:0], op...)
	text = append(text, 0)
	text = append(text, entity...)
	text = append(text, 0)
	text = canonical(text, args, ignored)
	sum := sha256.Sum256(text)
	return sum[:]
}

type pair struct {
	key   []byte
	value *fastjson.Value
}

// canonical appends v as compact text with the keys of objects in byte order.
func canonical(dst []byte, v *fastjson.Value, ignored func([]byte) bool) []byte {
	switch v.Type() {
	case fastjson.TypeObject:
		var few [16]pair
		pairs := few[:0]
		o, _ := v.Object()
		o.Visit(func(key []byte, v *fastjson.Value) {
			if ignored != nil && ignored(key) {
				return
			}
			pairs = append(pairs, pair{key, v})
		})
		slices.SortFunc(pairs, func(a, b pair) int { return bytes.Compare(a.key, b.key) })
		dst = append(dst, '{')
		for i, p := range pairs {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(strictjson.AppendString(dst, p.key), ':')
			dst = canonical(dst, p.value, nil)
		}
		return append(dst, '}')
	case fastjson.TypeArray:
		list, _ := v.Array()
		dst = append(dst, '[')
		for i, v := range list {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = canonical(dst, v, nil)
		}
		return append(dst, ']')
	}
	return strictjson.Compact(dst, v)
}
