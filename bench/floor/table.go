package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
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

// table answers with JSON.
type table interface {
	get(id string) ([]byte, error)
	list(minAge, limit int) ([]byte, error)
	create(body []byte) ([]byte, error)
	update(id string, body []byte) ([]byte, error)
}

const layout = "2006-01-02T15:04:05.000Z"

// seeded is the i-th row that both databases begin with.
func seeded(i int) []any {
	at := time.Unix(1700000000+int64(i)*60, 0).UTC().Format(layout)
	return []any{
		fmt.Sprintf("u%05d", i), fmt.Sprintf("seed%d@example.com", i), "Name " + strconv.Itoa(i), float64(18 + i%62), i%2 == 0,
		"member", strings.Repeat("lorem ipsu", 10), float64(i) / 8, at, at,
	}
}

// created reads the body of a create.
func created(body []byte) (u user, values []any, err error) {
	if err := json.Unmarshal(body, &u); err != nil {
		return u, nil, err
	}
	u.ID = strconv.FormatInt(time.Now().UnixNano(), 36) + strconv.FormatInt(rand.Int64N(1<<30), 36)
	u.Created = time.Now().UTC().Format(layout)
	u.Updated = u.Created
	return u, []any{u.ID, u.Email, u.Name, u.Age, u.Active, u.Role, u.Bio, u.Score, u.Created, u.Updated}, nil
}

// score reads the body of an update.
func score(body []byte) (*float64, error) {
	var p struct{ Score *float64 }
	err := json.Unmarshal(body, &p)
	return p.Score, err
}

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

// cursor is what both drivers' rows have in common.
type cursor interface {
	Next() bool
	Scan(...any) error
	Err() error
}

func encodeAll(rows cursor) ([]byte, error) {
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
