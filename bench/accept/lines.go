package main

// line is one claim and the tests that prove it.
type line struct {
	name  string
	claim string
	steps []step
}

// step is one go test invocation.
type step struct {
	pkg   string
	tests string // -run pattern
}

// lines are the acceptance lines, in the order of the issues.
var lines = []line{
	{"house.1", "starts with only Go, ready in 300 ms, 40 MB, 70 MB; README's blocks run", []step{
		{"./services/octomesh", "^(TestReadmeRuns|TestBinaryIsSmallAndQuick)$"},
	}},
	{"house.2", "a whole data set imports, survives a restart, exports to the same bytes", []step{
		{"./services/octomesh", "^TestDataSet"},
	}},
	{"house.3", "every op and every fault over REST, native NATS and WebSocket, byte for byte", []step{
		{"./services/octomesh", "^TestTransports"},
		{"./pkg/transporttest", "."},
		{"./services/gateway-http/wire", "."},
		{"./bench/seeded", "."},
	}},
	{"house.4", "SQLite and the in-memory matcher agree; seeded bugs are caught", []step{
		{"./pkg/storetest", "^TestProperty|^TestSeededBugs"},
	}},
	{"house.5", "kill -9 loses nothing that was acknowledged", []step{
		{"./services/octomesh", "^TestKill"},
	}},
	{"house.6", "live: resume without gap, gap answered, slow readers cut off, revocation ends streams, native clients held", []step{
		{"./services/octomesh", "^TestLive"},
	}},
	{"house.7", "services as separate processes survive drains, kills and a NATS restart", []step{
		{"./services/octomesh", "^TestApart"},
	}},
	{"house.8", "against the floor: CPU per request, rates and fan-out", []step{
		{"./bench/versus", "^TestAgainstFloor(FanOut)?$"},
	}},
	{"house.9", "a million records stream with flat memory", []step{
		{"./services/octomesh", "^TestStreamMemory$"},
	}},
	{"stores.1", "one suite and the matcher's word on every database that can be reached", []step{
		{"./pkg/storetest", "."},
		{"./pkg/store/...", "."},
		{"./pkg/stores/...", "."},
	}},
	{"stores.2", "two workers on PostgreSQL and MariaDB lose nothing over kills and a wiped JetStream; events are soon there", []step{
		{"./services/octomesh", "^TestDatabases(KillLosesNothing|WorkerLost|EventLag)$"},
	}},
	{"stores.3", "PostgreSQL against the floor on pgx", []step{
		{"./bench/versus", "^TestAgainstFloorPostgres$"},
	}},
	{"stores.4", "the same data set gives the same export on every database", []step{
		{"./services/octomesh", "^TestDatabasesExportTheSame$"},
	}},
	{"stores.5", "the default binary stays small and holds no heavy driver", []step{
		{"./services/octomesh", "^TestBinaryIsSmallAndQuick$"},
		{"./pkg/repotest", "."},
	}},
	{"stores.6", "a project moves from SQLite to another database as docs/databases.md says", []step{
		{"./services/octomesh", "^TestDatabasesSwitch$"},
	}},
	{"doors.1", "every door carries every op and every fault, byte for byte; one scenario, the same results on all", []step{
		{"./services/octomesh", "^TestTransports"},
		{"./services/gateway-http/...", "."},
	}},
	{"doors.2", "clients and suites of other projects are content", []step{
		{"./services/octomesh", "^TestConformance"},
	}},
	{"doors.3", "OData's query options as their grammar has them; MCP's own fixtures behind our handler", []step{
		{"./services/gateway-http/odata/...", "^TestGrammar"},
		{"./services/gateway-http/mcp/...", "^TestFixtures"},
	}},
	{"doors.4", "what a door costs beside REST; few calls for a nested query", []step{
		{"./bench/versus", "^TestDoors"},
		{"./services/octomesh", "^TestNestedCalls"},
	}},
	{"doors.5", "a million rows as Arrow, against JSON", []step{
		{"./bench/versus", "^TestArrow"},
	}},
	{"grpc.1", "gRPC carries every op and fault; clients and tools of other projects are content", []step{
		{"./services/gateway-grpc/entityrpc", "."},
		{"./services/gateway-grpc/rpc", "."},
		{"./services/gateway-grpc/web", "."},
		{"./pkg/protofile/...", "."},
		{"./services/octomesh", "^Test(Conformance(GRPC|GHZ)|ApartGRPC|GRPCAgainstREST|TransportsAgree)"},
	}},
	{"grpc.2", "Flight and Flight SQL: every call of arrow-go's clients, results as REST's, refusals as promised", []step{
		{"./services/gateway-grpc/flight", "."},
		{"./services/gateway-grpc/sql", "."},
		{"./services/gateway-grpc/flightsql", "."},
		{"./services/octomesh", "^TestFlight"},
	}},
	{"grpc.3", "what gRPC costs beside REST; a million records in flat memory; Flight against JSON", []step{
		{"./bench/versus", "^Test(GRPCBesideREST|FlightAgainstJSON|ArrowInProcess)$"},
	}},
	{"grpc.4", "DoPut against creates; what fails leaves nothing half-written and can be resumed", []step{
		{"./bench/versus", "^TestPutAgainstCreates$"},
		{"./services/gateway-grpc/flight", "^TestPut"},
	}},
	{"grpc.5", "bad input and abandoned streams: coded errors, no panic, nothing left behind", []step{
		{"./services/gateway-grpc/...", "Malformed|Refus|TooLarge|Large|Abandoned|Slow|Idle|Panic|Unknown|Memory|Hostile|^Fuzz"},
		{"./pkg/protofile/...", "^Fuzz"},
		{"./services/octomesh", "^TestHostileGRPC$"},
	}},
}
