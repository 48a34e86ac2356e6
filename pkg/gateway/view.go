package gateway

import (
	"hash/maphash"
	"strconv"
	"sync"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// ViewOf is the view of a principal, nil for nobody.
func ViewOf(who *mesh.Principal, p *Project, transport string) mesh.View {
	may := func(class mesh.Class) bool {
		return access.Check(who, access.Ask{ProjectID: p.ID, Project: p.Slug, Class: class, Transport: transport}) == nil
	}
	return mesh.View{Read: may(mesh.Read), Write: may(mesh.Write), Admin: may(mesh.Admin)}
}

// maxArtefacts bounds the descriptions in memory.
const maxArtefacts = 64

// Artefacts keeps descriptions of projects, each made once for a project as it is
// and a view. The zero value is ready.
type Artefacts struct {
	mu   sync.Mutex
	made map[artefact]func() (body []byte, tag string)
}

type artefact struct {
	kind    string
	project *Project // a version may come back with other numbers
	view    mesh.View
}

var seed = maphash.MakeSeed()

// Of returns the description of that kind, which write makes if it is not there,
// and its ETag. Nobody may change it. Who asks while it is being made waits for
// it; who asks for another one does not. Nil is not kept. Kinds are few: a
// description of one entity is not for keeping (see Tag).
func (a *Artefacts) Of(kind string, p *Project, v mesh.View, write func() []byte) (body []byte, tag string) {
	k := artefact{kind, p, v}
	return a.find(k, write)()
}

func (a *Artefacts) find(k artefact, write func() []byte) func() ([]byte, string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, ok := a.made[k]
	if !ok {
		if a.made == nil || len(a.made) >= maxArtefacts {
			a.made = map[artefact]func() ([]byte, string){}
		}
		f = sync.OnceValues(func() ([]byte, string) {
			b := write()
			if b == nil {
				a.forget(k)
			}
			return b, Tag(b)
		})
		a.made[k] = f
	}
	return f
}

func (a *Artefacts) forget(k artefact) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.made, k)
}

// Tag is an ETag for a description that is not kept.
func Tag(body []byte) string {
	return `"` + strconv.FormatUint(maphash.Bytes(seed, body), 36) + `"`
}
