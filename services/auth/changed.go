package auth

import (
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/telemetry"
)

// changesLogged bounds what is logged of one project's schemas.
const changesLogged = 20

// changed logs how the schemas of a project differ from those before, and each
// difference that touches stored records: every change passes through here,
// whoever made it and however many workers take it.
func (s *Service) changed(slug string, list []schema.Difference) {
	safe, backfill, destructive := schema.Count(list)
	s.Log.Info("the schemas have changed", telemetry.KeyProject, slug, "safe", safe, "backfill", backfill, "destructive", destructive)
	n := 0
	for _, d := range list {
		if d.Class == schema.Safe {
			continue
		}
		if n++; n > changesLogged {
			s.Log.Warn("more changes touch stored records; octomesh schema diff lists them", telemetry.KeyProject, slug, "count", backfill+destructive-changesLogged)
			return
		}
		s.Log.Warn("a change of the schemas touches stored records", telemetry.KeyProject, slug,
			"class", d.Class.String(), "change", string(d.Type), telemetry.KeyEntity, d.Entity, "field", d.Field, "detail", d.Detail)
	}
}
