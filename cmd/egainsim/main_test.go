package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func TestItServesUntilASignalStopsIt(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	directory := t.TempDir()
	caFile, descriptionFile := filepath.Join(directory, "ca.crt"), filepath.Join(directory, "egain.json")
	ctx, cancel := context.WithCancel(t.Context())
	var stdout, stderr bytes.Buffer
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{
			"--ca-file", caFile, "--description-file", descriptionFile, "--token-lifetime", "90s",
			"--refresh-token-lifetime", "2m", "--redirect-uri", "http://127.0.0.1:4711/", "--redirect-uri", "https://app.example.com/",
		}, &stdout, &stderr)
	}()
	g.Eventually(descriptionFile).WithTimeout(30 * time.Second).Should(gomega.BeAnExistingFile())

	description, err := egainsim.ReadDescription(descriptionFile)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	bundle, err := os.ReadFile(caFile)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(string(bundle)).To(gomega.Equal(description.CABundle))
	info, err := os.Stat(descriptionFile)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(info.Mode().Perm()).To(gomega.Equal(os.FileMode(0o600)))
	g.Expect(description.Tenants).To(gomega.HaveLen(2))
	for _, tenant := range description.Tenants {
		for _, app := range tenant.Clients {
			if app.RedirectURIs != nil {
				g.Expect(app.RedirectURIs).To(gomega.Equal(append(egainsim.DefaultRedirectURIs(), "http://127.0.0.1:4711/", "https://app.example.com/")))
			}
		}
		g.Expect(tenant.Clients).To(gomega.ContainElement(gomega.HaveField("RedirectURIs", gomega.Not(gomega.BeEmpty()))))
	}

	roots := x509.NewCertPool()
	g.Expect(roots.AppendCertsFromPEM([]byte(description.CABundle))).To(gomega.BeTrue())
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
	}}
	location := description.Tenants[0].MetadataURLs[egainsim.OAuthMetadata][egainsim.User]
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, location, http.NoBody)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	response, err := client.Do(request)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(response.Body.Close()).To(gomega.Succeed())
	g.Expect(response.StatusCode).To(gomega.Equal(http.StatusOK))

	cancel()
	g.Eventually(done).WithTimeout(30 * time.Second).Should(gomega.Receive(gomega.BeNil()))
	g.Expect(stdout.String()).To(gomega.Equal("login " + description.LoginURL + "\napi   " + description.APIURL + "\n"))
}

func TestItServesTenantsWithAddressesOfTheirOwn(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	descriptionFile := filepath.Join(t.TempDir(), "egain.json")
	ctx, cancel := context.WithCancel(t.Context())
	var stdout, stderr bytes.Buffer
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{
			"--deployments", "--description-file", descriptionFile, "--redirect-uri", "https://app.example.com/",
		}, &stdout, &stderr)
	}()
	g.Eventually(descriptionFile).WithTimeout(30 * time.Second).Should(gomega.BeAnExistingFile())
	description, err := egainsim.ReadDescription(descriptionFile)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	cancel()
	g.Eventually(done).WithTimeout(30 * time.Second).Should(gomega.Receive(gomega.BeNil()))

	g.Expect(description.Tenants).To(gomega.HaveLen(6))
	want := "login " + description.LoginURL + "\napi   " + description.APIURL + "\n"
	for _, tenant := range description.Tenants[2:] {
		g.Expect(tenant.URL).To(gomega.HavePrefix("https://localhost:"))
		g.Expect(tenant.Clients[1].RedirectURIs).To(gomega.ContainElement("https://app.example.com/"))
		want += "egain " + tenant.URL + " " + tenant.ID + "\n"
	}
	g.Expect(stdout.String()).To(gomega.Equal(want))
}

func TestItRefusesToStartWrongly(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"an unknown flag":              {"--port", "1"},
		"an argument":                  {"serve"},
		"an address that others reach": {"--addr", "0.0.0.0:0"},
		"a lifetime below a second":    {"--token-lifetime", "1ms"},
		"refresh tokens that die":      {"--refresh-token-lifetime", "-1s"},
		"a redirect URI that is none":  {"--redirect-uri", "/callback"},
		"a file that cannot be":        {"--ca-file", filepath.Join(t.TempDir(), "absent", "ca.crt")},
		"a directory as a file":        {"--description-file", t.TempDir()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var output bytes.Buffer
			gomega.NewWithT(t).Expect(run(t.Context(), args, &output, &output)).NotTo(gomega.Succeed())
		})
	}
}

func TestItExplainsItself(t *testing.T) {
	t.Parallel()
	g := gomega.NewWithT(t)
	var output bytes.Buffer
	g.Expect(run(t.Context(), []string{"--help"}, &output, &output)).To(gomega.MatchError(flag.ErrHelp))
	g.Expect(output.String()).To(gomega.ContainSubstring("-token-lifetime"))
}
