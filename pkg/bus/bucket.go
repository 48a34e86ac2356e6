package bus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/octomesh/octomesh/pkg/fault"
)

// BucketConfig says how a bucket is made. Zero values take the defaults.
type BucketConfig struct {
	// Create makes the bucket when it is not there, also later, when JetStream
	// was wiped. Without it OpenBucket waits for whoever makes it.
	Create bool
	// TTL is how long a value lives; 0 for ever.
	TTL time.Duration
	// Replicas is 1, or 3 on three nodes or more.
	Replicas int
	// Memory keeps the values in memory only.
	Memory bool
	// Refill is called by a Watch that finds the bucket made anew, as after a
	// wipe of JetStream, when all that the new one holds has been told: whoever
	// owns the values writes them again.
	Refill func()
	// Probe is how often a watch asks whether it still is in contact (5 s).
	Probe time.Duration
}

// Bucket is a key-value bucket of JetStream. It is safe for concurrent use.
type Bucket struct {
	nc   *nats.Conn
	js   jetstream.JetStream
	name string
	cfg  BucketConfig

	mu      sync.Mutex
	kv      jetstream.KeyValue
	contact time.Time // when the watch last heard of the bucket
}

// OpenBucket creates a bucket or binds to it. Without cfg.Create it waits until
// somebody has made it or ctx ends. Errors: UNAVAILABLE.
func OpenBucket(ctx context.Context, nc *nats.Conn, name string, cfg BucketConfig) (*Bucket, error) {
	if cfg.Probe == 0 {
		cfg.Probe = 5 * time.Second
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(2*time.Second))
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "JetStream is out of reach")
	}
	b := &Bucket{nc: nc, js: js, name: name, cfg: cfg, contact: time.Now()}
	for tries := 0; ; tries++ {
		if _, err = b.bind(ctx, tries > 0); err == nil {
			return b, nil
		}
		t := time.NewTimer(backoff(tries, 20*time.Millisecond, 500*time.Millisecond))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, fault.Wrap(err, fault.Unavailable, "the bucket %s is out of reach", name)
		}
	}
}

// bind returns the bucket; anew forgets what was bound before.
func (b *Bucket) bind(ctx context.Context, anew bool) (jetstream.KeyValue, error) {
	b.mu.Lock()
	kv := b.kv
	b.mu.Unlock()
	if kv != nil && !anew {
		return kv, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	kv, err := b.js.KeyValue(ctx, b.name)
	if errors.Is(err, jetstream.ErrBucketNotFound) && b.cfg.Create {
		storage := jetstream.FileStorage
		if b.cfg.Memory {
			storage = jetstream.MemoryStorage
		}
		kv, err = b.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: b.name, TTL: b.cfg.TTL, Replicas: max(1, b.cfg.Replicas), Storage: storage, MaxValueSize: MaxValue,
		})
		if errors.Is(err, jetstream.ErrBucketExists) {
			kv, err = b.js.KeyValue(ctx, b.name)
		}
	}
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.kv = kv
	b.mu.Unlock()
	return kv, nil
}

// MaxValue is the largest value of a bucket: a project's schemas.
const MaxValue = 4 << 20

// do runs f, and once more on a new binding when the bucket was wiped.
func (b *Bucket) do(ctx context.Context, f func(jetstream.KeyValue) error) error {
	kv, err := b.bind(ctx, false)
	if err == nil {
		err = f(kv)
		if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders) {
			if kv, err = b.bind(ctx, true); err == nil {
				err = f(kv)
			}
		}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, jetstream.ErrKeyDeleted):
		return fault.Wrap(err, fault.NotFound, "the bucket %s has no such key", b.name)
	case wrongRevision(err):
		return fault.Wrap(err, fault.Conflict, "the key was changed by somebody else")
	case errors.Is(err, jetstream.ErrInvalidKey):
		return fault.Wrap(err, fault.InvalidRequest, "the key is not one that a bucket can hold")
	}
	return fault.Wrap(err, fault.Unavailable, "the bucket %s is out of reach", b.name)
}

// wrongRevision tells that a key had another revision than expected.
func wrongRevision(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrKeyExists) || errors.Is(err, jetstream.ErrKeyRevisionMismatch) ||
		errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == wrongSequenceReplicated)
}

// wrongSequenceReplicated is the code of the same refusal on a stream with
// replicas.
const wrongSequenceReplicated = 10164

// Get returns a value and its revision. Errors: NOT_FOUND, UNAVAILABLE.
func (b *Bucket) Get(ctx context.Context, key string) (value []byte, revision uint64, err error) {
	err = b.do(ctx, func(kv jetstream.KeyValue) error {
		e, err := kv.Get(ctx, key)
		if err == nil {
			value, revision = e.Value(), e.Revision()
		}
		return err
	})
	return value, revision, err
}

// Put sets a value, whatever is there. Errors: UNAVAILABLE, INVALID_REQUEST.
func (b *Bucket) Put(ctx context.Context, key string, value []byte) error {
	return b.do(ctx, func(kv jetstream.KeyValue) error {
		_, err := kv.Put(ctx, key, value)
		return err
	})
}

// Create sets a value where there is none. Errors: CONFLICT, UNAVAILABLE.
func (b *Bucket) Create(ctx context.Context, key string, value []byte) (revision uint64, err error) {
	err = b.do(ctx, func(kv jetstream.KeyValue) error {
		var err error
		revision, err = kv.Create(ctx, key, value)
		return err
	})
	return revision, err
}

// Update sets a value that still has the revision. Errors: CONFLICT, UNAVAILABLE.
func (b *Bucket) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	err := b.do(ctx, func(kv jetstream.KeyValue) error {
		var err error
		revision, err = kv.Update(ctx, key, value, revision)
		return err
	})
	return revision, err
}

// Delete removes a key; revision 0 whatever is there. Errors: CONFLICT,
// UNAVAILABLE.
func (b *Bucket) Delete(ctx context.Context, key string, revision uint64) error {
	return b.do(ctx, func(kv jetstream.KeyValue) error {
		if revision == 0 {
			return kv.Delete(ctx, key)
		}
		return kv.Delete(ctx, key, jetstream.LastRevision(revision))
	})
}
