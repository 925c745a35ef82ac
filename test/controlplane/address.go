package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
)

// The ports that FreeAddress chooses from are below those that systems give to connections and to listeners on port 0 (Linux: from
// 32768 on, net.ipv4.ip_local_port_range; others from 49152 on, RFC 6335 section 6).
const (
	firstPort = 15000
	lastPort  = 32000
)

var reserved struct {
	sync.Mutex
	next int
	// sockets are held until the process ends.
	sockets []net.PacketConn
}

// FreeAddress is a loopback address on which a process of the test's can listen on TCP. No other call returns it while this
// process runs, in whatever process: its UDP port stays taken.
func FreeAddress(ctx context.Context) (string, error) {
	reserved.Lock()
	defer reserved.Unlock()
	var config net.ListenConfig
	for range lastPort - firstPort {
		// Processes begin at different ports.
		port := firstPort + (os.Getpid()*31+reserved.next)%(lastPort-firstPort)
		reserved.next++
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		socket, err := config.ListenPacket(ctx, "udp4", address)
		if err != nil {
			continue
		}
		listener, err := config.Listen(ctx, "tcp4", address)
		if err != nil {
			if err := socket.Close(); err != nil {
				return "", fmt.Errorf("finding a free port: %w", err)
			}
			continue
		}
		reserved.sockets = append(reserved.sockets, socket)
		return address, listener.Close()
	}
	return "", errors.New("finding a free port: all are taken")
}
