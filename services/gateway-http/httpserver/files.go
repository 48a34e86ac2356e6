package httpserver

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/valyala/fasthttp"
)

// File is a part of a page for browsers that the program carries.
type File struct {
	kind, tag string
	body      []byte
	packed    bool // by gzip
}

var kinds = map[string]string{
	".css": "text/css; charset=utf-8", ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
}

// NewFile returns a file; its name tells the content type.
func NewFile(name string, body []byte) *File {
	sum := sha256.Sum256(body)
	f := &File{kind: kinds[path.Ext(name)], tag: `"` + hex.EncodeToString(sum[:8]) + `"`, body: body}
	if f.kind == "" {
		f.kind = "text/plain; charset=utf-8"
	}
	return f
}

// Files are the files of a folder that is embedded, by their names. One that ends
// in .gz goes without that, and packed to who takes it so.
func Files(folder fs.FS) map[string]*File {
	entries, err := fs.ReadDir(folder, ".")
	files := make(map[string]*File, len(entries))
	for _, entry := range entries {
		body, failed := fs.ReadFile(folder, entry.Name())
		if err == nil {
			err = failed
		}
		name, packed := strings.CutSuffix(entry.Name(), ".gz")
		files[name] = NewFile(name, body)
		files[name].packed = packed
	}
	if err != nil {
		panic(err) // it is embedded
	}
	return files
}

// File replies with a file. policy is what a page with it may load and do
// (Content-Security-Policy).
func (x *Exchange) File(f *File, policy string) {
	x.SetHeader("Content-Security-Policy", policy)
	x.SetHeader("Referrer-Policy", "no-referrer")
	x.SetHeader("Cross-Origin-Opener-Policy", "same-origin")
	x.SetHeader("Cache-Control", "no-cache")
	x.SetHeader("ETag", f.tag)
	if f.packed {
		x.SetHeader("Vary", "Accept-Encoding")
	}
	if have := x.Header("If-None-Match"); have != "" && strings.Contains(have, f.tag) {
		x.Empty(fasthttp.StatusNotModified)
		return
	}
	body := f.body
	switch {
	case f.packed && x.Ctx.Request.Header.HasAcceptEncoding("gzip"):
		x.SetHeader("Content-Encoding", "gzip")
	case f.packed:
		body = unpack(body)
	}
	x.JSON(fasthttp.StatusOK, body)
	x.Ctx.Response.Header.SetContentType(f.kind)
}

func unpack(b []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err == nil {
		b, err = io.ReadAll(r)
	}
	if err != nil {
		panic(err) // it is embedded
	}
	return b
}

// WithoutSlash sends who asks for a page with a slash at its end to it, since the
// addresses of its files are relative, and reports whether it did.
func (x *Exchange) WithoutSlash() bool {
	at := x.Ctx.URI().PathOriginal()
	if !bytes.HasSuffix(at, []byte{'/'}) {
		return false
	}
	x.SetHeader("Location", "../"+x.Segments[0])
	x.Empty(fasthttp.StatusMovedPermanently)
	return true
}
