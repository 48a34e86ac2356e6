package postgres

import (
	"math/bits"

	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// Nearly every idempotency key is new: gateways make one for each write. So a
// group takes that for granted, tells its units so at once, and lets its first
// statement fail if any of their keys was used. Then each unit runs by itself
// and is told the truth. A unit whose guess was wrong has answered nobody: its
// group's guesses are proven before any outcome is told.

// guess is a key that is taken to be new.
type guess struct{ principal, key string }

// honest is how many transactions of a lane ask for their keys after a guess
// was wrong: repetitions come in swarms.
const honest = 64

// guesses are those of one transaction.
type guesses struct {
	keys []guess
	off  bool // this transaction asks
	left int  // transactions that will ask
}

// begin prepares for a transaction; may tells whether it may guess.
func (g *guesses) begin(may bool) {
	g.keys = g.keys[:0]
	g.off = !may || g.left > 0
	if may && g.left > 0 {
		g.left--
	}
}

// open reports whether a guess was made that nothing has proven.
func (g *guesses) open() bool { return len(g.keys) > 0 }

// wrong takes note of a guess that was, or may have been, wrong.
func (g *guesses) wrong() {
	g.keys = g.keys[:0]
	g.left = honest
}

// proof is the request that fails if a key was used.
func (g *guesses) proof(db *DB) *request {
	i := bits.Len(uint(len(g.keys) - 1))
	r := newRequest()
	r.plan = db.proofs[i]
	n := 1 << i
	r.begin(2 * n)
	for j := range n {
		k := g.keys[min(j, len(g.keys)-1)]
		r.text(k.principal)
		r.text(k.key)
	}
	g.keys = g.keys[:0]
	return r
}

// proving writes the proof for a number of keys. The inner reads are scalar so
// that each is a look into an index, whatever the server thinks of the tables'
// sizes.
func proving(keys int) *sqlgen.Plan {
	used := func(table string) string {
		return `(SELECT COUNT(*) FROM "` + table + `" t WHERE t."principal" = k.p AND t."idem" = k.i)`
	}
	return fixed("SELECT 1 / (1 - LEAST(1, MAX(" + used(sqlgen.ChangesTable) + " + " + used(sqlgen.RepliesTable) + "))) FROM (VALUES " +
		places(keys, 2, []string{"text", "text"}) + ") k(p, i)")
}
