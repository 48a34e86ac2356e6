package docspage

import (
	"html"
	"strings"
)

// call is the first call that a protocol is shown with. {{url}} is the server
// and project, {{ws}} the same for WebSockets, {{host}} the server alone,
// {{project}} the project alone, {{entity}}, {{collection}} and {{plural}} name an
// entity.
type call struct {
	transport string
	title     string
	says      string
	text      string
}

// calls are in the order of the page. Native NATS is always there, since the mesh
// runs on it; gRPC and Flight are another gateway's.
var calls = []call{
	{
		"rest", "REST", "Fifteen operations and streams on every entity.",
		`curl "{{url}}/api/v1/{{collection}}?limit=5" \
  -H "X-API-Key: $KEY"`,
	},
	{
		"graphql", "GraphQL", "One request for records and what they lead to; GraphiQL opens at /graphql in a browser.",
		`curl {{url}}/graphql -H "X-API-Key: $KEY" \
  --json '{"query":"{ {{plural}}(first: 5) { id } }"}'`,
	},
	{
		"jsonrpc", "JSON-RPC 2.0", "Every operation as a method, in batches too; GET lists the methods.",
		`curl {{url}}/rpc -H "X-API-Key: $KEY" \
  --json '{"jsonrpc":"2.0","id":1,
    "method":"{{entity}}.findAll","params":{"limit":5}}'`,
	},
	{
		"trpc", "tRPC", "The stock clients of tRPC v11; /trpc/types.d.ts has the types.",
		`import { createTRPCClient, httpBatchLink } from "@trpc/client";

const octo = createTRPCClient({ links: [httpBatchLink({
  url: "{{url}}/trpc", headers: { "X-API-Key": key } })] });
await octo.{{entity}}.findAll.query({ limit: 5 });`,
	},
	{
		"odata", "OData 4.01", "For Excel, Power BI and SAP; $metadata describes everything.",
		`curl "{{url}}/odata/{{collection}}?\$top=5&\$count=true" \
  -H "X-API-Key: $KEY"`,
	},
	{
		"mcp", "MCP", "Tools for assistants, as far as the key allows.",
		`claude mcp add --transport http octomesh {{url}}/mcp \
  --header "X-API-Key: $KEY"`,
	},
	{
		"ws", "WebSocket", "Requests and live events over one connection.",
		`const ws = new WebSocket("{{ws}}/ws?events=0");
ws.onopen = () => {
  ws.send(JSON.stringify({ type: "auth", apiKey: key }));
  ws.send(JSON.stringify({ reqId: 1, op: "findAll",
    entity: "{{entity}}", limit: 5 }));
};
ws.onmessage = (m) => console.log(m.data);`,
	},
	{
		"sse", "Server-sent events", "Live events that resume where they broke off.",
		`curl -N "{{url}}/events?entity={{entity}}" \
  -H "X-API-Key: $KEY"`,
	},
	{
		"arrow", "Apache Arrow", "All records in typed columns, for pandas, Polars and DuckDB.",
		`curl "{{url}}/arrow/stream/{{collection}}" \
  -H "X-API-Key: $KEY" -o {{collection}}.arrows \
  -H "Accept: application/vnd.apache.arrow.stream"`,
	},
	{
		"grpc", "gRPC", "A service for each entity, on the port of the gRPC gateway; browsers use gRPC-Web or Connect there, and /api/grpc/proto is the file for protoc.",
		`grpcurl -plaintext -H "x-api-key: $KEY" \
  -H "x-project: {{project}}" -d '{"limit":5}' \
  {{host}}:50051 mostajs.{{entity}}Service/FindAll`,
	},
	{
		"flight", "Arrow Flight SQL", "For BI tools and data frames, on the same port: SQL that reads, answered in typed columns.",
		`from adbc_driver_flightsql import dbapi

db = dbapi.connect("grpc://{{host}}:50051", db_kwargs={
    "adbc.flight.sql.rpc.call_header.x-api-key": key,
    "adbc.flight.sql.rpc.call_header.x-project": "{{project}}"})
cur = db.cursor()
cur.execute('SELECT * FROM "{{entity}}" LIMIT 5')
cur.fetch_arrow_table()`,
	},
	{
		"nats", "Native NATS", "Requests and live subjects without a gateway, on the port of the NATS server.",
		`nats request {{subject}}{{entity}}.findAll '{"limit":5}' \
  --server "nats://$KEY@{{host}}:4222" \
  --inbox-prefix "_INBOX_$(echo $KEY | cut -d_ -f3)"`,
	},
}

// firstCalls writes the sections of what is turned on.
func firstCalls(transports []string) string {
	on := map[string]bool{"nats": true, "grpc": true, "flight": true}
	for _, name := range transports {
		on[name] = true
	}
	var b strings.Builder
	for _, c := range calls {
		if !on[c.transport] {
			continue
		}
		b.WriteString(`<section class="call" id="` + c.transport + `"><header><h3>` + html.EscapeString(c.title) + `</h3>`)
		b.WriteString(`<button type="button" class="copy">Copy</button></header><p>` + html.EscapeString(c.says) + `</p>`)
		b.WriteString(`<pre><code>` + html.EscapeString(c.text) + "</code></pre></section>\n")
	}
	return b.String()
}
