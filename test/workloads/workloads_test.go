// Package workloads_test runs the examples for workloads as they are, against a simulated eGain, with a Secret that is mounted
// as the kubelet mounts one, and renews the token under them.
package workloads_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/test/testbed"
)

const (
	root  = "../.."
	mount = "/var/run/egain"
	// patience bounds waits; nothing depends on how soon they end within it.
	patience = 60 * time.Second
)

// pod is where a workload runs: an eGain, a directory with the mounted Secret, and an environment.
type pod struct {
	t    *testing.T
	sim  *egainsim.Simulator
	http *http.Client
	ec   *egainv1alpha1.EgainClient
	dir  string
	env  []string
	// token is the one that is mounted.
	token string
}

// newPod mounts the target of an EgainClient of a manifest.
func newPod(t *testing.T, manifest string) *pod {
	t.Helper()
	sim := testbed.StartSimulator(t, egainsim.Config{})
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, sim.CABundle(), 0o600); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(sim.CABundle())
	p := &pod{
		t: t, sim: sim, ec: readClient(t, manifest), dir: t.TempDir(),
		http: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}},
		env: append(os.Environ(), "PATH="+programs(t), "INTERVAL=0.1",
			"SSL_CERT_FILE="+ca, "NODE_EXTRA_CA_CERTS="+ca, "CURL_CA_BUNDLE="+ca),
	}
	p.env = append(p.env, "EGAIN_TOKEN_DIR="+p.dir)
	p.renew()
	return p
}

// programs is the PATH that hack/runtimes.sh sees to.
func programs(t *testing.T) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(root, "hack/runtimes.sh"))
	command.Stderr = os.Stderr
	path, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(path))
}

// readClient reads the first EgainClient of a file.
func readClient(t *testing.T, file string) *egainv1alpha1.EgainClient {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	ec := &egainv1alpha1.EgainClient{}
	if err := yaml.UnmarshalStrict(content, ec); err != nil {
		t.Fatal(err)
	}
	return ec
}

// renew has a token issued and mounts it.
func (p *pod) renew() {
	p.t.Helper()
	form := url.Values{
		"grant_type": {"client_credentials"}, "scope": {string(p.ec.Spec.Scopes[0])},
		"client_id": {egainsim.RigelClientID}, "client_secret": {egainsim.RigelClientSecret},
	}
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.sim.Rigel().TokenURL(egainsim.Client), strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := p.http.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it is read
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		p.t.Fatalf("HTTP %d: %v", response.StatusCode, err)
	}
	p.token = answer.AccessToken
	p.mount(p.render())
}

// render is what the operator writes to the target.
func (p *pod) render() map[string][]byte {
	p.t.Helper()
	now := time.Now()
	secret, err := target.Render(p.ec, &target.Token{
		Token:       rotation.Token{IssueTime: now, ExpirationTime: now.Add(time.Hour)},
		AccessToken: oauth.Secret(p.token), TokenType: "Bearer", APIURL: p.sim.APIURL(),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return secret.Data
}

// mount replaces the files as the kubelet does: all at once, by replacing the link ..data to the directory that holds them.
func (p *pod) mount(data map[string][]byte) {
	p.t.Helper()
	fill, err := os.MkdirTemp(p.dir, "..")
	if err != nil {
		p.t.Fatal(err)
	}
	link := filepath.Join(p.dir, "..data_tmp")
	for key, value := range data {
		if err := os.WriteFile(filepath.Join(fill, key), value, 0o600); err != nil {
			p.t.Fatal(err)
		}
		_ = os.Symlink(filepath.Join("..data", key), filepath.Join(p.dir, key)) // it may be there from the last time
	}
	if err := os.Symlink(filepath.Base(fill), link); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(link, filepath.Join(p.dir, "..data")); err != nil {
		p.t.Fatal(err)
	}
}

// start starts a program and returns the lines that it prints. It and what it starts end with the test.
func (p *pod) start(name string, args ...string) <-chan string {
	p.t.Helper()
	command := exec.CommandContext(context.WithoutCancel(p.t.Context()), "/usr/bin/env", append([]string{"--", name}, args...)...)
	command.Env, command.Stderr = p.env, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	lines := make(chan string)
	ended := make(chan struct{})
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			select {
			case lines <- scanner.Text():
			case <-ended:
			}
		}
	}()
	p.t.Cleanup(func() {
		close(ended)
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		_ = command.Wait() // it was killed
	})
	return lines
}

// await reads lines until one is as wanted.
func await(t *testing.T, lines <-chan string, want string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line, more := <-lines:
			if !more {
				t.Fatalf("the program ended before it printed %q", want)
			}
			if strings.Contains(line, want) {
				return
			}
		case <-timeout:
			t.Fatalf("no line with %q", want)
		}
	}
}

func TestTheExamplesCallWithTheTokenOfTheMoment(t *testing.T) {
	t.Parallel()
	for name, program := range map[string][]string{
		"Python":  {"python3", filepath.Join(root, "examples/python/call_egain.py"), egainsim.PortalsPath},
		"Node.js": {"node", filepath.Join(root, "examples/node/call_egain.mjs"), egainsim.PortalsPath},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPod(t, "config/samples/client-credentials.yaml")
			p.expectRenewalsAreFollowed(p.start(program[0], program[1:]...))
		})
	}
}

// expectRenewalsAreFollowed fails unless a program that prints the status of each call uses the token of the moment.
func (p *pod) expectRenewalsAreFollowed(lines <-chan string) {
	p.t.Helper()
	await(p.t, lines, "200")
	old := p.token
	p.renew()
	p.sim.RevokeToken(old)
	for range 5 {
		if line := <-lines; line != "200" {
			p.t.Errorf("a call after the renewal was answered %q", line)
		}
	}
	p.sim.RevokeToken(p.token)
	await(p.t, lines, "401")
	p.renew()
	await(p.t, lines, "200")
}

// TestTheExamplesOfTheSDKsCallWithTheTokenOfTheMoment runs the examples with stand-ins of eGain's SDKs: no registry has those.
func TestTheExamplesOfTheSDKsCallWithTheTokenOfTheMoment(t *testing.T) {
	t.Parallel()
	const standIns = "testdata/sdk"
	t.Run("Python", func(t *testing.T) {
		t.Parallel()
		p := newPod(t, "config/samples/client-credentials.yaml")
		p.env = append(p.env, "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH="+filepath.Join(standIns, "python"))
		p.expectRenewalsAreFollowed(p.start("python3", filepath.Join(root, "examples/python/call_by_sdk.py")))
	})
	t.Run("Node.js", func(t *testing.T) {
		t.Parallel()
		p := newPod(t, "config/samples/client-credentials.yaml")
		// Node.js looks for packages beside the program.
		dir := t.TempDir()
		program := filepath.Join(dir, "call_by_sdk.mjs")
		copyFile(t, filepath.Join(root, "examples/node/call_by_sdk.mjs"), program)
		pkg := filepath.Join(dir, "node_modules/@egain/egain-api-typescript")
		copyFile(t, filepath.Join(standIns, "node/index.mjs"), filepath.Join(pkg, "index.mjs"))
		if err := os.WriteFile(filepath.Join(pkg, "package.json"), []byte(`{"exports": "./index.mjs"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		p.expectRenewalsAreFollowed(p.start("node", program))
	})
}

// copyFile copies a file into a directory that it makes.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o700)
	}
	if err == nil {
		err = os.WriteFile(to, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheSampleWorkloadCallsWithTheTokenOfTheMoment(t *testing.T) {
	t.Parallel()
	p := newPod(t, "config/samples/client-credentials.yaml")
	content, err := os.ReadFile(filepath.Join(root, "config/samples/workload.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var deployment struct {
		Spec struct {
			Template struct {
				Spec struct {
					Containers []struct{ Command, Args []string }
				}
			}
		}
	}
	if err := yaml.Unmarshal(content, &deployment); err != nil {
		t.Fatal(err)
	}
	container := deployment.Spec.Template.Spec.Containers[0]
	script := replace(t, container.Args[0], mount, p.dir, "sleep 60", "echo; sleep 0.1")
	lines := p.start(container.Command[0], container.Command[1], script)
	await(t, lines, egainsim.PortalsPath)
	old := p.token
	p.renew()
	p.sim.RevokeToken(old)
	for range 5 {
		await(t, lines, egainsim.PortalsPath)
	}
}

// replace replaces texts that must be there.
func replace(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("there is no %q in:\n%s", pairs[i], text)
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

func TestTheProxyOfNginxAddsTheTokenOfTheMoment(t *testing.T) {
	t.Parallel()
	p := newPod(t, "examples/nginx/client.yaml")
	content, err := os.ReadFile(filepath.Join(root, "examples/nginx/nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	address := testbed.FreeAddress(t)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, p.sim.CABundle(), 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "nginx.conf")
	// nginx compares names only, and the simulator's API has none but its address.
	configuration := replace(t, string(content), mount, p.dir, "127.0.0.1:8081", address, "/etc/ssl/certs/ca-certificates.crt", ca,
		"/var/run/nginx", t.TempDir(), "proxy_ssl_server_name on;", "proxy_ssl_server_name on; proxy_ssl_name localhost;")
	if err := os.WriteFile(config, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	p.env = append(p.env, "CONFIG="+config)
	p.start("sh", filepath.Join(root, "examples/nginx/run.sh"))
	expectStatus(t, address, http.StatusOK)
	old := p.token
	p.renew()
	p.sim.RevokeToken(old)
	expectStatus(t, address, http.StatusOK)
}

// expectStatus waits until a call through the proxy is answered so.
func expectStatus(t *testing.T, address string, want int) {
	t.Helper()
	gomega.NewWithT(t).Eventually(func() (int, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+egainsim.PortalsPath, http.NoBody)
		if err != nil {
			return 0, err
		}
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			return 0, err // it does not listen yet
		}
		return response.StatusCode, response.Body.Close()
	}).WithTimeout(patience).Should(gomega.Equal(want))
}
