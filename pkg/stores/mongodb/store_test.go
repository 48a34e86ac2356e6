package mongodb_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"

	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/stores/mongodb"
	"github.com/octomesh/octomesh/pkg/stores/mongodb/mongotest"
	"github.com/octomesh/octomesh/pkg/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, harness(t, mongotest.Options{}))
}

// TestStandalone runs the suite on a server without transactions; the gaps are
// what docs/mongodb.md says about it.
func TestStandalone(t *testing.T) {
	t.Parallel()
	h := harness(t, mongotest.Options{Standalone: true})
	h.Gaps = map[string]string{}
	for _, topic := range []string{"transaction", "transaction refs"} {
		h.Gaps[topic] = "a standalone server has no transactions: the op is UNSUPPORTED"
	}
	for _, topic := range []string{"versions gapless", "faults leave nothing", "guard after", "stream close", "slow readers", "idempotency stored"} {
		h.Gaps[topic] = "the topic makes transactions, which a standalone server has not"
	}
	storetest.Run(t, h)
}

func TestProperty(t *testing.T) {
	t.Parallel()
	storetest.Property(t, harness(t, mongotest.Options{}), storetest.ServerCases())
}

func TestSeededBugs(t *testing.T) {
	t.Parallel()
	storetest.SeededBugs(t, harness(t, mongotest.Options{}), storetest.ServerCases())
}

var databases atomic.Int64

// harness opens databases of their own on one peer.
func harness(t testing.TB, o mongotest.Options) storetest.Harness {
	address := database(t, o)
	open := func(t testing.TB, cat *schema.Catalog, uri string) driver.Conn {
		conn, err := mongodb.Open(t.Context(), uri, cat, mongodb.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return located{conn, uri}
	}
	return storetest.Harness{
		Beside: func(t testing.TB, cat *schema.Catalog, conn driver.Conn) driver.Conn {
			return open(t, cat, conn.(located).uri)
		},
		Open: func(t testing.TB, cat *schema.Catalog) driver.Conn {
			return open(t, cat, address(fmt.Sprintf("octomesh_test_%d_%d", os.Getpid(), databases.Add(1))))
		},
		Reopen: func(t testing.TB, cat *schema.Catalog, conn driver.Conn) driver.Conn {
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, cat, conn.(located).uri)
		},
	}
}

// database returns where a database of that name is: on a peer of ours, or on the
// replica set that OCTOMESH_TEST_MONGODB_URL names, where it goes at the end.
func database(t testing.TB, o mongotest.Options) func(name string) string {
	given := os.Getenv("OCTOMESH_TEST_MONGODB_URL")
	if given == "" || o.Standalone {
		return mongotest.Start(t, o).URI
	}
	u, err := url.Parse(given)
	if err != nil {
		t.Fatal(err)
	}
	return func(name string) string {
		at := *u
		at.Path = "/" + name
		t.Cleanup(func() {
			client, err := mongo.Connect(options.Client().ApplyURI(given))
			if err == nil {
				err = errors.Join(client.Database(name).Drop(context.Background()), client.Disconnect(context.Background()))
			}
			if err != nil {
				t.Error(err)
			}
		})
		return at.String()
	}
}

// located is a database that knows its address.
type located struct {
	driver.Conn
	uri string
}
