package flight

import (
	"encoding/base64"

	af "github.com/apache/arrow-go/v18/arrow/flight"

	"github.com/octomesh/octomesh/services/gateway-grpc/rpc"
)

// Handshake implements the service: whoever shows a credential as basic
// authentication in the metadata is told what to show with the calls that follow.
// An API key stands there as the password, or as the name with an empty password,
// and comes back as a bearer token; no state is kept here. Errors: UNAUTHORIZED,
// AUTH_ERROR.
func (s *Server) Handshake(ss af.FlightService_HandshakeServer) error {
	x := rpc.ExchangeOf(ss.Context())
	x.Op = "describe"
	c, err := s.entrance.Somebody(ss.Context(), Transport)
	if err != nil {
		return err
	}
	shown := c.Credential
	shown.FindKey()
	answer := "Bearer " + shown.Key
	switch {
	case shown.Key != "":
	case shown.Bearer != "":
		answer = "Bearer " + shown.Bearer
	default:
		answer = "Basic " + base64.StdEncoding.EncodeToString([]byte(shown.User+":"+shown.Password))
	}
	x.Tell("authorization", answer)
	return ss.Send(&af.HandshakeResponse{})
}
