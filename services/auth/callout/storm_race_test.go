//go:build race

package callout_test

// stormSize is smaller under the race detector, which makes the server's own
// time limit for a client unreachable for more.
const stormSize = 40
