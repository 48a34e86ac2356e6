package odata

import (
	"strconv"
	"strings"

	"github.com/octomesh/octomesh/pkg/fault"
)

// format is the form of a reply.
type format struct {
	level   level
	ieee    bool // 64-bit integers and decimals as texts
	version string
	xml     bool // of $metadata
	prefer  preferences
}

// level is how much control information a reply has (odata.metadata=…).
type level uint8

const (
	minimal level = iota
	none
	full
)

var defaultFormat = format{version: "4.01"}

// preferences are those of the header Prefer that mean something here.
type preferences struct {
	minimal, representation bool // return=…
	track                   bool // track-changes
	proceed                 bool // continue-on-error
	page                    int  // maxpagesize; 0 = none
}

// negotiate reads OData-MaxVersion, Prefer, and $format or Accept.
func (r *request) negotiate() error {
	r.form = defaultFormat
	for _, name := range [...]string{"OData-Version", "OData-MaxVersion"} {
		v := strings.TrimSpace(r.header(name))
		switch {
		case v == "":
		case v == "4.0":
			r.form.version = "4.0"
		case !strings.HasPrefix(v, "4."):
			return fault.New(fault.InvalidRequest, "%s must be 4.0 or 4.01", name)
		}
	}
	r.prefers(r.header("Prefer"))
	if f := r.options.Format; f != "" {
		if !r.accept(f) {
			return &status{406, fault.New(fault.InvalidRequest, "$format must be json, or xml for $metadata")}
		}
		return nil
	}
	accept := r.header("Accept")
	if accept == "" {
		r.form.xml = true
		return nil
	}
	for choice := range strings.SplitSeq(accept, ",") {
		if r.accept(strings.TrimSpace(choice)) {
			return nil
		}
	}
	return &status{406, fault.New(fault.InvalidRequest, "replies are application/json: send Accept: application/json")}
}

// accept takes a media type if it can be served.
func (r *request) accept(choice string) bool {
	kind, parameters, _ := strings.Cut(choice, ";")
	document := len(r.segments) == 1 && r.segments[0] == "$metadata"
	switch kind = strings.ToLower(strings.TrimSpace(kind)); kind {
	case "json", "application/json", "application/*":
	case "*/*":
		r.form.xml = true
	case "xml", "application/xml":
		if !document {
			return false
		}
		r.form.xml = true
		return true
	case "text/plain", "text/*":
		return r.text()
	case "multipart/mixed":
		return len(r.segments) == 1 && r.segments[0] == "$batch"
	case "application/x-ndjson", "application/octet-stream":
		return true
	default:
		return false
	}
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(p)), "=")
		switch strings.TrimPrefix(name, "odata.") {
		case "metadata":
			switch value {
			case "none":
				r.form.level = none
			case "full":
				r.form.level = full
			}
		case "ieee754compatible":
			r.form.ieee = value == "true"
		}
	}
	return true
}

// text tells the resources that are plain text.
func (r *request) text() bool {
	n := len(r.segments)
	return n > 1 && (r.segments[n-1] == "$count" || r.segments[n-1] == "$value")
}

func (r *request) prefers(header string) {
	p := &r.form.prefer
	for choice := range strings.FieldsFuncSeq(header, func(c rune) bool { return c == ',' || c == ';' }) {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(choice)), "=")
		name, value = strings.TrimSpace(strings.TrimPrefix(name, "odata.")), strings.Trim(strings.TrimSpace(value), `"`)
		switch name {
		case "return":
			p.minimal, p.representation = value == "minimal", value == "representation"
		case "track-changes":
			p.track = true
		case "continue-on-error":
			p.proceed = value != "false"
		case "maxpagesize":
			if n, err := strconv.Atoi(value); err == nil && n > 0 {
				p.page = n
			}
		}
	}
}

// contentType is that of a JSON reply.
func (f *format) contentType() string {
	kind := "application/json;odata.metadata=minimal"
	switch f.level {
	case none:
		kind = "application/json;odata.metadata=none"
	case full:
		kind = "application/json;odata.metadata=full"
	}
	if f.ieee {
		kind += ";IEEE754Compatible=true"
	}
	return kind
}

// applied names a preference that was followed.
func (r *response) applied(preference string) {
	for i, h := range r.headers {
		if h[0] == "Preference-Applied" {
			r.headers[i][1] += ", " + preference
			return
		}
	}
	r.set("Preference-Applied", preference)
}
