package throttle

import (
	"fmt"
	"testing"
	"time"
)

func TestThrottle(t *testing.T) {
	now := time.Unix(1000, 0)
	th := New(Options{Burst: 3, Every: time.Second, Now: func() time.Time { return now }})
	for i := range 3 {
		if w := th.Wait("1.2.3.4"); w != 0 {
			t.Fatalf("failure %d already waits %s", i, w)
		}
		th.Failed("1.2.3.4")
	}
	if w := th.Wait("1.2.3.4:5555"); w != time.Second {
		t.Fatalf("waits %s", w)
	}
	if w := th.Wait("1.2.3.5"); w != 0 {
		t.Fatalf("somebody else waits %s", w)
	}
	for range 100 {
		th.Failed("1.2.3.4")
	}
	if w := th.Wait("1.2.3.4"); w > 5*time.Second {
		t.Fatalf("waits %s", w)
	}
	now = now.Add(10 * time.Second)
	if w := th.Wait("1.2.3.4"); w != 0 {
		t.Fatalf("still waits %s", w)
	}
}

func TestAddresses(t *testing.T) {
	th := New(Options{Burst: 1})
	th.Failed("2001:db8:1:2:3::4")
	for addr, waits := range map[string]bool{
		"2001:db8:1:2:ffff::1": true, "[2001:db8:1:2::9]:80": true, "2001:db8:1:3::4": false,
		"::ffff:9.9.9.9": false, "": false, "localhost": false, "pipe": false,
	} {
		if got := th.Wait(addr) > 0; got != waits {
			t.Errorf("%q waits: %v", addr, got)
		}
	}
	th.Failed("::ffff:9.9.9.9")
	if th.Wait("9.9.9.9") == 0 {
		t.Error("a mapped address is the same address")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	th := New(Options{Max: 50})
	for i := range 1000 {
		th.Failed(fmt.Sprintf("10.0.%d.%d", i/256, i%256))
	}
	if n := len(th.full); n > 50 {
		t.Fatalf("%d addresses", n)
	}
}
