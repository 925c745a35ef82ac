package egainsim

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"
)

// socketSet are sockets that were opened together.
type socketSet struct {
	main        net.Listener
	elsewhere   net.Listener
	deployments []deploymentSocket
}

type deploymentSocket struct {
	net.Listener
	tenant *Tenant
}

// listenAll opens the main port, that of every deployment, and the main port at ElsewhereHost if a deployment needs it.
func listenAll(addr string, deployed []*Tenant) (*socketSet, error) {
	needsElsewhere := slices.ContainsFunc(deployed, func(t *Tenant) bool { return t.config.Deployment.UsersElsewhere })
	sockets, err := listenMain(addr, needsElsewhere)
	for _, t := range deployed {
		if err == nil {
			err = sockets.addDeployment(t)
		}
	}
	if err != nil {
		sockets.close()
		return nil, err
	}
	return sockets, nil
}

// listenMain opens the main port. If any port will do, it tries others until one is free at both hosts.
func listenMain(addr string, needsElsewhere bool) (*socketSet, error) {
	sockets := &socketSet{}
	_, port, _ := net.SplitHostPort(addr)
	for attempt := 1; ; attempt++ {
		var err error
		if sockets.main, err = listen(addr); err != nil || !needsElsewhere {
			return sockets, err
		}
		sockets.elsewhere, err = listenElsewhere(portOf(sockets.main))
		if err == nil {
			return sockets, nil
		}
		if port != "0" || attempt == maxPorts || !errors.Is(err, syscall.EADDRINUSE) {
			return sockets, err
		}
		_ = sockets.main.Close()
	}
}

func listenElsewhere(port int32) (net.Listener, error) {
	socket, err := listen(net.JoinHostPort(ElsewhereHost, strconv.Itoa(int(port))))
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return nil, fmt.Errorf("%w; macOS needs: sudo ifconfig lo0 alias %s", err, ElsewhereHost)
	}
	return socket, err
}

// listen opens a socket. The API's URL has the IPv4 address in it, so the name localhost must not come to mean ::1 here.
func listen(addr string) (net.Listener, error) {
	socket, err := net.Listen("tcp4", addr) //nolint:noctx // Binding to the loopback interface does not take time.
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	return socket, nil
}

// addDeployment opens the port of a deployment: the one that it had before, or any.
func (s *socketSet) addDeployment(t *Tenant) error {
	socket, err := listen(net.JoinHostPort(apiHost, strconv.Itoa(int(t.port.Load()))))
	if err != nil {
		return fmt.Errorf("tenant %q: %w", t.config.ID, err)
	}
	s.deployments = append(s.deployments, deploymentSocket{socket, t})
	return nil
}

// assign tells the tenants their ports.
func (s *socketSet) assign() {
	for _, d := range s.deployments {
		d.tenant.port.Store(portOf(d))
	}
}

func (s *socketSet) all() []net.Listener {
	var all []net.Listener
	for _, socket := range []net.Listener{s.main, s.elsewhere} {
		if socket != nil {
			all = append(all, socket)
		}
	}
	for _, d := range s.deployments {
		all = append(all, d)
	}
	return all
}

func (s *socketSet) close() {
	for _, socket := range s.all() {
		_ = socket.Close()
	}
}

func portOf(socket net.Listener) int32 {
	return int32(socket.Addr().(*net.TCPAddr).Port) //nolint:gosec // A port fits.
}
