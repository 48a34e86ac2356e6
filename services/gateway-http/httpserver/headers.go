package httpserver

// The headers that most requests are asked for are read in one pass: looking
// each one up costs more than the rest of a simple request.
const (
	headerKey = iota
	headerAuthorization
	headerProject
	headerRequestID
	headerTraceParent
	headerIdempotencyKey
	headerIfMatch
	headerIfNoneMatch
	headerMinPosition
	headerOrigin
	headers
)

// slot returns the place of a header, -1 for one that is looked up when asked
// for. Names are in canonical form, as fasthttp gives them.
func slot(name string) int {
	switch name {
	case "X-Api-Key", "X-API-Key":
		return headerKey
	case "Authorization":
		return headerAuthorization
	case "X-Project":
		return headerProject
	case "X-Request-Id":
		return headerRequestID
	case "Traceparent":
		return headerTraceParent
	case "Idempotency-Key":
		return headerIdempotencyKey
	case "If-Match":
		return headerIfMatch
	case "If-None-Match":
		return headerIfNoneMatch
	case "Octo-Min-Position":
		return headerMinPosition
	case "Origin":
		return headerOrigin
	}
	return -1
}

// decides reports whether a header says who asks for what: then two that differ
// are refused, since a proxy before us may have looked at the other one.
func decides(slot int) bool {
	switch slot {
	case headerKey, headerAuthorization, headerProject, headerIdempotencyKey, headerIfMatch, headerMinPosition:
		return true
	}
	return false
}

// readHeaders fills x.known, and x.doubled where headers contradict each other.
// Of others that come twice the first one counts.
func (x *Exchange) readHeaders() {
	for k, v := range x.Ctx.Request.Header.All() {
		i := slot(text(k))
		switch {
		case i < 0:
		case x.known[i] == "":
			x.known[i] = text(v)
		case decides(i) && x.known[i] != text(v):
			x.doubled = true
		}
	}
}

// Header returns a request header; "" if it is absent.
func (x *Exchange) Header(name string) string {
	if i := slot(name); i >= 0 {
		return x.known[i]
	}
	return text(x.Ctx.Request.Header.Peek(name))
}
