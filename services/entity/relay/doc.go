// Package relay carries a project's changes from its log to JetStream, in the
// log's order. It keeps no record of what it has published: the stream itself
// tells, so a stream that was wiped is a normal start. The log is the truth; a
// message that is published twice has the same id and is stored once.
package relay
