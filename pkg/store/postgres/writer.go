package postgres

import (
	"context"

	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/queue"
)

// startWriters opens n lanes for single units, which they take in groups; others
// have a connection each.
func (db *DB) startWriters(n int) {
	db.writes = queue.New()
	for range n {
		g := &group{db: db}
		db.writes.Lane(maxBatch, g.serve, g.close)
	}
}

// serve runs the units that wait, together if it goes, otherwise one by one.
func (g *group) serve(jobs []*queue.Job) {
	if len(jobs) > 1 && g.together(jobs) {
		return
	}
	for _, j := range jobs {
		j.Err = g.alone(j.Unit, len(jobs) == 1)
	}
}

// Write implements driver.Conn.
func (db *DB) Write(ctx context.Context, u driver.Unit) error {
	if u.Single {
		return db.writes.Write(ctx, u)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return db.writeAlone(ctx, u, false)
}

// writeAlone runs a unit of several records, or one that changes tables.
func (db *DB) writeAlone(ctx context.Context, u driver.Unit, unhurried bool) error {
	s, _, err := db.units.get(ctx) // a dead one is found by its first statement, which has done nothing then
	if err != nil {
		return err
	}
	g := &group{db: db, session: s, unhurried: unhurried}
	defer func() {
		if g.session != nil {
			g.session.patience = db.patience()
		}
		db.units.put(g.session)
	}()
	return g.alone(u, false)
}
