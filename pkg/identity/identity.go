// Package identity tells a gateway or a worker who calls: credentials, tokens
// and the names of native clients go in, principals come out. It is access over
// the bus: the auth service is asked for tokens and for its public keys, and the
// bucket of revocations is followed for as long as anything is believed.
package identity

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// Controller asks the control plane; it is bus.Client.
type Controller interface {
	Control(ctx context.Context, verb string, in []byte, h mesh.Header) ([]byte, error)
}

const (
	// beat is how often a Verifier is told of contact: one atomic store.
	beat = time.Second
	// keysEvery is how often the auth service's public keys are asked for again.
	keysEvery = 30 * time.Second
	retry     = 50 * time.Millisecond
)

// Identity is the Verifier and the Exchanger of one process.
type Identity struct {
	*access.Verifier
	*access.Exchanger

	control Controller
	log     *slog.Logger
	stop    context.CancelFunc
	wg      sync.WaitGroup
}

// Start asks for the auth service's keys, loads the revocations and goes on
// following both until Close. It returns when principals can be told, or with
// ctx's end. nc stays the caller's; log may be nil. Errors: UNAVAILABLE.
func Start(ctx context.Context, nc *nats.Conn, c Controller, log *slog.Logger) (*Identity, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	v, err := access.NewVerifier()
	if err != nil {
		return nil, err
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	i := &Identity{Verifier: v, control: c, log: log, stop: stop}
	i.Exchanger = access.NewExchanger(i.exchange, v)
	if err := i.firstKeys(ctx); err != nil {
		i.Close()
		return nil, err
	}
	bucket, err := bus.OpenBucket(ctx, nc, bus.BucketRevocations, bus.BucketConfig{})
	if err != nil {
		i.Close()
		return nil, err
	}
	loaded := make(chan struct{})
	i.wg.Go(func() { Follow(life, bucket, v, func() { close(loaded) }) })
	i.wg.Go(func() { i.refresh(life) })
	select {
	case <-loaded:
		return i, nil
	case <-ctx.Done():
		i.Close()
		return nil, fault.Wrap(ctx.Err(), fault.Unavailable, "the revocations could not be loaded")
	}
}

// Close stops following.
func (i *Identity) Close() {
	i.stop()
	i.Exchanger.Close()
	i.wg.Wait()
}

// Native returns the principal of a native client, by the identity that the
// NATS server vouches for. Errors: those of access.Exchanger.
func (i *Identity) Native(ctx context.Context, id string) (*mesh.Principal, error) {
	p, _, err := i.Principal(ctx, access.Credential{Native: id})
	return p, err
}

// Caller returns who makes a call: by its token, or by what the NATS server
// wrote for a native client; with neither, somebody anonymous. Errors: those of
// access.Verifier and access.Exchanger.
func (i *Identity) Caller(ctx context.Context, h *mesh.Header) (*mesh.Principal, error) {
	switch {
	case h.Native != "":
		return i.Native(ctx, h.Native)
	case h.Token != "":
		return i.Verify(h.Token)
	}
	return &mesh.Principal{Kind: mesh.Anonymous}, nil
}

// exchange is the access.ExchangeFunc of the auth service.
func (i *Identity) exchange(ctx context.Context, c access.Credential) (string, error) {
	verb, ask := "auth.exchange", Ask{
		Key: c.Key, Bearer: c.Bearer, Ticket: c.Ticket, User: c.User, Password: c.Password, RemoteAddr: c.RemoteAddr,
	}
	if c.Native != "" {
		verb, ask = "auth.principal", Ask{ID: c.Native}
	}
	in, err := json.Marshal(ask)
	if err != nil {
		return "", fault.Wrap(err, fault.AuthError, "the credential cannot be sent")
	}
	out, err := i.control.Control(ctx, verb, in, mesh.Header{Transport: "auth"})
	if err != nil {
		return "", outage(err)
	}
	var reply struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal(out, &reply); err != nil || reply.Token == "" {
		return "", fault.Wrap(err, fault.Unavailable, "the auth service's answer cannot be read")
	}
	return reply.Token, nil
}

// Ask is the request of octo.auth.exchange and octo.auth.principal.
type Ask struct {
	Key        string `json:"key,omitempty"`
	Bearer     string `json:"bearer,omitempty"`
	Ticket     string `json:"ticket,omitempty"`
	User       string `json:"user,omitempty"`
	Password   string `json:"password,omitempty"`
	RemoteAddr string `json:"remoteAddr,omitempty"`
	ID         string `json:"id,omitempty"`
}

// outage turns what the bus says of an absent auth service into UNAVAILABLE: to
// the caller it is not his project that nobody serves.
func outage(err error) error {
	switch fault.CodeOf(err) {
	case fault.NoHandler, fault.UnknownProject, fault.Timeout, fault.Internal:
		return fault.Wrap(err, fault.Unavailable, "the auth service is out of reach; try again")
	}
	return err
}

func (i *Identity) firstKeys(ctx context.Context) error {
	for {
		err := i.fetchKeys(ctx)
		if err == nil {
			return nil
		}
		t := time.NewTimer(retry)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return fault.Wrap(err, fault.Unavailable, "the auth service gave no keys")
		}
	}
}

func (i *Identity) fetchKeys(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	out, err := i.control.Control(ctx, "auth.issuer", []byte("{}"), mesh.Header{Transport: "auth"})
	if err != nil {
		return err
	}
	var reply struct {
		Keys []string `json:"keys"`
	}
	if err := json.Unmarshal(out, &reply); err != nil || len(reply.Keys) == 0 {
		return fault.Wrap(err, fault.Unavailable, "the auth service named no keys")
	}
	return i.Trust(reply.Keys...)
}

func (i *Identity) refresh(ctx context.Context) {
	tick := time.NewTicker(keysEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := i.fetchKeys(ctx); err != nil && ctx.Err() == nil {
				i.log.Warn("the auth service's keys could not be asked for; the known ones stay", "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// Follow feeds a Verifier from the bucket of revocations until ctx ends; ready
// is called once when all that exist are known.
func Follow(ctx context.Context, b *bus.Bucket, v *access.Verifier, ready func()) {
	loaded := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(beat)
		defer tick.Stop()
		select {
		case <-loaded:
		case <-ctx.Done():
			return
		}
		for {
			v.Heard(time.Now().Add(-b.CutOff()))
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	b.Watch(ctx, func(_ string, value []byte, deleted bool) {
		if id, at, ok := ParseRevocation(value); ok && !deleted {
			v.Revoke(id, at)
		}
	}, func() {
		v.Heard(time.Now())
		close(loaded)
		ready()
	})
	<-done
}

// Revocation returns the bucket's key and value for a principal whose rights
// ended at a time. The key is the id with its colons as dots; the value names
// the id itself.
func Revocation(id string, at time.Time) (key string, value []byte) {
	value = append(strconv.AppendInt(nil, at.UnixMicro(), 10), ' ')
	return strings.ReplaceAll(id, ":", "."), append(value, id...)
}

// ParseRevocation reads an entry's value. Entries of other kinds, such as used
// tickets, give false.
func ParseRevocation(value []byte) (id string, at time.Time, ok bool) {
	num, id, found := strings.Cut(string(value), " ")
	us, err := strconv.ParseInt(num, 10, 64)
	if !found || err != nil || id == "" {
		return "", time.Time{}, false
	}
	return id, time.UnixMicro(us), true
}

// UsedTicket is the kind of those entries of the bucket of revocations that are
// no revocation: tickets that were redeemed.
const UsedTicket = "t"
