package store

import (
	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/schema"
)

// form is how op stream is to give its records.
type form struct {
	named       string // the first member that says so
	arrow       bool   // an Arrow IPC stream instead of lines of JSON
	rows        int    // of a batch; 0 = as many as fit
	compression string
	scaled      bool // decimals are numbers, with scale digits behind the point
	scale       int
}

// member reads a member that concerns the form.
func (f *form) member(key []byte, v *fastjson.Value) (known bool, err error) {
	name := string(key)
	switch name {
	case "format":
		var s string
		if s, err = text(v, name); err == nil && s != "" && s != "json" && s != "arrow" {
			err = invalid("format is json or arrow")
		}
		f.arrow = s == "arrow"
	case "compression":
		f.compression, err = text(v, name)
	case "batchSize":
		if f.rows, err = whole(v, 1, 1e9); err != nil {
			err = invalid("batchSize is a number of records from 1")
		}
	case "decimal":
		f.scaled = true
		if f.scale, err = whole(v, 0, schema.MaxDecimalDigits); err != nil {
			err = invalid("decimal is the number of digits behind the point, 0 to %d; without it decimals are texts", schema.MaxDecimalDigits)
		}
	default:
		return false, nil
	}
	if f.named == "" {
		f.named = name
	}
	return true, err
}

func (f *form) decimals() int {
	if f.scaled {
		return f.scale
	}
	return columnar.AsText
}

// whole reads an integer within bounds.
func whole(v *fastjson.Value, least, most int) (int, error) {
	n, err := v.Int()
	if err == nil && (n < least || n > most) {
		err = invalid("out of range")
	}
	return n, err
}
