package egainsim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"
)

// AdminServerName is the name by which a TLS client asks for a certificate that is always good, whatever SetCertificate did:
// who set a bad one, or watches what comes of it, must still reach the administration endpoints.
const AdminServerName = "admin.egainsim"

// Certificate describes the server certificate that new connections meet. Its zero value is a good one.
type Certificate struct {
	// NotBefore and NotAfter bound its validity. The defaults are an hour ago and a year ahead.
	NotBefore time.Time `json:"notBefore,omitzero"`
	NotAfter  time.Time `json:"notAfter,omitzero"`
	// Untrusted has it signed by an authority that is not in the CA bundle.
	Untrusted bool `json:"untrusted,omitempty"`
}

// CABundle is the certificate of the simulator's authority, in PEM.
func (s *Simulator) CABundle() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.authority.certificate.Raw})
}

// SetCertificate replaces the server certificate. Connections that exist serve one more request, and end.
func (s *Simulator) SetCertificate(wanted Certificate) error {
	if err := s.authority.issue(wanted); err != nil {
		return err
	}
	s.server.newGeneration()
	return nil
}

// authority issues the server certificate. It goes by the real clock, as those who check certificates do.
type authority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
	leaf        atomic.Pointer[tls.Certificate]
	// admin is for AdminServerName.
	admin *tls.Certificate
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating the authority's key: %w", err)
	}
	now := clock.RealClock{}.Now()
	template := &x509.Certificate{
		SerialNumber:          serialNumber(),
		Subject:               pkix.Name{CommonName: "egainsim authority"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(10, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("creating the authority's certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading the authority's certificate back: %w", err)
	}
	a := &authority{key: key, certificate: certificate}
	if a.admin, err = a.sign(Certificate{}, AdminServerName); err != nil {
		return nil, err
	}
	return a, a.issue(Certificate{})
}

// issue makes the certificate that connections meet from now on.
func (a *authority) issue(wanted Certificate) error {
	signer := a
	if wanted.Untrusted {
		stranger, err := newAuthority()
		if err != nil {
			return err
		}
		signer = stranger
	}
	leaf, err := signer.sign(wanted, loginHost)
	if err != nil {
		return err
	}
	a.leaf.Store(leaf)
	return nil
}

func (a *authority) sign(wanted Certificate, name string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating the server's key: %w", err)
	}
	now := clock.RealClock{}.Now()
	if wanted.NotBefore.IsZero() {
		wanted.NotBefore = now.Add(-time.Hour)
	}
	if wanted.NotAfter.IsZero() {
		wanted.NotAfter = now.AddDate(1, 0, 0)
	}
	template := &x509.Certificate{
		SerialNumber: serialNumber(),
		Subject:      pkix.Name{CommonName: "egainsim"},
		NotBefore:    wanted.NotBefore,
		NotAfter:     wanted.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{name},
		IPAddresses:  []net.IP{net.ParseIP(apiHost), net.ParseIP(ElsewhereHost), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("creating the server's certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func (a *authority) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// Resumed sessions would never see a replaced certificate.
		SessionTicketsDisabled: true,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if hello.ServerName == AdminServerName {
				return a.admin, nil
			}
			return a.leaf.Load(), nil
		},
	}
}

// serialNumber has 127 random bits: unique, and positive as X.509 demands.
func serialNumber() *big.Int {
	bits := make([]byte, 16)
	_, _ = rand.Read(bits)
	bits[0] &= 0x7f
	return new(big.Int).SetBytes(bits)
}
