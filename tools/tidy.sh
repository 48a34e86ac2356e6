#!/usr/bin/env bash
# Levels every module on the workspace's versions and tidies each.
# -e: a test-only dependency of the SQLite engine is not served by every module
# mirror; tidy must not fail for it.
set -euo pipefail
go work sync
for mod in $(go list -m -f '{{.Dir}}'); do
	(cd "$mod" && GOWORK=off go mod tidy -e)
done
