package storetest

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// chinookExport is the SHA-256 of the export of the data set Chinook (6,892
// records in 11 entities), the same on every database.
const chinookExport = "6ef8c33f83501d4d239cd2667efa17fe6d3840a34ed16aa6764c892c7219af93"

// batch is how many records are restored in one transaction.
const batch = 200

// dataSet restores the data set Chinook, whose folder OCTOMESH_CHINOOK names,
// and exports it.
func dataSet(d *db) {
	dir := os.Getenv("OCTOMESH_CHINOOK")
	if dir == "" {
		d.Skip("skipped: the Chinook data set (OCTOMESH_CHINOOK=<its folder>)")
	}
	schemas, err := os.ReadFile(filepath.Join(dir, "schemas.json"))
	if err != nil {
		d.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "records.ndjson"))
	if err != nil {
		d.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var lines []string
	for sc := bufio.NewScanner(f); sc.Scan(); {
		lines = append(lines, sc.Text())
	}
	other := open(d.T, d.h, string(schemas))
	// What refers to a later record is restored once more.
	for pass := lines; len(pass) > 0; {
		var again []string
		for len(pass) > 0 {
			n := min(batch, len(pass))
			var reply struct{ Missing []struct{ Index int } }
			body := other.body("restore _project", `{"records":[`+strings.Join(pass[:n], ",")+`]}`)
			if err := json.Unmarshal([]byte(body), &reply); err != nil {
				d.Fatalf("%v: %s", err, body)
			}
			for i, m := range reply.Missing {
				if i == 0 || m.Index != reply.Missing[i-1].Index {
					again = append(again, pass[m.Index])
				}
			}
			pass = pass[n:]
		}
		if len(again) == len(lines) {
			d.Fatal("records refer to what is not in the data set")
		}
		lines, pass = again, again
	}
	all := strings.Join(other.exported(), "\n") + "\n"
	sum := sha256.Sum256([]byte(all))
	got := hex.EncodeToString(sum[:])
	fmt.Printf("figure: {\"dialect\":%q,\"set\":\"chinook\",\"records\":%d,\"export_bytes\":%d,\"same_bytes\":%t}\n",
		other.store.Conn().Capabilities().Dialect, strings.Count(all, "\n"), len(all), got == chinookExport)
	if got != chinookExport {
		d.Errorf("the export's SHA-256 is %s, SQLite's is %s", got, chinookExport)
	}
}
