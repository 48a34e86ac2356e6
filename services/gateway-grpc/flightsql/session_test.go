package flightsql_test

import (
	"context"
	"testing"

	af "github.com/apache/arrow-go/v18/arrow/flight"
)

// Drivers read what their names begin with, set what it is already, and close the
// session before they hang up; another project is not kept for them.
func TestSession(t *testing.T) {
	h := serve(t, music)
	c := h.client()
	shop := as(t, reader, "x-project", "shop")
	for _, row := range []struct {
		ctx  context.Context
		want string // the schema, or a code
	}{
		{as(t, master), "default"},
		{shop, "shop"},
		{as(t, ""), "UNAUTHORIZED"},
		{as(t, master, "x-project", "nowhere"), "UNKNOWN_PROJECT"},
	} {
		got, err := c.GetSessionOptions(row.ctx, &af.GetSessionOptionsRequest{})
		if err != nil {
			if r := reason(err); r != row.want {
				t.Errorf("%v, want %s", err, row.want)
			}
			continue
		}
		if v := got.GetSessionOptions(); len(v) != 2 || v["catalog"].GetStringValue() != "octomesh" || v["schema"].GetStringValue() != row.want {
			t.Errorf("%v, want the schema %s", v, row.want)
		}
	}
	for _, row := range []struct {
		options map[string]any
		want    string
	}{
		{map[string]any{"catalog": "octomesh"}, "ok"},
		{map[string]any{"catalog": "octomesh", "schema": "shop"}, "ok"},
		{nil, "ok"},
		{map[string]any{"schema": "default"}, "UNSUPPORTED"},
		{map[string]any{"schema": int64(1)}, "UNSUPPORTED"},
		{map[string]any{"catalog": ""}, "UNSUPPORTED"},
		{map[string]any{"other": "x"}, "UNSUPPORTED"},
	} {
		values, err := af.NewSessionOptionValues(row.options)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.SetSessionOptions(shop, &af.SetSessionOptionsRequest{SessionOptions: values})
		if r := reason(err); r != row.want || len(got.GetErrors()) > 0 {
			t.Errorf("%v: %v %v, want %s", row.options, err, got, row.want)
		}
	}
	closed, err := c.CloseSession(shop, &af.CloseSessionRequest{})
	if err != nil || closed.GetStatus() != af.CloseSessionResultClosed {
		t.Errorf("%v %v", closed, err)
	}
	if _, err := c.CloseSession(as(t, ""), &af.CloseSessionRequest{}); reason(err) != "UNAUTHORIZED" {
		t.Error(err)
	}
}
