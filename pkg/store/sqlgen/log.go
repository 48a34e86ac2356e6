package sqlgen

import (
	"strconv"
	"strings"
)

// LogPage is how many changes Log.After reads at most under NoPage.
const LogPage = 256

// The tables that every project has beside its entities.
const (
	ChangesTable = "_octo_changes"
	MetaTable    = "_octo_meta"
	RepliesTable = "_octo_replies"
	JournalTable = "_octo_schema_journal"
)

// ChangeColumns are the columns of _octo_changes, in the order in which Log
// reads and writes them.
var ChangeColumns = []string{
	"seq", "tx", "entity", "rec_id", "verb", "version", "after", "old", "changed",
	"principal", "request_id", "transport", "idem", "req_hash", "at",
}

// Log is the SQL of a project's change log and stored replies: fixed texts, so
// compiled once.
type Log struct {
	// Append writes a change; binds ChangeColumns.
	Append *Plan
	// After reads changes; binds the seq before the first one and, unless the
	// dialect has NoPage, a limit.
	After *Plan
	// Oldest and Newest read the lowest and the highest seq, null when empty.
	Oldest, Newest *Plan
	// ByKey reads the newest change with an idempotency key; binds principal
	// and key.
	ByKey *Plan
	// Reply reads hash, body and seq of a stored reply; binds principal and key.
	Reply *Plan
	// StoreReply binds principal, key, hash, body, seq and at.
	StoreReply *Plan
	// Meta reads a value by its key, SetMeta changes one (value, key), AddMeta
	// makes one (value, key).
	Meta, SetMeta, AddMeta *Plan
}

// NewLog compiles the SQL of the change log for a dialect.
func NewLog(d *Dialect) *Log {
	fixed := func(write func(b *Builder)) *Plan {
		var a Args
		b := a.builder(d, true)
		write(b)
		return &Plan{SQL: string(b.sql), Params: b.n, Point: true}
	}
	sql := func(parts ...string) *Plan { return fixed(func(b *Builder) { b.template(parts...) }) }
	columns := make([]string, len(ChangeColumns))
	for i, c := range ChangeColumns {
		columns[i] = d.Ident(c)
	}
	all := strings.Join(columns, ", ")
	changes, replies, meta := d.Ident(ChangesTable), d.Ident(RepliesTable), d.Ident(MetaTable)
	seq, principal, idem := d.Ident("seq"), d.Ident("principal"), d.Ident("idem")
	hash, body, at := d.Ident("req_hash"), d.Ident("body"), d.Ident("at")
	key, value := d.Ident("key"), d.Ident("value")
	fromChanges, fromReplies, fromMeta := " FROM "+changes+d.Source, " FROM "+replies+d.Source, " FROM "+meta+d.Source
	return &Log{
		Append: fixed(func(b *Builder) {
			b.Write("INSERT INTO " + changes + " (" + all + ") VALUES (")
			for i := range columns {
				if i > 0 {
					b.Write(", ")
				}
				b.place()
			}
			b.Write(")")
		}),
		After: fixed(func(b *Builder) {
			top := ""
			if d.NoPage {
				top = "TOP " + strconv.Itoa(LogPage) + " "
			}
			b.template("SELECT "+top+all+fromChanges+" WHERE "+seq+" > ", " ORDER BY "+seq)
			switch {
			case d.NoPage:
			case d.Fetch:
				b.template(" OFFSET 0 ROWS FETCH NEXT ", " ROWS ONLY")
			default:
				b.template(" LIMIT ", "")
			}
		}),
		Oldest:     sql("SELECT MIN(" + seq + ") FROM " + changes),
		Newest:     sql("SELECT MAX(" + seq + ") FROM " + changes),
		ByKey:      sql("SELECT "+all+fromChanges+" WHERE "+principal+" = ", " AND "+idem+" = ", ""),
		Reply:      sql("SELECT "+hash+", "+body+", "+seq+fromReplies+" WHERE "+principal+" = ", " AND "+idem+" = ", ""),
		StoreReply: sql("INSERT INTO "+replies+" ("+principal+", "+idem+", "+hash+", "+body+", "+seq+", "+at+") VALUES (", ", ", ", ", ", ", ", ", ", ", ")"),
		Meta:       sql("SELECT "+value+fromMeta+" WHERE "+key+" = ", ""),
		SetMeta:    sql("UPDATE "+meta+" SET "+value+" = ", " WHERE "+key+" = ", ""),
		AddMeta:    sql("INSERT INTO "+meta+" ("+value+", "+key+") VALUES (", ", ", ")"),
	}
}

// template writes parts with a placeholder between each two.
func (b *Builder) template(parts ...string) {
	for i, p := range parts {
		if i > 0 {
			b.place()
		}
		b.Write(p)
	}
}
