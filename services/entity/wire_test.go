package entity_test

import "github.com/nats-io/nats.go"

func newMsg(subject string, header []byte) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Header.Set("Octo", string(header))
	m.Data = []byte("{}")
	return m
}
