// Package event carries changes from the log to whoever watches a project. A
// relay turns each mesh.Change into a message, JetStream keeps it and hands it
// on to the live subjects, and a Feed in a gateway gives it to the streams that
// asked for it: once encoded for each set of readable fields, each change after
// a stream's position exactly once and in order, or a gap.
//
// The change log is the truth. Live messages may be lost, doubled or come from
// a rebuilt stream; the Feed sees it by the number of the change before, which
// every message carries, and reads what is missing from the log.
package event
