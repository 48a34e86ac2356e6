// Package shop is an example project: the schemas of an online shop, and
// records of it that flow out of a generator, the same ones for the same seed,
// for demonstrations and for tests that need relational data with accents,
// nulls, a self reference, many-to-many relations and a shared table.
package shop

import (
	_ "embed" // the schemas below
	"iter"
)

//go:embed schemas.json
var schemas []byte

// Schemas returns the shop's schemas.json.
func Schemas() []byte { return append([]byte(nil), schemas...) }

// Seed is the seed of the demonstration.
const Seed = 4488

// Records makes the shop's records: the entity's name, and the record as the
// data member of an export line has it, that is compact JSON with keys in record
// order, without _version, many-to-many relations as sorted ids. Entities come
// parents first, the records of each by id, and a record only names records
// before it. Beyond an export, customers have their passwordHash. The bytes are
// valid until the next step.
func Records(seed uint64) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		g := &generator{random: random(seed), yield: yield}
		for _, part := range []func(*generator) bool{
			(*generator).categories, (*generator).tags, (*generator).products, (*generator).addresses, (*generator).customers,
			(*generator).orders, (*generator).lines, (*generator).cards, (*generator).transfers, (*generator).reviews,
		} {
			if !part(g) {
				return
			}
		}
	}
}

// Lines is Records as lines of an export, {"entity":…,"data":…}, each with its
// line feed. The bytes are valid until the next step.
func Lines(seed uint64) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		var line []byte
		for entity, data := range Records(seed) {
			line = append(append(append(line[:0], `{"entity":"`...), entity...), `","data":`...)
			line = append(append(line, data...), '}', '\n')
			if !yield(line) {
				return
			}
		}
	}
}

// random is SplitMix64: a few lines that give the same numbers for ever, which
// a library's generator does not promise.
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number from 0 to n-1.
func (r *random) below(n int) int { return int(r.next() % uint64(n)) }

// chance is true in percent of 100 cases.
func (r *random) chance(percent int) bool { return r.below(100) < percent }

func pick[T any](r *random, list []T) T { return list[r.below(len(list))] }
