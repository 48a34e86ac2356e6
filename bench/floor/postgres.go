package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgresTable is a pool of sixteen connections, a statement for each request.
type postgresTable struct{ pool *pgxpool.Pool }

func openPostgres(uri string, rows int) (*postgresTable, error) {
	ctx := context.Background()
	cfg, err := pgxpool.ParseConfig(uri)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 16
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	_, err = pool.Exec(ctx, `CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT, age FLOAT8, active BOOLEAN, role TEXT, bio TEXT, score FLOAT8, created TEXT, updated TEXT);
		CREATE INDEX users_created ON users (created)`)
	if err != nil {
		return nil, err
	}
	source := pgx.CopyFromSlice(rows, func(i int) ([]any, error) { return seeded(i + 1), nil })
	names := []string{"id", "email", "name", "age", "active", "role", "bio", "score", "created", "updated"}
	if _, err := pool.CopyFrom(ctx, pgx.Identifier{"users"}, names, source); err != nil {
		return nil, err
	}
	_, err = pool.Exec(ctx, "ANALYZE users")
	return &postgresTable{pool}, err
}

func (t *postgresTable) get(id string) ([]byte, error) {
	return encode(scan(t.pool.QueryRow(context.Background(), "SELECT "+columns+" FROM users WHERE id=$1", id).Scan))
}

func (t *postgresTable) list(minAge, limit int) ([]byte, error) {
	rows, err := t.pool.Query(context.Background(), "SELECT "+columns+" FROM users WHERE age>=$1 ORDER BY created DESC LIMIT $2", minAge, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return encodeAll(rows)
}

func (t *postgresTable) create(body []byte) ([]byte, error) {
	u, values, err := created(body)
	if err == nil {
		_, err = t.pool.Exec(context.Background(), "INSERT INTO users ("+columns+") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)", values...)
	}
	return encode(u, err)
}

func (t *postgresTable) update(id string, body []byte) ([]byte, error) {
	s, err := score(body)
	if err != nil {
		return nil, err
	}
	const text = "UPDATE users SET score=coalesce($1,score), updated=$2 WHERE id=$3 RETURNING " + columns
	return encode(scan(t.pool.QueryRow(context.Background(), text, s, time.Now().UTC().Format(layout), id).Scan))
}
