// Package repotest holds the repository's own rules as tests: which way imports
// go, that every package says what flows through it, how long a file may be,
// that no module is forgotten in go.work. A rule that is not tested here is a
// wish.
package repotest
