package driver

// Cells is a Row of an engine that fills columns itself: the ability "as Arrow".
// Its values go into the columns of a batch as they come from the database, and no
// JSON is written in between. Both ways give the same batches.
type Cells interface {
	Row
	// AppendText appends the bytes of column i: a text as it is, a decimal in its
	// canonical form, JSON as a record shows it, binary data in base64. It returns false
	// for null, with dst as it was.
	AppendText(dst []byte, i int) ([]byte, bool)
	// Word returns the 64 bits of column i: an integer, a float's bits (never those
	// of NaN, of an infinity or of a negative zero), an instant's milliseconds since
	// 1970, a boolean as 0 or 1. It returns false for null.
	Word(i int) (uint64, bool)
}
