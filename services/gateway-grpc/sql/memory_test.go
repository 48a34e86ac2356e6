package sql

import (
	"testing"

	"github.com/octomesh/octomesh/pkg/fault"
)

// All statements together are bounded too, and give back what they took.
func TestTotal(t *testing.T) {
	var all [totalLimit/memoryLimit + 1]kept
	for i := range all {
		err := all[i].take(memoryLimit)
		if i < len(all)-1 && err != nil || i == len(all)-1 && fault.CodeOf(err) != fault.Overloaded {
			t.Errorf("statement %d: %v", i, err)
		}
	}
	all[0].free()
	all[0].free()
	var late kept
	if err := late.take(memoryLimit); err != nil {
		t.Error(err)
	}
	if err := late.take(1); fault.CodeOf(err) != fault.PayloadTooLarge {
		t.Error(err)
	}
	late.free()
	for i := range all {
		all[i].free()
	}
	if n := total.Load(); n != 0 {
		t.Errorf("%d bytes are taken", n)
	}
}
