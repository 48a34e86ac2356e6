package bus

import (
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/octomesh/octomesh/pkg/bus/credit"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// The headers of a reply. A read that succeeds has none.
const (
	// PositionHeader is where a write stands in the change log.
	PositionHeader = "Octo-Position"
	// ReplayedHeader marks the stored reply of an idempotency key seen before.
	ReplayedHeader = "Idempotency-Replayed"
	// VersionHeader is the record's _version, sent only where the body does
	// not show it at its fixed place: {"status":"ok","data":{"id":…,"_version":….
	VersionHeader = "Octo-Version"
)

// replyHeader returns the headers of a successful reply, nil for most reads.
func replyHeader(r *mesh.Reply) nats.Header {
	version := r.Version != 0 && r.Version != bodyVersion(r.Body)
	if r.Position.IsZero() && !r.Replayed && !version {
		return nil
	}
	h := make(nats.Header, 2)
	if !r.Position.IsZero() {
		h[PositionHeader] = []string{r.Position.String()}
	}
	if r.Replayed {
		h[ReplayedHeader] = []string{"true"}
	}
	if version {
		h[VersionHeader] = []string{strconv.FormatInt(r.Version, 10)}
	}
	return h
}

// parseReply reads a reply of one message, or the start of a stream.
func parseReply(m *nats.Msg) (*mesh.Reply, error) {
	if len(m.Header) == 0 {
		return &mesh.Reply{Body: m.Data, Version: bodyVersion(m.Data)}, nil
	}
	if e := credit.Fault(m.Header, m.Data); e != nil {
		return nil, e
	}
	r := &mesh.Reply{Body: m.Data, Replayed: m.Header.Get(ReplayedHeader) == "true"}
	if text := m.Header.Get(PositionHeader); text != "" {
		p, err := mesh.ParsePosition(text)
		if err != nil {
			return nil, err
		}
		r.Position = p
	}
	if text := m.Header.Get(VersionHeader); text != "" {
		r.Version, _ = strconv.ParseInt(text, 10, 64)
	} else {
		r.Version = bodyVersion(m.Data)
	}
	return r, nil
}

// bodyVersion reads _version from a reply that is one record, whose members
// begin with id and _version (docs/records.md); 0 for every other body.
func bodyVersion(body []byte) int64 {
	const before, between = `{"status":"ok","data":{"id":"`, `,"_version":`
	if len(body) < len(before) || string(body[:len(before)]) != before {
		return 0
	}
	i := len(before)
	for i < len(body) && body[i] != '"' && body[i] != '\\' { // an id has no escapes
		i++
	}
	i++
	if i+len(between) >= len(body) || string(body[i:i+len(between)]) != between {
		return 0
	}
	var n int64
	for i += len(between); i < len(body) && '0' <= body[i] && body[i] <= '9' && n < 1<<59; i++ {
		n = n*10 + int64(body[i]-'0')
	}
	return n
}
