package entityrpc

import (
	"context"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// health tells whether the gateway serves (grpc.health.v1): as a whole, and each
// service that the caller may use by its name. It asks for a credential only where
// a name of an entity is asked for.
type health struct {
	healthv1.UnimplementedHealthServer
	services *Services
	known    func() map[string]grpc.ServiceInfo // the generated services
}

func registerHealth(server *grpc.Server, s *Services) {
	healthv1.RegisterHealthServer(rpc.Streams{ServiceRegistrar: server}, &health{services: s, known: sync.OnceValue(server.GetServiceInfo)})
}

func (h *health) of(ctx context.Context, name string) (healthv1.HealthCheckResponse_ServingStatus, error) {
	if _, known := h.known()[name]; name != "" && !known {
		d, err := h.services.view(ctx)
		if err != nil {
			return 0, err
		}
		if !slices.Contains(d.services, name) {
			return healthv1.HealthCheckResponse_SERVICE_UNKNOWN, nil
		}
	}
	select {
	case <-h.services.Stopping:
		return healthv1.HealthCheckResponse_NOT_SERVING, nil
	default:
	}
	select {
	case <-h.services.Ready:
		return healthv1.HealthCheckResponse_SERVING, nil
	default:
		return healthv1.HealthCheckResponse_NOT_SERVING, nil
	}
}

// Check implements grpc.health.v1.
func (h *health) Check(ctx context.Context, in *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	s, err := h.of(ctx, in.GetService())
	if err != nil {
		return nil, err
	}
	if s == healthv1.HealthCheckResponse_SERVICE_UNKNOWN {
		return nil, status.Error(codes.NotFound, "there is no such service")
	}
	return &healthv1.HealthCheckResponse{Status: s}, nil
}

// Watch implements grpc.health.v1. All that can happen to a service that is there
// is that the server becomes ready, which it may be asked before, and stops.
func (h *health) Watch(in *healthv1.HealthCheckRequest, stream healthv1.Health_WatchServer) error {
	for ready := h.services.Ready; ; {
		s, err := h.of(stream.Context(), in.GetService())
		if err != nil {
			return err
		}
		if err := stream.Send(&healthv1.HealthCheckResponse{Status: s}); err != nil {
			return err
		}
		if s != healthv1.HealthCheckResponse_NOT_SERVING {
			ready = nil
		}
		select {
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case <-h.services.Stopping:
			return stream.Send(&healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_NOT_SERVING})
		case <-ready:
			ready = nil
		}
	}
}
