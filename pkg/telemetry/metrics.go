package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// maxSeries bounds the request series of a process: labels come from closed
// lists, and a mistake in one must not eat the memory.
const maxSeries = 2048

// Metrics are a service's figures. Every method may be called on a nil Metrics
// and then does nothing. The registry holds only what is named here: no
// runtime collectors, which cost memory and are seldom looked at.
type Metrics struct {
	service string
	set     *set
}

type set struct {
	registry    *prometheus.Registry
	requests    *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	batch       prometheus.Histogram
	subscribers *prometheus.GaugeVec
	dropped     *prometheus.CounterVec
	events      prometheus.Counter
	authCache   *prometheus.CounterVec

	mu     sync.Mutex // guards changes of series, and lags
	series atomic.Pointer[map[seriesKey]series]
	lags   map[string]float64
}

type seriesKey struct{ service, transport, op, code string }

type series struct {
	count   prometheus.Counter
	seconds prometheus.Observer
}

func newMetrics(service string) *Metrics {
	s := &set{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "octomesh_requests_total", Help: "Requests by outcome; code is ok or a fault code.",
		}, []string{"service", "transport", "op", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "octomesh_request_seconds", Help: "Time from request to reply.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"service", "transport", "op"}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "octomesh_writer_batch_size", Help: "Writes committed together.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256},
		}),
		subscribers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "octomesh_feed_subscribers", Help: "Open live subscriptions.",
		}, []string{"transport"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "octomesh_feed_dropped_total", Help: "Subscriptions cut off, by reason.",
		}, []string{"reason"}),
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "octomesh_events_total", Help: "Events published or received.",
		}),
		authCache: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "octomesh_auth_cache_total", Help: "Look-ups of credentials, by result.",
		}, []string{"result"}),
		lags: map[string]float64{},
	}
	s.series.Store(&map[seriesKey]series{})
	lag := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "octomesh_relay_lag_seconds", Help: "Age of the oldest change not yet published, of the project furthest behind.",
	}, s.worstLag)
	s.registry.MustRegister(s.requests, s.seconds, s.batch, s.subscribers, s.dropped, s.events, s.authCache, lag)
	return &Metrics{service: service, set: s}
}

// For returns the same metrics under another service's name, for several
// services in one process.
func (m *Metrics) For(service string) *Metrics {
	if m == nil {
		return nil
	}
	return &Metrics{service: service, set: m.set}
}

// Request counts one request and its time. op is a name from the operation
// table or of a route, code is a fault code or "ok": never what a caller wrote.
func (m *Metrics) Request(transport, op, code string, took time.Duration) {
	if m == nil {
		return
	}
	k := seriesKey{m.service, transport, op, code}
	s, ok := (*m.set.series.Load())[k]
	if !ok {
		s = m.set.add(k)
	}
	s.count.Inc()
	s.seconds.Observe(took.Seconds())
}

func (s *set) add(k seriesKey) series {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.series.Load()
	if v, ok := old[k]; ok {
		return v
	}
	if len(old) >= maxSeries {
		k.transport, k.op, k.code = "other", "other", "other"
	}
	v := series{
		count:   s.requests.WithLabelValues(k.service, k.transport, k.op, k.code),
		seconds: s.seconds.WithLabelValues(k.service, k.transport, k.op),
	}
	if len(old) < maxSeries {
		next := maps.Clone(old)
		next[k] = v
		s.series.Store(&next)
	}
	return v
}

// WorkerQueue shows the requests that wait for a place in a worker; waiting is
// asked whenever the metrics are read. Of several workers of one service name
// in a process the first one counts.
func (m *Metrics) WorkerQueue(waiting func() int) {
	if m == nil {
		return
	}
	_ = m.set.registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "octomesh_worker_queue", Help: "Requests that wait for a place in a worker.",
		ConstLabels: prometheus.Labels{"service": m.service},
	}, func() float64 { return float64(waiting()) }))
}

// WriterBatch tells how many writes were committed together.
func (m *Metrics) WriterBatch(writes int) {
	if m != nil {
		m.set.batch.Observe(float64(writes))
	}
}

// RelayLag tells the age of the oldest change of a project that is not yet
// published; 0 when all are.
func (m *Metrics) RelayLag(project string, age time.Duration) {
	if m == nil {
		return
	}
	m.set.mu.Lock()
	defer m.set.mu.Unlock()
	if age <= 0 {
		delete(m.set.lags, project)
		return
	}
	m.set.lags[project] = age.Seconds()
}

func (s *set) worstLag() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var worst float64
	for _, v := range s.lags {
		worst = max(worst, v)
	}
	return worst
}

// FeedSubscribers adds delta to the open subscriptions of a transport.
func (m *Metrics) FeedSubscribers(transport string, delta int) {
	if m != nil {
		m.set.subscribers.WithLabelValues(transport).Add(float64(delta))
	}
}

// FeedDropped counts a subscription that was cut off: slow, revoked, gap, …
func (m *Metrics) FeedDropped(reason string) {
	if m != nil {
		m.set.dropped.WithLabelValues(reason).Inc()
	}
}

// Events counts events published (relay) or received (feed).
func (m *Metrics) Events(n int) {
	if m != nil {
		m.set.events.Add(float64(n))
	}
}

// AuthCache counts a look-up of a credential: hit, miss, refused.
func (m *Metrics) AuthCache(result string) {
	if m != nil {
		m.set.authCache.WithLabelValues(result).Inc()
	}
}
