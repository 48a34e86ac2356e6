package octomesh

import "testing"

// TestConformanceDownload reads our Parquet files with npm's hyparquet.
func TestConformanceDownload(t *testing.T) {
	nodejs(t)
	scenarios(t, serve(t, schemaFile(t, arrowSchema)), "download/parquet.mjs")
}
