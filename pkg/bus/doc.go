// Package bus carries mesh requests and replies over NATS: the Client turns a
// Request into a message and waits for its reply, the Host takes messages,
// hands them to a Caller and answers. Beside calls it has what services share
// through NATS: leases, watched key-value buckets, control subjects, the stream
// of events, and the table of what each role may reach. Subjects are built and
// taken apart in bus/subject alone, streams under credit live in bus/credit.
//
// # A call on the wire
//
// The payload is the request object, {} when there is none; the header Octo has
// everything else. To the reply subject come, in this order:
//
//   - any number of messages with the header Octo-Part: working, each 500 ms
//     while a caller of the mesh waits (native clients get none);
//   - the reply, whose payload is the body of the REST reply. A read that
//     succeeded has no headers. A write has Octo-Position; a replayed one
//     Idempotency-Replayed: true. Octo-Version is there only where a record's
//     _version cannot be seen at its fixed place in the body. An error has
//     micro's Nats-Service-Error-Code (the HTTP status) and Nats-Service-Error
//     (the code), and where a repetition makes sense Octo-Retry-After in
//     milliseconds;
//   - or, for replies over 512 KiB and for everything asked on a stream
//     subject, a stream as bus/credit describes it, whose start message has the
//     headers of the reply.
//
// # Who calls
//
// The server writes Nats-Request-Info into a request that crosses from APP to
// MESH and gives it a reply subject that no client may send. Both together mean
// a native client, whose identity that is; the header Octo is ignored then.
// Neither means a service, whose header Octo is read. Anything else is refused,
// and so is a request without a reply subject.
package bus
