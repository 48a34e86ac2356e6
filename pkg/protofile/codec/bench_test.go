package codec_test

import (
	"bytes"
	"fmt"
	"testing"
	"unicode/utf8"
)

func invalidText(b []byte) bool { return !utf8.Valid(b) }

const book = `{"id":"0199b2a4-7c1e-7000-8000-0123456789ab","_version":3,"title":"The Hitchhiker's Guide to the Galaxy","price":12.50,"weight":0.35,` +
	`"stock":42,"more":{"pages":224,"tags":["a","b"]},"cover":null,"active":true,"author":"0199b2a4-7c1e-7000-8000-0123456789ac","genres":[],` +
	`"createdAt":"2026-01-02T03:04:05.000Z","updatedAt":"2026-01-02T03:05:00.120Z"}`

func BenchmarkReply(b *testing.B) {
	p := openShop(b)
	m := p.codec.Method("/mostajs.BookService/FindById")
	body := []byte(`{"status":"ok","data":` + book + `}`)
	var room []byte
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if room, _, err = m.Reply(room[:0], body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReplyPage(b *testing.B) {
	p := openShop(b)
	m := p.codec.Method("/mostajs.BookService/FindAll")
	body := fmt.Appendf(nil, `{"status":"ok","data":[%s],"metadata":{"count":100}}`, bytes.TrimSuffix(bytes.Repeat([]byte(book+","), 100), []byte(",")))
	var room []byte
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if room, _, err = m.Reply(room[:0], body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	p := openShop(b)
	for _, c := range []struct {
		name string
		msg  []byte
	}{
		{"FindById", wire(1, "0199b2a4-7c1e-7000-8000-0123456789ab")},
		{"FindAll", wire(1, `{"stock":{"$gt":3}}`, 2, "-stock", 3, 100)},
		{"Create", wire(2, wire(2, "The Hitchhiker's Guide to the Galaxy", 3, "12.50", 5, 42, 8, 1, 10, "a1"))},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := p.codec.Method("/mostajs.BookService/" + c.name)
			var room []byte
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if room, err = m.Request(room[:0], c.msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
