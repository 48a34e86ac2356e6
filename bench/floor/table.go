package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver that database/sql opens
)

// user has the ten columns of bench/schemas.json.
type user struct {
	ID      string  `json:"id"`
	Email   string  `json:"email"`
	Name    string  `json:"name"`
	Age     float64 `json:"age"`
	Active  bool    `json:"active"`
	Role    string  `json:"role"`
	Bio     string  `json:"bio"`
	Score   float64 `json:"score"`
	Created string  `json:"created"`
	Updated string  `json:"updated"`
}

const columns = "id,email,name,age,active,role,bio,score,created,updated"

// table is one writer and eight readers over prepared statements.
type table struct {
	getStmt, listStmt, insertStmt, updateStmt *sql.Stmt
}

func openTable(path, sync string, rows int) (*table, error) {
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
	t := &table{}
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
		at := time.Unix(1700000000+int64(i)*60, 0).UTC().Format(layout)
		_, err := tx.Exec("INSERT INTO users VALUES (?,?,?,?,?,?,?,?,?,?)", fmt.Sprintf("u%05d", i), fmt.Sprintf("seed%d@example.com", i),
			"Name "+strconv.Itoa(i), 18+i%62, i%2 == 0, "member", strings.Repeat("lorem ipsu", 10), float64(i)/8, at, at)
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

const layout = "2006-01-02T15:04:05.000Z"

func scan(into func(...any) error) (u user, err error) {
	err = into(&u.ID, &u.Email, &u.Name, &u.Age, &u.Active, &u.Role, &u.Bio, &u.Score, &u.Created, &u.Updated)
	return u, err
}

func encode(u user, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return json.Marshal(&u)
}

func (t *table) get(id string) ([]byte, error) { return encode(scan(t.getStmt.QueryRow(id).Scan)) }

func (t *table) list(minAge, limit int) ([]byte, error) {
	rows, err := t.listStmt.Query(minAge, limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []user
	for rows.Next() {
		u, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

func (t *table) create(body []byte) ([]byte, error) {
	var u user
	if err := json.Unmarshal(body, &u); err != nil {
		return nil, err
	}
	u.ID = strconv.FormatInt(time.Now().UnixNano(), 36) + strconv.FormatInt(rand.Int64N(1<<30), 36)
	u.Created = time.Now().UTC().Format(layout)
	u.Updated = u.Created
	_, err := t.insertStmt.Exec(u.ID, u.Email, u.Name, u.Age, u.Active, u.Role, u.Bio, u.Score, u.Created, u.Updated)
	return encode(u, err)
}

func (t *table) update(id string, body []byte) ([]byte, error) {
	var p struct{ Score *float64 }
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, err
	}
	return encode(scan(t.updateStmt.QueryRow(p.Score, time.Now().UTC().Format(layout), id).Scan))
}
