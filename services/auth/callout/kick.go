package callout

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// quiet is how long servers may take to answer; one answers in well under a
	// millisecond, and how many there are nobody says.
	quiet = 250 * time.Millisecond
	// perServer connections are asked for at once.
	perServer = 1024
	maxRounds = 64
	// reach covers servers' clocks that run ahead of ours.
	reach = 250 * time.Millisecond
)

// Kicker disconnects native clients through a connection of the role system.
// It keeps no list of connections: the servers know them, also after a restart.
type Kicker struct{ nc *nats.Conn }

// NewKicker returns a Kicker. The connection stays the caller's.
func NewKicker(nc *nats.Conn) *Kicker { return &Kicker{nc: nc} }

type connections struct {
	Server struct {
		ID string `json:"id"`
	} `json:"server"`
	Data struct {
		Total int `json:"total"`
		Conns []struct {
			Cid   uint64    `json:"cid"`
			Start time.Time `json:"start"`
		} `json:"connections"`
	} `json:"data"`
}

// Kick disconnects, on every server, the clients of a user that connected
// before a time, and returns how many it found. Each server's clients go as
// soon as that server has answered.
func (k *Kicker) Kick(ctx context.Context, user string, before time.Time) (int, error) {
	ask, err := json.Marshal(map[string]any{"user": user, "acc": Account, "auth": true, "limit": perServer})
	if err != nil {
		return 0, err
	}
	inbox := k.nc.NewRespInbox()
	answers := make(chan *nats.Msg, 64)
	sub, err := k.nc.ChanSubscribe(inbox, answers)
	if err != nil {
		return 0, fmt.Errorf("clients cannot be looked for: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := k.nc.PublishRequest("$SYS.REQ.SERVER.PING.CONNZ", inbox, ask); err != nil {
		return 0, fmt.Errorf("clients cannot be looked for: %w", err)
	}
	found, rounds, silence := 0, 0, time.NewTimer(quiet)
	defer silence.Stop()
	for {
		select {
		case m := <-answers:
			n, more := k.disconnect(m.Data, before)
			found += n
			if rounds++; more && rounds < maxRounds { // a server had more clients than it tells at once
				if err := k.nc.PublishRequest("$SYS.REQ.SERVER.PING.CONNZ", inbox, ask); err != nil {
					return found, err
				}
			}
			silence.Reset(quiet)
		case <-silence.C:
			return found, nil
		case <-ctx.Done():
			return found, ctx.Err()
		}
	}
}

func (k *Kicker) disconnect(answer []byte, before time.Time) (found int, more bool) {
	var c connections
	if err := json.Unmarshal(answer, &c); err != nil || c.Server.ID == "" {
		return 0, false
	}
	for _, conn := range c.Data.Conns {
		if conn.Start.After(before.Add(reach)) {
			continue // it came in with what rights remain
		}
		found++
		// The server ignores a request that has no reply subject, even if nobody
		// listens there. Whether it worked shows in the next sweep.
		_ = k.nc.PublishRequest("$SYS.REQ.SERVER."+c.Server.ID+".KICK", k.nc.NewInbox(), fmt.Appendf(nil, `{"cid":%d}`, conn.Cid))
	}
	_ = k.nc.Flush()
	return found, found > 0 && c.Data.Total > len(c.Data.Conns)
}
