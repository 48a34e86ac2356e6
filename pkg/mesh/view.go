package mesh

// View is which classes of operations somebody may use on a project: what
// descriptions of the project show depends on it. Views can be compared.
type View struct{ Read, Write, Admin bool }

// Allows reports whether the view has the class.
func (v View) Allows(c Class) bool {
	switch c {
	case Read:
		return v.Read
	case Write:
		return v.Write
	}
	return c == Admin && v.Admin
}

// Any reports whether there is anything to see.
func (v View) Any() bool { return v.Read || v.Write || v.Admin }
