// Package telemetry is what a process tells about itself: log lines through
// log/slog, figures for Prometheus, and the ids under which one request is found
// again in all logs. It never carries bodies, keys or record contents.
package telemetry
