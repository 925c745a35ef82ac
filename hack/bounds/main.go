// Bounds measures what the worst EgainClient and the worst ConfigMaps cost the operator, on a real control plane. The bounds
// themselves are in docs/operations.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/hack/internal/stage"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/test/controlplane"
)

// settled is how long the operator gets to come to rest.
const settled = 10 * time.Second

type options struct {
	bin        string
	configMaps int
	during     time.Duration
}

func main() { os.Exit(stage.Run("bounds", os.Args[1:], os.Stderr, parse, run)) }

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bounds", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.bin, "bin", "bin", "the directory of the binary egain-operator")
	flags.IntVar(&o.configMaps, "configmaps", 2000, "how many ConfigMaps with an annotation of 250 KiB are created")
	flags.DurationVar(&o.during, "for", 30*time.Second, "how long requests are counted")
	return o, flags.Parse(args)
}

// world is a control plane with an operator and a simulated eGain.
type world struct {
	cluster   *stage.Cluster
	simulator *egainsim.Simulator
	operator  *stage.Operator
	launch    func() error
}

func run(ctx context.Context, o options) (_ bool, err error) {
	dir, err := os.MkdirTemp("", "bounds-")
	if err != nil {
		return false, fmt.Errorf("making a directory: %w", err)
	}
	w := &world{}
	defer func() { err = errors.Join(err, w.stop(), os.RemoveAll(dir)) }()
	if err := w.start(ctx, o.bin, dir); err != nil {
		return false, err
	}
	fmt.Println("| what | figure |\n|---|---|")
	if err := w.requests(ctx, o.during); err != nil {
		return false, err
	}
	return true, w.memory(ctx, o.configMaps)
}

func (w *world) start(ctx context.Context, bin, dir string) (err error) {
	if w.cluster, err = stage.StartCluster(dir); err != nil {
		return err
	}
	if err := w.cluster.ApplyCRDs(ctx); err != nil {
		return err
	}
	if w.simulator, err = egainsim.New(egainsim.Config{}); err != nil {
		return err
	}
	if err := w.simulator.Start("127.0.0.1:0"); err != nil {
		return err
	}
	kubeconfig := filepath.Join(dir, "operator.kubeconfig")
	if err := controlplane.WriteKubeconfig(kubeconfig, w.cluster.Plane.Config); err != nil {
		return err
	}
	w.launch = func() (err error) {
		w.operator, err = stage.NewOperator(ctx, []string{filepath.Join(bin, "egain-operator")}, filepath.Join(dir, "operator.log"), kubeconfig,
			metav1.NamespaceDefault, "--metrics-secure=false", "--leader-elect=false")
		if err != nil {
			return err
		}
		return w.operator.Start(ctx)
	}
	return w.launch()
}

func (w *world) stop() (err error) {
	if w.operator != nil {
		err = w.operator.Stop()
	}
	if w.simulator != nil {
		err = errors.Join(err, w.simulator.Close())
	}
	if w.cluster != nil {
		err = errors.Join(err, w.cluster.Plane.Stop())
	}
	return err
}

// requests counts what an EgainClient costs whose tokens last a second.
func (w *world) requests(ctx context.Context, during time.Duration) error {
	w.simulator.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, egainsim.Fault{Set: map[string]json.RawMessage{"expires_in": json.RawMessage("1")}})
	for _, object := range w.objects() {
		if err := w.cluster.Create(ctx, object); err != nil {
			return fmt.Errorf("creating %s: %w", object.GetName(), err)
		}
	}
	time.Sleep(settled)
	before, err := w.scrape(ctx)
	if err != nil {
		return err
	}
	time.Sleep(during)
	after, err := w.scrape(ctx)
	if err != nil {
		return err
	}
	rate := func(metric string) float64 {
		return (stage.SumSeries(after, metric, "") - stage.SumSeries(before, metric, "")) / during.Seconds()
	}
	fmt.Printf("| token requests a second for one EgainClient, `expires_in: 1` | %.2f |\n", rate("egain_token_request_duration_seconds_count"))
	fmt.Printf("| requests to the API server a second for it | %.2f |\n", rate("rest_client_requests_total"))
	return nil
}

// objects are an EgainClient and what it names.
func (w *world) objects() []client.Object {
	named := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: name}
	}
	return []client.Object{
		&corev1.ConfigMap{ObjectMeta: named("egain-ca"), Data: map[string]string{"ca.crt": string(w.simulator.CABundle())}},
		&corev1.Secret{ObjectMeta: named("egain-app"), StringData: map[string]string{
			"client_id": egainsim.RigelClientID, "client_secret": egainsim.RigelClientSecret,
		}},
		&egainv1alpha1.EgainClient{ObjectMeta: named("sync"), Spec: egainv1alpha1.EgainClientSpec{
			Tenant: egainv1alpha1.Tenant{
				TenantLocation: egainv1alpha1.TenantLocation{Endpoints: &egainv1alpha1.Endpoints{
					TokenURL: egainv1alpha1.HTTPSURL(w.simulator.Rigel().TokenURL(egainsim.Client)), APIURL: egainv1alpha1.HTTPSURL(w.simulator.APIURL()),
				}},
				CABundleRef: &egainv1alpha1.CABundleReference{Name: "egain-ca"},
			},
			CredentialsSecretRef: &egainv1alpha1.CredentialsSecretReference{Name: "egain-app"},
			Scopes:               []egainv1alpha1.Scope{"knowledge.portalmgr.manage"},
		}},
	}
}

// memory measures the operator before and after ConfigMaps with large annotations come, and after a restart.
func (w *world) memory(ctx context.Context, n int) error {
	if err := w.printResident("RSS"); err != nil {
		return err
	}
	annotations := map[string]string{"auth.egain.com/session": strings.Repeat("x", 250<<10)}
	for i := range n {
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "large-" + strconv.Itoa(i), Annotations: annotations}}
		if err := w.cluster.Create(ctx, object); err != nil {
			return fmt.Errorf("creating ConfigMap %d: %w", i, err)
		}
	}
	time.Sleep(settled)
	if err := w.printResident(fmt.Sprintf("RSS with %d ConfigMaps with an annotation of 250 KiB", n)); err != nil {
		return err
	}
	if err := w.operator.Stop(); err != nil {
		return err
	}
	if err := w.launch(); err != nil {
		return err
	}
	time.Sleep(settled)
	return w.printResident("RSS with them after a restart")
}

func (w *world) printResident(what string) error {
	pid, _ := w.operator.State()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return fmt.Errorf("reading the operator's memory: %w", err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kibibytes, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		return fmt.Errorf("reading the operator's memory: %w", err)
	}
	fmt.Printf("| %s | %d MiB |\n", what, kibibytes>>10)
	return nil
}

func (w *world) scrape(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.operator.Metrics+"/metrics", http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("reading the metrics: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // it is read
	text, err := io.ReadAll(response.Body)
	return string(text), err
}
