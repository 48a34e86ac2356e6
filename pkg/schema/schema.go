// Package schema holds what an entity is: schemas.json comes in, a Catalog
// goes out, compiled once and never changed afterwards, which every other
// package reads: the store its tables, the query its types, the gateways their
// protocol artefacts.
package schema

import "regexp"

// Type is a field's type as schemas.json names it.
type Type uint8

// The seven types of Octonet, then the extensions.
const (
	String Type = iota + 1
	Text
	Number
	Boolean
	Date
	JSON
	Array
	Integer
	Decimal
	Float
	ObjectID
	Enum
	Binary
)

// RelationType is a relation's cardinality.
type RelationType uint8

// The four cardinalities of schemas.json.
const (
	OneToOne RelationType = iota + 1
	ManyToOne
	OneToMany
	ManyToMany
)

// OnDelete says what becomes of a referring record when its target goes.
type OnDelete uint8

// The four rules of schemas.json.
const (
	SetNull OnDelete = iota + 1
	Cascade
	Restrict
	NoAction
)

// Entity is one entity of a Catalog. The first part is what schemas.json says,
// the second part is compiled from it. All of it is read-only.
type Entity struct {
	Name        string
	Collection  string
	Description string
	Fields      []*Field // in declared order
	Relations   []*Relation
	Indexes     []*Index
	Timestamps  bool
	SoftDelete  bool
	// Discriminator names the column that tells the entities of one collection
	// apart (single-table inheritance); DiscriminatorValue is this entity's.
	Discriminator      string
	DiscriminatorValue string

	// Columns are the stored columns of this entity in record order: id,
	// _version, fields, references, createdAt, updatedAt, deletedAt, and the
	// discriminator where it is no declared field. A Row is aligned to it.
	Columns []*Column
	// Members are the keys of a record in the order in which it shows them.
	Members []Member
	// Inbound are the relations of other entities whose reference column
	// points at this entity: what a delete has to look after.
	Inbound []*Relation
	// Linked are the many-to-many relations, of any entity, that target this one.
	Linked []*Relation

	byName map[string]*Column
	byRel  map[string]*Relation
	serial uint64
}

// Serial is the entity's number in this process. No two entities of compiled
// Catalogs have the same, even if they are equal, so that it may key what was
// made for one of them.
func (e *Entity) Serial() uint64 { return e.serial }

// Field is one declared field.
type Field struct {
	Name        string
	Type        Type
	Description string
	Required    bool
	Unique      bool
	Sparse      bool
	Lowercase   bool
	Trim        bool
	Hidden      bool // never shown, filtered, sorted, searched, logged or sent
	Default     *Default
	Enum        []string
	ArrayOf     *Element
	MaxLength   int // in code points; 0 = no limit
	Min, Max    *float64
	Pattern     string // RE2, matched anywhere in the text

	pattern *regexp.Regexp
}

// Default is a field's value when a new record does not name it.
type Default struct {
	Now   bool // the time of the insert
	Value Value
}

// Element is the type of an array's members: a scalar type, or an embedded
// object with fields of its own (Fields is then not nil).
type Element struct {
	Type   Type
	Fields []*Field
}

// Relation is one declared relation.
type Relation struct {
	Name          string
	Type          RelationType
	Owner, Target *Entity
	Required      bool
	Nullable      bool
	Select        []string // of the target, when populated; empty = all
	Through       string   // the junction table of a many-to-many relation
	MappedBy      string   // one-to-many: the reference in the target
	JoinColumn    string
	OnDelete      OnDelete
	Eager         bool

	// Column is the stored reference of a many-to-one or one-to-one relation.
	Column *Column
	// Inverse is the many-to-one relation that a one-to-many relation reads.
	Inverse *Relation
	// OwnerKey and TargetKey are the junction table's two columns.
	OwnerKey, TargetKey string
}

// Stored reports whether the relation is a column of its owner's table.
func (r *Relation) Stored() bool { return r.Column != nil }

// Index is one declared index.
type Index struct {
	Name   string // idx_<collection>_<n>
	Keys   []IndexKey
	Unique bool
	Sparse bool
}

// IndexKey is one column of an Index.
type IndexKey struct {
	Column *Column
	Desc   bool
	Text   bool // a text index, which SQL databases skip
}

// Role tells what a column is for.
type Role uint8

// The roles of columns.
const (
	RoleField Role = iota
	RoleID
	RoleVersion
	RoleReference
	RoleCreatedAt
	RoleUpdatedAt
	RoleDeletedAt
	RoleDiscriminator
)

// Column is one stored column of an entity.
type Column struct {
	Name     string // the key in records, filters and sorts
	Physical string // the name in the database
	Type     Type
	Role     Role
	Index    int // position in Entity.Columns
	Field    *Field
	Relation *Relation
	Hidden   bool
	Required bool
	Unique   bool
}

// Member is one key of a record: a stored column, or a relation without one
// (one-to-many, many-to-many: Column is nil).
type Member struct {
	Name     string
	Column   *Column
	Relation *Relation
}

// Column returns the column of that record key, hidden ones included; nil if
// there is none.
func (e *Entity) Column(name string) *Column { return e.byName[name] }

// Relation returns the relation of that name; nil if there is none.
func (e *Entity) Relation(name string) *Relation { return e.byRel[name] }

// Row is one record as typed values, aligned to Entity.Columns.
type Row []Value

// Catalog is all entities of one project, immutable.
type Catalog struct {
	// Version is a digest of the schemas: equal schemas, equal version.
	Version  string
	Entities []*Entity // in the order of schemas.json
	// Source is the schemas.json that it was compiled from.
	Source []byte

	byName map[string]*Entity
}

// Entity returns the entity of that name or collection; nil if there is none.
// A collection that several entities share gives the first of them.
func (c *Catalog) Entity(name string) *Entity { return c.byName[name] }
