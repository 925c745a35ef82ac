package controlplane

import (
	"net"
	"testing"

	"github.com/onsi/gomega"
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
		// A process that another test starts meanwhile has the listener of FreeAddress, too, until it becomes its program.
		gomega.NewWithT(t).Eventually(func() error {
			listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", address)
			if err != nil {
				return err
			}
			return listener.Close()
		}).Should(gomega.Succeed(), "a process can listen on %s", address)
	}
}
