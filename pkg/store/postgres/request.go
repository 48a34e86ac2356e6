package postgres

import (
	"encoding/binary"
	"math"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/sqlgen"
)

// request is a statement on its way: what it binds goes with it, what the server
// answered comes back with it.
type request struct {
	plan   *sqlgen.Plan
	entity *schema.Entity // at work, for errors; may be nil
	args   sqlgen.Args
	params []byte // number of values, then each with its length; null has -1

	formats  []byte // of the answer's columns, 1 = binary; nil = all text
	rows     []byte // the answer: messages of rows, each with its length before it
	affected int64
	word     byte         // the first letter of the command's tag
	change   *mesh.Change // gets its seq and tx from the answer; may be nil
	folds    bool         // an insert that may share a statement with others
	parts    []*request   // those that share this one
	over     bool         // the answer was larger than is kept: it begins with what is
	whole    bool         // the answer is kept, however large
	err      error

	row   row // the one that each gives
	state atomic.Int32
	done  chan struct{} // cap 1
	tries int
}

var requests = sync.Pool{New: func() any { return &request{done: make(chan struct{}, 1)} }}

// keptRows is how much memory for an answer goes back to the pool.
const keptRows = 64 << 10

func newRequest() *request { return requests.Get().(*request) }

func (r *request) release() {
	if cap(r.rows) > keptRows {
		r.rows = nil
	}
	if cap(r.params) > keptRows {
		r.params = nil
	}
	r.args.Reset()
	r.plan, r.entity, r.change, r.formats, r.folds, r.whole, r.tries = nil, nil, nil, nil, false, false, 0
	r.params = r.params[:0]
	r.clear()
	requests.Put(r)
}

// numbered gives the changes that were written the numbers of the answer.
func (r *request) numbered() error {
	if r.change == nil && len(r.parts) == 0 {
		return nil
	}
	i := 0
	return r.each(nil, func(row *row) error {
		c := r.change
		if len(r.parts) > 0 {
			c = r.parts[i].change
			i++
		}
		c.Seq, c.Tx = row.int(0), row.int(1)
		return nil
	})
}

// clear forgets the answer.
func (r *request) clear() {
	r.rows, r.affected, r.over, r.err = r.rows[:0], 0, false, nil
}

// begin starts a list of n values.
func (r *request) begin(n int) {
	r.params = binary.BigEndian.AppendUint16(r.params[:0], uint16(n))
}

// bind takes the plan's values out of args.
func (r *request) bind() {
	r.begin(len(r.args.Values))
	for _, v := range r.args.Values {
		r.value(v)
	}
	r.args.Reset()
}

func (r *request) null() { r.params = append(r.params, 0xFF, 0xFF, 0xFF, 0xFF) }

func (r *request) text(s string) {
	r.params = append(binary.BigEndian.AppendUint32(r.params, uint32(len(s))), s...)
}

func (r *request) int(n int64) {
	var b [20]byte
	r.bytes(strconv.AppendInt(b[:0], n, 10))
}

func (r *request) bytes(b []byte) {
	r.params = append(binary.BigEndian.AppendUint32(r.params, uint32(len(b))), b...)
}

func (r *request) value(v schema.Value) {
	var b [32]byte
	switch v.Kind() {
	case schema.KindNull:
		r.null()
	case schema.KindBool:
		if v.Bool() {
			r.text("t")
		} else {
			r.text("f")
		}
	case schema.KindInt:
		r.int(v.Int())
	case schema.KindFloat:
		r.bytes(strconv.AppendFloat(b[:0], v.Float(), 'g', -1, 64))
	case schema.KindTime:
		r.bytes(schema.AppendTime(b[:0], v.Int()))
	default:
		r.text(v.Text())
	}
}

// optional binds bytes, nil as null.
func (r *request) optional(b []byte) {
	if b == nil {
		r.null()
		return
	}
	r.bytes(b)
}

// ids binds ids, the last one again and again until there are n.
func (r *request) ids(ids []string, n int) {
	for i := range n {
		r.text(ids[min(i, len(ids)-1)])
	}
}

// keep adds a row to the answer, unless that grows over most bytes. The first row
// is always kept: an answer that is not empty must not look so.
func (r *request) keep(body []byte, most int) {
	if r.over || !r.whole && len(r.rows) > 0 && len(r.rows)+len(body) > most {
		r.over = true
		return
	}
	r.rows = binary.BigEndian.AppendUint32(r.rows, uint32(len(body)))
	r.rows = append(r.rows, body...)
}

// each gives the rows of the answer.
func (r *request) each(kinds []schema.Kind, each func(*row) error) error {
	if len(r.rows) == 0 {
		return nil
	}
	r.row.kinds, r.row.formats = kinds, r.formats
	for b := r.rows; len(b) > 0; {
		n := binary.BigEndian.Uint32(b)
		r.row.read(b[4 : 4+n])
		b = b[4+n:]
		if err := each(&r.row); err != nil {
			return err
		}
	}
	return nil
}

// scalar is the first value of the first row as an integer; null is 0.
func (r *request) scalar() (n int64) {
	_ = r.each(nil, func(row *row) error {
		n = row.int(0)
		return nil
	})
	return n
}

// tag reads the number of rows from the tag of a command, such as INSERT 0 1.
func tag(body []byte) (n int64) {
	unit := int64(1)
	for i := len(body) - 2; i >= 0 && body[i] >= '0' && body[i] <= '9' && unit < math.MaxInt64/10; i-- {
		n += int64(body[i]-'0') * unit
		unit *= 10
	}
	return n
}
