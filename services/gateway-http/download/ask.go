package download

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/httpserver"
)

// Format is what records are written as.
type Format uint8

// JSON is a page of a list, which is not this package's business.
const (
	JSON Format = iota
	CSV
	Parquet
)

// formats are the words of ?format= and the types of Accept.
var formats = [...]struct{ word, accept, contentType string }{
	JSON:    {"json", "application/json", "application/json"},
	CSV:     {"csv", "text/csv", "text/csv; charset=utf-8; header=present"},
	Parquet: {"parquet", "application/vnd.apache.parquet", "application/vnd.apache.parquet"},
}

// Ask is a file as a client wants it.
type Ask struct {
	Format    Format
	delimiter byte // of CSV
	bom       bool // a byte order mark before the header
	safe      bool // no text begins like a formula
	scale     int  // of decimals in Parquet
	codec     string
	given     []string // the parameters that have been taken
}

// ContentType is that of the reply.
func (a *Ask) ContentType() string { return formats[a.Format].contentType }

// Disposition is the reply's Content-Disposition: a file named after the
// entity's collection.
func (a *Ask) Disposition(e *schema.Entity) string {
	return `attachment; filename="` + e.Collection + "." + formats[a.Format].word + `"`
}

// Asked reads ?format=, or without one what Accept prefers to JSON by name.
// Errors: INVALID_REQUEST.
func Asked(x *httpserver.Exchange) (Ask, error) {
	a := Ask{delimiter: ',', scale: columnar.AsText, codec: "zstd"}
	word := x.Query("format")
	if word == "" {
		a.Format = accepted(x.Header("Accept"))
		return a, nil
	}
	for f := range formats {
		if formats[f].word == word {
			a.Format = Format(f)
			return a, nil
		}
	}
	return a, fault.New(fault.InvalidRequest, "format is json, csv or parquet; records whose field format has this value: format[eq]=…")
}

// accepted is JSON unless Accept prefers a file by name.
func accepted(header string) Format {
	return Format(httpserver.Preferred(header, formats[JSON].accept, formats[CSV].accept, formats[Parquet].accept))
}

// Option takes a parameter that concerns the file's form, and leaves all others
// to the list. Errors: INVALID_REQUEST.
func (a *Ask) Option(name, value string) (bool, error) {
	switch name {
	case "format":
	case "delimiter", "bom", "safe":
		if a.Format != CSV {
			return false, nil
		}
	case "decimal", "compression":
		if a.Format != Parquet {
			return false, nil
		}
	default:
		return false, nil
	}
	if slices.Contains(a.given, name) {
		return true, fault.New(fault.InvalidRequest, "the parameter %q is given twice", name)
	}
	a.given = append(a.given, strings.Clone(name))
	switch name {
	case "format":
		return true, nil
	case "delimiter":
		return true, a.delimit(value)
	case "bom":
		return true, flag(&a.bom, name, value)
	case "safe":
		return true, flag(&a.safe, name, value)
	case "decimal":
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 || n > schema.MaxDecimalDigits {
			return true, fault.New(fault.InvalidRequest, "decimal is the number of digits behind the point, 0 to %d; without it decimals are texts", schema.MaxDecimalDigits)
		}
		a.scale = n
		return true, nil
	}
	for name := range codecs {
		if name == value {
			a.codec = name
			return true, nil
		}
	}
	return true, fault.New(fault.InvalidRequest, "compression is zstd, snappy or none")
}

func (a *Ask) delimit(value string) error {
	switch value {
	case ",", ";", "|", "\t":
		a.delimiter = value[0]
	case "comma":
		a.delimiter = ','
	case "semicolon":
		a.delimiter = ';'
	case "tab":
		a.delimiter = '\t'
	default:
		return fault.New(fault.InvalidRequest, "delimiter is comma, semicolon, tab or |")
	}
	return nil
}

func flag(to *bool, name, value string) error {
	switch value {
	case "1", "true":
		*to = true
	case "", "0", "false":
		*to = false
	default:
		return fault.New(fault.InvalidRequest, "%s is 1 or 0", name)
	}
	return nil
}

// Form completes the request object of the op stream that the file is made of.
func (a *Ask) Form(args []byte) []byte {
	if a.Format != Parquet {
		return args
	}
	args = args[:len(args)-1] // without its end
	if args[len(args)-1] != '{' {
		args = append(args, ',')
	}
	args = append(args, `"format":"arrow"`...)
	if a.scale != columnar.AsText {
		args = strconv.AppendInt(append(args, `,"decimal":`...), int64(a.scale), 10)
	}
	return append(args, '}')
}

// maxParquet bounds the Parquet files that are written at a time: each holds a
// row group, which may take some 20 MB.
const maxParquet = 8

// Desk makes files. It is safe for concurrent use.
type Desk struct {
	// places has one for each Parquet file that may be written at a time.
	places chan struct{}
}

// NewDesk returns a Desk.
func NewDesk() *Desk { return &Desk{places: make(chan struct{}, maxParquet)} }

// Readable leaves of a shape what the caller may read. It is asked where no record
// shows that, while the first part of a file is awaited.
type Readable func(context.Context, *columnar.Shape) (*columnar.Shape, error)

// File is the file of the records that the op stream gives for args, which Form
// has completed. Closing it closes source; if there is an error, source is left
// open. The worker has accepted args before, so that an error about them means
// that its catalog is another. Errors: UNAVAILABLE, OVERLOADED; the file's own are
// those of the stream.
func (d *Desk) File(a Ask, e *schema.Entity, args []byte, source mesh.Chunks, readable Readable) (mesh.Chunks, error) {
	if a.Format == CSV {
		shape, err := columnar.Asked(e, args, columnar.AsText)
		if err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "the entity has just been changed: ask again")
		}
		return newCSV(a, shape, source, readable), nil
	}
	select {
	case d.places <- struct{}{}:
		return newParquet(a, source, func() { <-d.places }), nil
	default:
		return nil, fault.New(fault.Overloaded, "%d Parquet files are being written: ask later, or for CSV", maxParquet).After(5 * time.Second)
	}
}
