package main

import (
	"database/sql"
	"fmt"
	"time"

	_ "modernc.org/sqlite" // the driver that database/sql opens
)

// sqliteTable is one writer and eight readers over prepared statements.
type sqliteTable struct {
	getStmt, listStmt, insertStmt, updateStmt *sql.Stmt
}

func openSQLite(path, sync string, rows int) (*sqliteTable, error) {
	dsn := fmt.Sprintf("file:%s?_pragma=journal_mode(WAL)&_pragma=synchronous(%s)&_pragma=busy_timeout(5000)", path, sync)
	w, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	w.SetMaxOpenConns(1)
	_, err = w.Exec(`CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT, age REAL, active BOOLEAN, role TEXT, bio TEXT, score REAL, created TEXT, updated TEXT);
		CREATE INDEX users_created ON users (created)`)
	if err != nil {
		return nil, err
	}
	if err := seed(w, rows); err != nil {
		return nil, err
	}
	r, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	r.SetMaxOpenConns(8)
	r.SetMaxIdleConns(8)
	t := &sqliteTable{}
	for _, p := range []struct {
		db   *sql.DB
		stmt **sql.Stmt
		text string
	}{
		{r, &t.getStmt, "SELECT " + columns + " FROM users WHERE id=?"},
		{r, &t.listStmt, "SELECT " + columns + " FROM users WHERE age>=? ORDER BY created DESC LIMIT ?"},
		{w, &t.insertStmt, "INSERT INTO users (" + columns + ") VALUES (?,?,?,?,?,?,?,?,?,?)"},
		{w, &t.updateStmt, "UPDATE users SET score=coalesce(?,score), updated=? WHERE id=? RETURNING " + columns},
	} {
		if *p.stmt, err = p.db.Prepare(p.text); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func seed(db *sql.DB, rows int) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a Commit it does nothing
	for i := 1; i <= rows; i++ {
		if _, err := tx.Exec("INSERT INTO users VALUES (?,?,?,?,?,?,?,?,?,?)", seeded(i)...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (t *sqliteTable) get(id string) ([]byte, error) {
	return encode(scan(t.getStmt.QueryRow(id).Scan))
}

func (t *sqliteTable) list(minAge, limit int) ([]byte, error) {
	rows, err := t.listStmt.Query(minAge, limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	return encodeAll(rows)
}

func (t *sqliteTable) create(body []byte) ([]byte, error) {
	u, values, err := created(body)
	if err == nil {
		_, err = t.insertStmt.Exec(values...)
	}
	return encode(u, err)
}

func (t *sqliteTable) update(id string, body []byte) ([]byte, error) {
	s, err := score(body)
	if err != nil {
		return nil, err
	}
	return encode(scan(t.updateStmt.QueryRow(s, time.Now().UTC().Format(layout), id).Scan))
}
