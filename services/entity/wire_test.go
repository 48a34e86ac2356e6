package entity_test

import (
	"time"

	"github.com/nats-io/nats.go"
)

func newMsg(subject string, header []byte) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Header.Set("Octo", string(header))
	m.Data = []byte("{}")
	return m
}

// quickly lets connections of a test come back at once.
var quickly = []nats.Option{nats.ReconnectWait(2 * time.Millisecond), nats.ReconnectJitter(0, 0)}
