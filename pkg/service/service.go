// Package service runs a list of services in one process: they start in order,
// each one after the one before it is ready, and stop in the reverse order, so
// that nothing loses what it stands on while it still works.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// Service is a part of a process that runs until its context ends.
type Service interface {
	// Name is one word for logs.
	Name() string
	// Run works until ctx ends, finishes what it has begun and returns. It
	// returns nil when ctx ended, and an error when it could not go on.
	Run(ctx context.Context) error
	// Ready is closed as soon as the service does its work.
	Ready() <-chan struct{}
}

type running struct {
	Service
	stop context.CancelFunc
	done chan struct{}
	err  error
}

// Run starts the services in order and returns when ctx ends or when one of
// them returns by itself. Before it returns it stops them in reverse order,
// waiting for each. The error is that of the service that ended first, or of
// one that failed while it stopped; nil after an orderly end by ctx.
func Run(ctx context.Context, log *slog.Logger, services ...Service) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ended := make(chan *running, len(services))
	var up []*running
	var failed error
start:
	for _, s := range services {
		r := launch(ctx, s, ended)
		up = append(up, r)
		select {
		case <-s.Ready():
			log.Debug("service ready", "name", s.Name())
		case e := <-ended:
			failed = early(e)
			break start
		case <-ctx.Done():
			break start
		}
	}
	if failed == nil {
		select {
		case <-ctx.Done():
		case e := <-ended:
			failed = early(e)
		}
	}
	for i := len(up) - 1; i >= 0; i-- {
		r := up[i]
		r.stop()
		<-r.done
		log.Debug("service stopped", "name", r.Name())
		if failed == nil && r.err != nil {
			failed = fmt.Errorf("%s: %w", r.Name(), r.err)
		}
	}
	return failed
}

// launch gives each service a context of its own that does not end with ctx:
// the end of ctx is passed on one service after the other.
func launch(ctx context.Context, s Service, ended chan<- *running) *running {
	own, stop := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{Service: s, stop: stop, done: make(chan struct{})}
	go func() {
		err := s.Run(own)
		if own.Err() != nil && errors.Is(err, context.Canceled) {
			err = nil
		}
		r.err = err
		close(r.done)
		ended <- r
	}()
	return r
}

func early(r *running) error {
	if r.err == nil {
		return fmt.Errorf("%s stopped by itself", r.Name())
	}
	return fmt.Errorf("%s: %w", r.Name(), r.err)
}
