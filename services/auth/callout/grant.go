package callout

import (
	"slices"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/services/auth/scopes"
)

// Account is where native clients live.
const Account = "APP"

const (
	// life is the longest a connection goes without being asked for its
	// credential again: a backstop; revocations end it at once.
	life = 30 * time.Minute
	// A client may answer what it is sent only where it was told to, and only so
	// often: that is how it grants credit to a stream. Each chunk and each
	// heartbeat of a waiting stream renews the allowance.
	replies   = 64
	replyLife = 2 * time.Minute
)

// Slugs finds the slug of a project's id.
type Slugs interface {
	Slug(id string) (string, bool)
}

const defaultProject = "default"

// grant returns the user JWT's claims for a principal that holds a key with
// that look-up part: the server then refuses everything else by itself.
//
// Publishing is allowed op by op, never by a bare * at the end: under it a key
// could publish events, or call what is added later.
func grant(nkey string, p *mesh.Principal, lookup string, slugs Slugs, now time.Time) *jwt.UserClaims {
	uc := jwt.NewUserClaims(nkey)
	uc.Name, uc.Audience = p.ID, Account // the Name is the identity in Nats-Request-Info
	end := now.Add(life)
	if !p.Expires.IsZero() && p.Expires.Before(end) {
		end = p.Expires
	}
	uc.Expires = end.Unix()

	names, ownDefault := projectTokens(p, slugs)
	for _, op := range mesh.Ops {
		if !p.Scopes.Allows(access.Operations, op.Class.String()) {
			continue
		}
		for _, name := range names {
			entity := "*"
			if op.Project {
				entity = mesh.ProjectEntity
			}
			uc.Pub.Allow.Add("mostajs." + name + "." + entity + "." + op.Name)
			if op.Class == mesh.Read {
				uc.Pub.Allow.Add("mostajs.stream." + name + "." + entity + "." + op.Name)
			}
			if name == "*" || name == defaultProject {
				uc.Pub.Allow.Add("mostajs." + entity + "." + op.Name)
			}
		}
	}
	uc.Pub.Allow.Add("mostajs.discover")
	uc.Pub.Deny.Add("mostajs.live.>", "mostajs.events.>")
	uc.Resp = &jwt.ResponsePermission{MaxMsgs: replies, Expires: replyLife}

	uc.Sub.Allow.Add(access.InboxPrefix(lookup) + ".>")
	if scopes.All(p.Scopes) {
		uc.Sub.Allow.Add("_INBOX.>")
	}
	if p.Scopes.Allows(access.Operations, mesh.Read.String()) {
		for _, name := range names {
			uc.Sub.Allow.Add("mostajs.live." + name + ".*.*")
		}
		if ownDefault {
			uc.Sub.Allow.Add("mostajs.events.*.*") // Octonet's name of the default project's events
		}
	}
	return uc
}

// projectTokens returns the principal's projects as subject tokens, and whether
// the default project is among them.
func projectTokens(p *mesh.Principal, slugs Slugs) (names []string, ownDefault bool) {
	if slices.Contains(p.Scopes[access.Projects], "*") {
		return []string{"*"}, true
	}
	for _, v := range p.Scopes[access.Projects] {
		slug, ok := slugs.Slug(v)
		if !ok { // gone, or no project at all
			continue
		}
		if !slices.Contains(names, slug) {
			names = append(names, slug)
		}
		ownDefault = ownDefault || slug == defaultProject
	}
	return names, ownDefault
}
