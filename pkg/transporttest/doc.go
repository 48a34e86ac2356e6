// Package transporttest is the one conformance suite of all transports. A
// transport is a Caller turned inside out: its server turns wire into calls, its
// test client turns calls back into wire. The suite puts a scripted Caller
// behind the server and holds what arrives there, and what comes back, against
// expectations that are written by hand; and it compares the bytes on the wire
// with a recorded file, because a mistake that client and server share cancels
// out in a round trip.
package transporttest
