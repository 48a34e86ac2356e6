package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// Page is one page of records.
type Page[T any] struct {
	Data []T
	Meta
}

// FindAll returns one page of matching records.
func FindAll[T any](ctx context.Context, c *Client, entity string, q Query, opts ...CallOption) (Page[T], error) {
	return page[T](ctx, c, path(entity), q, nil, opts)
}

// Search returns records in whose text one of the fields (all text fields if
// none is named) contains the words, in any case.
func Search[T any](ctx context.Context, c *Client, entity, words string, fields []string, q Query, opts ...CallOption) (Page[T], error) {
	extra := url.Values{"query": {words}}
	if len(fields) > 0 {
		extra.Set("fields", strings.Join(fields, ","))
	}
	return page[T](ctx, c, path(entity, "search"), q, extra, opts)
}

func page[T any](ctx context.Context, c *Client, path string, q Query, extra url.Values, opts []CallOption) (Page[T], error) {
	var p Page[T]
	v, err := q.values()
	if err != nil {
		return p, err
	}
	for k, x := range extra {
		v[k] = x
	}
	err = c.do(ctx, http.MethodGet, path, v, nil, &p.Data, append([]CallOption{WithMeta(&p.Meta)}, opts...))
	return p, err
}

// FindOne returns the first matching record, or ErrNotFound.
func FindOne[T any](ctx context.Context, c *Client, entity string, q Query, opts ...CallOption) (T, error) {
	v, err := q.values()
	if err != nil {
		var none T
		return none, err
	}
	return one[T](ctx, c, http.MethodGet, path(entity, "one"), v, nil, opts)
}

// FindByID returns the record of that id, or ErrNotFound.
func FindByID[T any](ctx context.Context, c *Client, entity, id string, relations []string, opts ...CallOption) (T, error) {
	var v url.Values
	if len(relations) > 0 {
		v = url.Values{"relations": {strings.Join(relations, ",")}}
	}
	return one[T](ctx, c, http.MethodGet, path(entity, id), v, nil, opts)
}

// Create stores a new record and returns it as stored. Errors: ErrInvalid,
// ErrConflict for a unique value that is taken.
func Create[T any](ctx context.Context, c *Client, entity string, data any, opts ...CallOption) (T, error) {
	return one[T](ctx, c, http.MethodPost, path(entity), nil, data, opts)
}

// Update changes the members that data names and returns the record, or
// ErrNotFound.
func Update[T any](ctx context.Context, c *Client, entity, id string, data any, opts ...CallOption) (T, error) {
	return one[T](ctx, c, http.MethodPut, path(entity, id), nil, data, opts)
}

// Upsert updates the record that the filter finds, or inserts one, atomically.
func Upsert[T any](ctx context.Context, c *Client, entity string, filter, data any, opts ...CallOption) (T, error) {
	return one[T](ctx, c, http.MethodPost, path(entity, "upsert"), nil, object{"filter": filter, "data": data}, opts)
}

// AddToSet adds a value to an array, or a link to a many-to-many relation,
// unless it is there.
func AddToSet[T any](ctx context.Context, c *Client, entity, id, field string, value any, opts ...CallOption) (T, error) {
	return one[T](ctx, c, http.MethodPost, path(entity, id, "addToSet"), nil, object{"field": field, "value": value}, opts)
}

// Pull removes a value from an array, or a link.
func Pull[T any](ctx context.Context, c *Client, entity, id, field string, value any, opts ...CallOption) (T, error) {
	return one[T](ctx, c, http.MethodPost, path(entity, id, "pull"), nil, object{"field": field, "value": value}, opts)
}

// Increment adds to a number, atomically. A record that is not there is made.
func Increment[T any](ctx context.Context, c *Client, entity, id, field string, amount float64, opts ...CallOption) (T, error) {
	return one[T](ctx, c, http.MethodPost, path(entity, id, "increment"), nil, object{"field": field, "amount": amount}, opts)
}

// Aggregate runs $match, $group, $sort, $limit, $skip, $project and $count.
func Aggregate[T any](ctx context.Context, c *Client, entity string, stages []Filter, opts ...CallOption) ([]T, error) {
	var rows []T
	err := c.do(ctx, http.MethodPost, path(entity, "aggregate"), nil, object{"stages": stages}, &rows, opts)
	return rows, err
}

// Count returns how many records match; nil counts all.
func (c *Client) Count(ctx context.Context, entity string, filter any, opts ...CallOption) (int, error) {
	var n int
	v, err := Query{Filter: filter}.values()
	if err == nil {
		err = c.do(ctx, http.MethodGet, path(entity, "count"), v, nil, &n, opts)
	}
	return n, err
}

// Delete removes a record and reports whether it was there.
func (c *Client) Delete(ctx context.Context, entity, id string, opts ...CallOption) (bool, error) {
	var gone bool
	err := c.do(ctx, http.MethodDelete, path(entity, id), nil, nil, &gone, opts)
	return gone, err
}

// UpdateMany changes every record that matches and returns how many. The filter
// must be given; Filter{} means all.
func (c *Client) UpdateMany(ctx context.Context, entity string, filter, data any, opts ...CallOption) (int, error) {
	var m Meta
	err := c.do(ctx, http.MethodPut, path(entity, "bulk"), nil, object{"filter": filter, "data": data}, nil, append([]CallOption{WithMeta(&m)}, opts...))
	return m.Count, err
}

// DeleteMany removes every record that matches and returns how many. The filter
// must be given; Filter{} means all.
func (c *Client) DeleteMany(ctx context.Context, entity string, filter any, opts ...CallOption) (int, error) {
	var n int
	err := c.do(ctx, http.MethodDelete, path(entity, "bulk"), nil, object{"filter": filter}, &n, opts)
	return n, err
}

type object map[string]any

// one performs a call whose data is one record or null.
func one[T any](ctx context.Context, c *Client, method, path string, query url.Values, body any, opts []CallOption) (T, error) {
	var found *T
	if err := c.do(ctx, method, path, query, body, &found, opts); err != nil || found == nil {
		var none T
		if err == nil {
			err = &Error{Status: http.StatusNotFound, Code: ErrNotFound.Code, Message: "there is no such record"}
		}
		return none, err
	}
	return *found, nil
}
