package versus

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/octomesh/octomesh/bench/load"
	client "github.com/octomesh/octomesh/clients/go"
)

// What Arrow promises: rows a second as a Go client receives and decodes them,
// against the JSON stream, and the peak memory of a gateway that is a process of
// its own.
const (
	arrowRate = 3.0
	arrowPeak = 100 << 20
	epoch     = 1700000000 // where the rows' times begin; sums stay exact
)

// arrowUser is a record as a Go program declares it.
type arrowUser struct {
	ID      string    `json:"id"`
	Version int64     `json:"_version"`
	Email   string    `json:"email"`
	Name    string    `json:"name"`
	Age     float64   `json:"age"`
	Active  bool      `json:"active"`
	Role    string    `json:"role"`
	Bio     string    `json:"bio"`
	Score   float64   `json:"score"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// TestArrowAgainstJSON streams the same rows in both forms, in turn. Only an
// acceptance run has a million of them and is judged.
func TestArrowAgainstJSON(t *testing.T) {
	judged := os.Getenv("OCTOMESH_ACCEPT") != ""
	n, rounds := 10_000, 1
	if judged {
		n, rounds = 1_000_000, 3
	}
	p, dir := million(t, n)
	var asJSON, asArrow, ratios []float64
	for range rounds {
		began := time.Now()
		rows, sum := p.readJSON(t)
		json := float64(rows) / time.Since(began).Seconds()
		began = time.Now()
		columns, other := p.readArrow(t)
		arrow := float64(columns) / time.Since(began).Seconds()
		if rows != n || columns != n || sum != other {
			t.Fatalf("%d rows of JSON that sum up to %v, %d rows of Arrow to %v; %d were stored", rows, sum, columns, other, n)
		}
		asJSON, asArrow, ratios = append(asJSON, json), append(asArrow, arrow), append(ratios, arrow/json)
	}
	g := p.gateway(t, dir)
	if rows, _ := g.readArrow(t); rows != n {
		t.Fatalf("a gateway of its own gave %d rows", rows)
	}
	_, peak := load.Memory(g.pid)
	_, whole := load.Memory(p.pid)
	ratio := middle(ratios)
	figure(map[string]any{"rows": n, "rounds": rounds, "json_rows_per_s": middle(asJSON), "arrow_rows_per_s": middle(asArrow), "ratio": ratio, "gateway_peak_mb": peak >> 20, "all_in_one_peak_mb": whole >> 20})
	if !judged {
		return
	}
	if ratio < arrowRate {
		t.Errorf("Arrow gives %.2f times the rows a second of JSON, promised %.0f", ratio, arrowRate)
	}
	if peak > arrowPeak {
		t.Errorf("the gateway peaked at %d MB, promised %d", peak>>20, arrowPeak>>20)
	}
}

func middle(v []float64) float64 { slices.Sort(v); return round(v[len(v)/2]) }

// million stores n users, and starts the server again: what storing left in
// memory is none of a stream's. args go to it, dir is its data folder.
func million(t *testing.T, n int, args ...string) (p *contender, dir string) {
	t.Helper()
	bin, dir := build(t, "github.com/octomesh/octomesh/services/octomesh/cmd/octomesh"), t.TempDir()
	p, cmd := serve(t, bin, dir, "normal", args...)
	p.generate(t, n)
	if n >= 1_000_000 {
		// JetStream keeps the ids of the events of two minutes in memory.
		<-time.NewTimer(130 * time.Second).C
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	p, _ = serve(t, bin, dir, "normal", args...)
	return p, dir
}

// gateway starts a second gateway, as a process of its own beside c.
func (c *contender) gateway(t *testing.T, dir string) *contender {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	_ = free.Close()
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(build(t, "github.com/octomesh/octomesh/services/gateway-http/cmd/octomesh-gateway-http"),
		"--data-dir", dir, "--nats-url", "nats://"+c.nats, "--host", "127.0.0.1", "--port", port, "--metrics-addr", "", "--log-level", "warn")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	ready, err := client.New("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := ready.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return &contender{name: "gateway", addr: addr, pid: cmd.Process.Pid, key: c.key}
}

// generate stores n users.
func (c *contender) generate(t *testing.T, n int) {
	t.Helper()
	const each = 500
	bio := strings.Repeat("lorem ipsu", 10)
	for from := 0; from < n; from += each {
		b := []byte(`{"operations":[`)
		for i := from; i < from+each; i++ {
			at := time.Unix(epoch+int64(i)*60, 0).UTC().Format("2006-01-02T15:04:05.000Z")
			if i > from {
				b = append(b, ',')
			}
			b = fmt.Appendf(b, `{"op":"create","entity":"User","data":{"id":"u%07d","email":"seed%d@example.com","name":"Name %d","age":%d,"active":%t,"role":"member","bio":%q,"score":%v,"created":%q,"updated":%q}}`,
				i, i, i, 18+i%62, i%2 == 0, bio, float64(i)/8, at, at)
		}
		resp := c.ask(t, http.MethodPost, "/api/v1/_transaction", append(b, `]}`...))
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("generating: %d %.300s", resp.StatusCode, body)
		}
	}
}

func (c *contender) ask(t *testing.T, method, path string, body []byte) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+c.addr+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", c.key)
	req.Header.Set("Accept", "application/vnd.apache.arrow.stream")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// readJSON reads every row as the Go client does and looks at each value: the
// sum that both forms must give.
func (c *contender) readJSON(t *testing.T) (rows int, sum float64) {
	t.Helper()
	users, err := client.New("http://"+c.addr, client.WithAPIKey(c.key))
	if err != nil {
		t.Fatal(err)
	}
	defer users.Close()
	for u, err := range client.Stream[arrowUser](t.Context(), users, "users", client.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		rows++
		if u.Active {
			sum++
		}
		sum += float64(len(u.ID)+len(u.Email)+len(u.Name)+len(u.Role)+len(u.Bio)) + float64(u.Version) + u.Age + u.Score
		sum += float64(u.Created.Unix()-epoch) + float64(u.Updated.Unix()-epoch)
	}
	return rows, sum
}

// readArrow reads every batch and looks at each value.
func (c *contender) readArrow(t *testing.T) (rows int, sum float64) {
	t.Helper()
	resp := c.ask(t, http.MethodGet, "/arrow/stream/users", nil)
	defer resp.Body.Close()
	in, err := ipc.NewReader(resp.Body)
	if err != nil {
		t.Fatal(strconv.Itoa(resp.StatusCode), err)
	}
	defer in.Release()
	for in.Next() {
		batch := in.RecordBatch()
		rows += int(batch.NumRows())
		for _, column := range batch.Columns() {
			sum += total(t, column)
		}
	}
	if in.Err() != nil {
		t.Fatal(in.Err())
	}
	return rows, sum
}

func total(t *testing.T, column arrow.Array) (sum float64) {
	switch c := column.(type) {
	case *array.String:
		for i := range c.Len() {
			sum += float64(len(c.Value(i)))
		}
	case *array.Int64:
		for _, v := range c.Int64Values() {
			sum += float64(v)
		}
	case *array.Float64:
		for _, v := range c.Float64Values() {
			sum += v
		}
	case *array.Boolean:
		for i := range c.Len() {
			if c.Value(i) {
				sum++
			}
		}
	case *array.Timestamp:
		for _, v := range c.TimestampValues() {
			sum += float64(v.ToTime(arrow.Millisecond).Unix() - epoch)
		}
	default:
		t.Fatalf("a column is %s", column.DataType())
	}
	return sum
}
