package parse

// Expr is a node of an expression.
type Expr interface{ expr() }

// Kind is the type of a Literal.
type Kind uint8

// The kinds of primitive literals.
const (
	Null Kind = iota
	Boolean
	Number // integer, decimal or exponent form; also NaN, INF and -INF
	String
	Date
	DateTimeOffset
	TimeOfDay
	Duration
	GUID
	Binary
	Enum
	Geo
)

// Literal is a primitive value. Text is the value without quotes and prefix; an
// Enum's type stands in Type.
type Literal struct {
	Kind Kind
	Text string
	Type string
}

// Name is one step of a path: a property, a navigation property or, with a dot
// in it, a type cast. On is nil for the first step.
type Name struct {
	On   Expr
	Name string
}

// Var is $it, $this, $root or $these. (A lambda's variable is a Name, since only
// its scope tells it from a property.)
type Var struct{ Name string }

// Alias is a parameter alias, @Name.
type Alias struct{ Name string }

// Annotation is @Term behind a path, or at its beginning.
type Annotation struct {
	On   Expr
	Name string
}

// CountOf is path/$count, with the options that it may have in parentheses.
type CountOf struct {
	On     Expr
	Filter Expr
	Search Search
}

// Lambda is path/any(v:…) or path/all(v:…). any() has neither Var nor Body.
type Lambda struct {
	On   Expr
	All  bool
	Var  string
	Body Expr
}

// Key is path(key) within an expression.
type Key struct {
	On   Expr
	Args []Argument
}

// Filtered is path/$filter(…).
type Filtered struct {
	On   Expr
	Cond Expr
}

// Call is a method of the standard, in lower case but for matchesPattern, or a
// function of a service (On or Named may then be there).
type Call struct {
	On    Expr
	Name  string
	Args  []Expr
	Named []Argument
}

// Argument is name=value; a single key has no name.
type Argument struct {
	Name  string
	Value Expr
}

// TypeCall is cast or isof; On is nil where it is $it.
type TypeCall struct {
	Name string
	On   Expr
	Type string
}

// Case is case(condition:value,…).
type Case struct{ When, Then []Expr }

// Op is an operator in lower case: and or eq ne gt ge lt le in has add sub mul
// div divby mod.
type Op string

// Operation has two operands.
type Operation struct {
	Op          Op
	Left, Right Expr
}

// Not is not X.
type Not struct{ X Expr }

// Negate is -X.
type Negate struct{ X Expr }

// List is (a,b) behind in, or a JSON array.
type List []Expr

// Object is a JSON object.
type Object []Argument

func (*Literal) expr()    {}
func (*Name) expr()       {}
func (*Var) expr()        {}
func (*Alias) expr()      {}
func (*Annotation) expr() {}
func (*CountOf) expr()    {}
func (*Lambda) expr()     {}
func (*Key) expr()        {}
func (*Filtered) expr()   {}
func (*Call) expr()       {}
func (*TypeCall) expr()   {}
func (*Case) expr()       {}
func (*Operation) expr()  {}
func (*Not) expr()        {}
func (*Negate) expr()     {}
func (List) expr()        {}
func (Object) expr()      {}

// Search is a node of $search: SearchAnd, SearchOr, SearchNot or Term.
type Search interface{ search() }

// SearchAnd holds when both sides do.
type SearchAnd struct{ Left, Right Search }

// SearchOr holds when one side does.
type SearchOr struct{ Left, Right Search }

// SearchNot holds when X does not.
type SearchNot struct{ X Search }

// Term is a word or a phrase.
type Term string

func (*SearchAnd) search() {}
func (*SearchOr) search()  {}
func (*SearchNot) search() {}
func (Term) search()       {}

// Order is one item of $orderby.
type Order struct {
	By   Expr
	Desc bool
}

// Compute is one item of $compute.
type Compute struct {
	X  Expr
	As string
}

// SelectItem is one item of $select: a path, "*", or "Namespace.*".
type SelectItem struct {
	Path    []string
	Options *Options // nil without parentheses
}

// ExpandItem is one item of $expand: a path, or "*".
type ExpandItem struct {
	Path    []string
	Ref     bool // ends with /$ref
	Count   bool // ends with /$count
	Options *Options
}

// Transformation is one step of $apply.
type Transformation struct {
	Name      string // filter, search, aggregate, groupby, compute, orderby, top, skip, identity, concat, …
	Filter    Expr
	Search    Search
	Aggregate []Aggregate
	By        [][]string       // groupby: paths
	Within    []Transformation // groupby's second argument
	Concat    [][]Transformation
	Compute   []Compute
	Order     []Order
	N         int64  // top, skip
	Args      []Expr // topcount and its kind, functions of a service
}

// Aggregate is one item of aggregate(…): X with With as As, or $count as As
// (X is nil, or a CountOf). From is set where a from clause follows.
type Aggregate struct {
	X    Expr
	With string
	As   string
	From bool
}

// Param is a query option of a service's own.
type Param struct{ Name, Value string }

// Options are the query options of one request, or those in the parentheses of
// an item.
type Options struct {
	Filter        Expr
	Search        Search
	OrderBy       []Order
	Select        []SelectItem
	Expand        []ExpandItem
	Compute       []Compute
	Apply         []Transformation
	Aliases       map[string]Expr
	Custom        []Param
	Top, Skip     int64 // -1 where absent
	Index         string
	Count         bool
	Levels        int // 0 where absent, -1 for max
	Format        string
	SkipToken     string
	DeltaToken    string
	ID            string
	SchemaVersion string
	// Given has a bit for each option that is there.
	Given Given
}

// Given is a set of query options.
type Given uint32

// The query options.
const (
	GivenFilter Given = 1 << iota
	GivenSearch
	GivenOrderBy
	GivenSelect
	GivenExpand
	GivenCompute
	GivenApply
	GivenTop
	GivenSkip
	GivenCount
	GivenIndex
	GivenLevels
	GivenFormat
	GivenSkipToken
	GivenDeltaToken
	GivenID
	GivenSchemaVersion
)
