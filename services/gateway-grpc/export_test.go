package gatewaygrpc

import "net"

// ArrowAddr is the address on which Flight listens alone.
func (s *Service) ArrowAddr() net.Addr { return s.ports[1].Addr() }
