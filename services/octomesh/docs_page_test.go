package octomesh

import (
	"html"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/testserver"
)

// TestDocsCallsRun types what /docs shows: each first call that is a curl
// command, and that ends, must succeed as it stands.
func TestDocsCallsRun(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		testserver.Missing(t, "the calls of /docs", "install curl")
	}
	s := serve(t, "")
	res, err := http.Get("http://" + s.HTTP + "/docs")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	tags, ran := regexp.MustCompile(`<[^>]*>`), 0
	for _, m := range regexp.MustCompile(`(?s)<section class="call" id="(\w+)">.*?<code>(.*?)</code>`).FindAllStringSubmatch(string(page), -1) {
		text := html.UnescapeString(tags.ReplaceAllString(m[2], ""))
		if !strings.HasPrefix(text, "curl ") || strings.HasPrefix(text, "curl -N ") {
			continue
		}
		ran++
		t.Run(m[1], func(t *testing.T) {
			cmd := exec.CommandContext(within(t, time.Minute), "sh", "-c", "exec "+strings.Replace(text, "curl ", curl+" -sS --fail-with-body ", 1))
			cmd.Dir = t.TempDir()
			cmd.Env = append(os.Environ(), "KEY="+s.Key)
			if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), `"error`) {
				t.Errorf("%s\n%v\n%s", text, err, out)
			}
		})
	}
	if ran < 3 {
		t.Errorf("/docs shows %d curl commands", ran)
	}
}
