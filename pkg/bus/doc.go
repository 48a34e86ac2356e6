// Package bus carries mesh requests and replies over NATS: the Client turns a
// Request into a message and waits for its reply, the Host takes messages,
// hands them to a Caller and answers. Beside calls it has what services share
// through NATS: leases, watched key-value buckets and the control subjects.
// Subjects are built and taken apart in bus/subject alone.
package bus
