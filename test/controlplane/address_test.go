package controlplane

import (
	"net"
	"testing"
)

func TestFreeAddressReturnsEachOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		address, err := FreeAddress(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if seen[address] {
			t.Errorf("%s is returned twice", address)
		}
		seen[address] = true
		if socket, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp4", address); err == nil {
			t.Errorf("another process can reserve %s: %v", address, socket.Close())
		}
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", address)
		if err != nil {
			t.Errorf("no process can listen on %s: %v", address, err)
			continue
		}
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	}
}
