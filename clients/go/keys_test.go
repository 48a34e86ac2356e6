package client_test

import (
	"encoding/json"
	"testing"

	client "github.com/octomesh/octomesh/clients/go"
)

func TestRateLimitForms(t *testing.T) {
	for in, want := range map[string]client.RateLimit{
		`60`:                                    {Requests: 60, Per: "minute"},
		`{"requests":5,"per":"hour","burst":2}`: {Requests: 5, Per: "hour", Burst: 2},
	} {
		var p client.Permissions
		if err := json.Unmarshal([]byte(`{"rateLimit":`+in+`}`), &p); err != nil || p.RateLimit == nil || *p.RateLimit != want {
			t.Errorf("%s: %+v %v", in, p.RateLimit, err)
		}
	}
	if b, err := json.Marshal(client.Permissions{}); err != nil || string(b) != `{"scopes":null}` {
		t.Errorf("%s %v", b, err)
	}
}
