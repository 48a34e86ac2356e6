package bus

import (
	"slices"
	"strconv"
	"strings"
)

// The roles of the account MESH, one nkey each, and System, which alone is in
// the account SYS (it disconnects native clients whose rights ended).
const (
	RoleGateway = "gateway"
	RoleEntity  = "entity"
	RoleRelay   = "relay"
	RoleAuth    = "auth"
	RoleSandbox = "sandbox"
	RoleSystem  = "system"
)

// Roles lists every role, System last.
func Roles() []string {
	return []string{RoleGateway, RoleEntity, RoleRelay, RoleAuth, RoleSandbox, RoleSystem}
}

// The buckets and the stream of the house.
const (
	BucketCatalogs    = "octo_catalogs"
	BucketRevocations = "octo_revocations"
	BucketLeases      = "octo_leases"
	StreamEvents      = "EVENTS"
)

// Permission is what a role may publish and subscribe; everything else is
// refused by the server.
type Permission struct {
	Publish   []string
	Subscribe []string
}

// InboxPrefix returns where a role's replies arrive: no other role may listen
// there. Connections must be told of it (nats.CustomInboxPrefix), the Dialers
// of this package do so.
func InboxPrefix(role string) string { return "_INBOX_" + role }

// creditSubject is where credit for a stream arrives at its sender, one token
// per stream. It is no inbox, so that who may grant credit can forge no reply.
const creditSubject = "_CREDIT"

// serviceReply is what the server puts before the reply subject of a request
// that crossed an account border; no client may send such a reply subject.
const serviceReply = "_R_."

// Permissions returns what a role of MESH may do: the one table from which the
// embedded server and nats.conf are made. The server takes a wildcard in a
// subscription for a token as others, so a pattern whose last token is * also
// admits > there; no list counts on the opposite. For System and unknown roles it
// returns false; System is bound by its account alone.
func Permissions(role string) (Permission, bool) {
	calls := []string{"mostajs.*.*", "mostajs.*.*.*", "mostajs.stream.*.*.*", "mostajs.discover"}
	shared := []string{BucketCatalogs, BucketRevocations}
	var p Permission
	pub := func(subjects ...string) { p.Publish = append(p.Publish, subjects...) }
	sub := func(subjects ...string) { p.Subscribe = append(p.Subscribe, subjects...) }
	sub(InboxPrefix(role) + ".>")
	pub("$JS.API.INFO", "$JS.FC.>")

	serve := func() { // takes calls, answers them, streams under credit
		sub(calls...)
		sub("$SRV.>", creditSubject+".*")
		pub(replyInboxes()...)
		// principal and projects tell what no gateway may learn: the rights of an
		// identity that nobody proved, and the databases' addresses.
		pub(serviceReply+">", "octo.bell.*", "octo.auth.issuer", "octo.auth.principal", "octo.auth.projects")
	}
	switch role {
	case RoleGateway:
		pub(calls...)
		pub("octo.auth.exchange", "octo.auth.issuer", "octo.auth.ticket", "octo.auth.verify")
		pub("octo.admin.>", "octo.sandbox.>", "$SRV.>", creditSubject+".*")
		pub(reading(StreamEvents)...)
		sub("mostajs.live.>")
	case RoleEntity:
		serve()
		pub(bucketOwner(BucketLeases)...)
	case RoleRelay:
		pub("mostajs.events.*.*.*")
		pub(owning(StreamEvents)...)
		pub(bucketOwner(BucketLeases)...)
		sub("octo.bell.*")
	case RoleAuth:
		sub("octo.auth.>", "octo.admin.>", "$SYS.REQ.USER.AUTH")
		pub(replyInboxes()...)
		pub("$SYS._INBOX.>") // where the server waits for the callout's answer
		for _, b := range shared {
			pub(bucketOwner(b)...)
		}
		pub(bucketOwner(BucketLeases)...)
	case RoleSandbox:
		serve()
		sub("octo.sandbox.>")
		pub("octo.admin.>")
		pub(bucketOwner(BucketLeases)...)
	default:
		return Permission{}, false
	}
	for _, b := range shared {
		pub(reading("KV_" + b)...)
	}
	slices.Sort(p.Publish)
	p.Publish = slices.Compact(p.Publish)
	slices.Sort(p.Subscribe)
	p.Subscribe = slices.Compact(p.Subscribe)
	return p, true
}

// replyInboxes are where those wait who may call.
func replyInboxes() []string {
	var in []string
	for _, r := range []string{RoleGateway, RoleEntity, RoleRelay, RoleAuth, RoleSandbox} {
		in = append(in, InboxPrefix(r)+".>")
	}
	return in
}

// reading is the part of the JetStream API that reads one stream.
func reading(stream string) []string {
	return []string{
		"$JS.API.STREAM.INFO." + stream,
		"$JS.API.STREAM.MSG.GET." + stream,
		"$JS.API.DIRECT.GET." + stream,
		"$JS.API.DIRECT.GET." + stream + ".>",
		"$JS.API.CONSUMER.CREATE." + stream,
		"$JS.API.CONSUMER.CREATE." + stream + ".>",
		"$JS.API.CONSUMER.INFO." + stream + ".*",
		"$JS.API.CONSUMER.MSG.NEXT." + stream + ".*",
		"$JS.API.CONSUMER.DELETE." + stream + ".*",
	}
}

// owning is reading, and making the stream or changing its settings.
func owning(stream string) []string {
	return append(reading(stream), "$JS.API.STREAM.CREATE."+stream, "$JS.API.STREAM.UPDATE."+stream)
}

func bucketOwner(bucket string) []string {
	return append(owning("KV_"+bucket), "$KV."+bucket+".>")
}

// NativeSafe reports whether a server of this version lets no client write the
// identity header of a request that crosses an account border. Older ones let
// it be forged: with them no native client may be admitted.
func NativeSafe(serverVersion string) bool {
	oldest := [3]int{2, 12, 6}
	core, pre, _ := strings.Cut(strings.TrimPrefix(serverVersion, "v"), "-")
	parts := strings.Split(core, ".")
	if len(parts) != len(oldest) {
		return false
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 {
			return false
		}
		if n != oldest[i] {
			return n > oldest[i]
		}
	}
	return pre == ""
}
