package controllers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/caching"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/target"
	"github.com/egain-operator/egain-operator/test/controlplane"
)

// Environment of the process that TestTheHeapIsFreeOfTokensAtRest looks into.
const (
	envKubeconfig = "EGAIN_TEST_OPERATOR_KUBECONFIG"
	envNamespace  = "EGAIN_TEST_OPERATOR_NAMESPACE"
	envDump       = "EGAIN_TEST_OPERATOR_DUMP"
)

// heapWorkers are those of the operator that is looked into.
const heapWorkers = 8

// runOperator is the whole of this test binary when it runs as a process of its own: an operator that writes its live heap to a
// file on SIGUSR1. The process of the tests cannot be looked into, since they hold tokens themselves.
func runOperator() error {
	c, err := clientcmd.BuildConfigFromFlags("", os.Getenv(envKubeconfig))
	if err != nil {
		return err
	}
	options := ManagerOptions([]string{os.Getenv(envNamespace)}, nil)
	options.Metrics.BindAddress = "0"
	mgr, err := ctrl.NewManager(c, options)
	if err != nil {
		return err
	}
	r := live(mgr, heapWorkers)
	ctx := ctrl.SetupSignalHandler()
	if err := r.SetupWithManager(ctx, mgr); err != nil {
		return err
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			dumpHeap()
		}
	}()
	return mgr.Start(ctx)
}

func dumpHeap() {
	runtime.GC()
	runtime.GC() // the first only queues what pools and finalizers let go of
	name := os.Getenv(envDump)
	file, err := os.Create(name + ".part")
	if err != nil {
		panic(err)
	}
	debug.WriteHeapDump(file.Fd())
	if err := os.Rename(name+".part", name); err != nil {
		panic(err)
	}
}

func TestTheHeapIsFreeOfTokensAtRest(t *testing.T) {
	t.Parallel()
	// The buffers of open connections keep the last message that went over them until the next one does. A worker has one
	// connection to the provider open at most.
	const clients, lastMessages = 40, heapWorkers
	f := liveFixture(t)
	kubeconfig, dump := filepath.Join(t.TempDir(), "kubeconfig"), filepath.Join(t.TempDir(), "heap")
	f.Expect(controlplane.WriteKubeconfig(kubeconfig, operatorConfig(t, f.namespace))).To(gomega.Succeed())
	operator := exec.CommandContext(t.Context(), os.Args[0])
	operator.Env = append(os.Environ(), envKubeconfig+"="+kubeconfig, envNamespace+"="+f.namespace, envDump+"="+dump)
	operator.Stderr = os.Stderr
	f.Expect(operator.Start()).To(gomega.Succeed())
	t.Cleanup(func() { _ = controlplane.StopProcess(operator) })
	f.credentials()
	for i := range clients {
		f.client(fmt.Sprintf("sync-%d", i))
	}
	for i := range clients {
		ec := &egainv1alpha1.EgainClient{ObjectMeta: f.named(fmt.Sprintf("sync-%d", i))}
		f.ready(ec, true)
	}

	// A token is kept for as long as another one may not be issued, so that the operator is at rest some seconds after the last.
	f.Eventually(func(g gomega.Gomega) {
		heap := f.heapOf(operator.Process, dump)
		g.Expect(bytes.Contains(heap, []byte("sync-7"))).To(gomega.BeTrue(), "the dump must hold what the operator holds")
		found := 0
		for i := range clients {
			token := f.value(fmt.Sprintf("sync-%d", i), "access_token")
			signature := token[strings.LastIndex(token, ".")+1:]
			if bytes.Contains(heap, []byte(signature[30:70])) {
				found++
			}
		}
		t.Logf("%d of %d tokens and the client secret %d times in %d bytes of live heap", found, clients, bytes.Count(heap, []byte(egainsim.RigelClientSecret)), len(heap))
		g.Expect(found).To(gomega.BeNumerically("<=", lastMessages))
		g.Expect(bytes.Count(heap, []byte(egainsim.RigelClientSecret))).To(gomega.BeNumerically("<=", lastMessages))
	}).WithTimeout(patience).WithPolling(rotation.Floor).Should(gomega.Succeed())
}

// heapOf is the live heap of an operator that writes it to a file.
func (f *fixture) heapOf(operator *os.Process, dump string) (heap []byte) {
	f.t.Helper()
	f.Expect(os.RemoveAll(dump)).To(gomega.Succeed())
	f.Expect(operator.Signal(syscall.SIGUSR1)).To(gomega.Succeed())
	f.eventually(func(g gomega.Gomega) {
		var err error
		heap, err = os.ReadFile(dump)
		g.Expect(err).NotTo(gomega.HaveOccurred())
	})
	return heap
}

// liveHeap is how many bytes are live on the heap.
func liveHeap() int {
	runtime.GC()
	runtime.GC() // the first only queues what pools and finalizers let go of
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

// decoded is a copy as a watch brings one, with strings of its own, and each word replaced.
func decoded[T any](t *testing.T, original any, replacements ...string) *T {
	t.Helper()
	encoded, err := json.Marshal(original)
	if err != nil {
		t.Fatal(err)
	}
	o := new(T)
	if err := json.Unmarshal([]byte(strings.NewReplacer(replacements...).Replace(string(encoded))), o); err != nil {
		t.Fatal(err)
	}
	return o
}

// Not parallel, since it looks at the heap of the whole process. make bench also measures what the
// queue and the machinery of the cache hold.
func TestWhatIsHeldOfAClientIsBounded(t *testing.T) {
	const clients, bound = 2000, 3700
	r := &EgainClientReconciler{}
	indexers := cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
	stores := map[string]cache.Indexer{}
	for _, kind := range []string{"EgainClient", "Secret"} {
		stores[kind] = cache.NewIndexer(cache.DeletionHandlingMetaNamespaceKeyFunc, indexers)
	}
	client, secret := wordy(), &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: "sync-token", UID: "uid", ResourceVersion: "7", Labels: map[string]string{"team": "a"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "auth.egain.com/v1alpha1", Kind: "EgainClient", Name: "sync", UID: "uid", Controller: new(true)}},
		Annotations:     map[string]string{target.AnnotationOwnedBy: "sync", target.AnnotationIssuedForSpec: strings.Repeat("x", 32)},
	}}
	client.Spec.TenantRef, client.Spec.Tenant.CABundleRef, client.Finalizers = nil, nil, nil // usually there are none
	client.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": strings.Repeat("x", 1000)}
	keep := func(kind string, transform cache.TransformFunc, o any) any {
		stripped, err := transform(o)
		if err == nil {
			err = stores[kind].Add(stripped)
		}
		if err != nil {
			t.Fatal(err)
		}
		return stripped
	}

	before := liveHeap()
	for i := range clients {
		name := fmt.Sprintf("sync-%06d", i)
		replacements := []string{`"sync`, `"` + name, `"app"`, `"` + name + `-app"`, `"uid"`, `"` + string(uuid.NewUUID()) + `"`}
		ec := keep("EgainClient", caching.Client, decoded[egainv1alpha1.EgainClient](t, client, replacements...)).(*egainv1alpha1.EgainClient)
		written := keep("Secret", caching.Secret, decoded[metav1.PartialObjectMetadata](t, secret, replacements...)).(*metav1.PartialObjectMetadata)
		keep("Secret", caching.Secret, decoded[metav1.PartialObjectMetadata](t, secret, `"sync-token"`, `"`+name+`-app"`, `"uid"`, `"`+string(uuid.NewUUID())+`"`))
		r.references.add(ec)
		entry := r.journal.Load(ec, noon)
		entry.Known = target.Known{Version: target.VersionOf(ec, &written.ObjectMeta), Token: living(strings.Repeat("x", 32), noon)}
		r.journal.Store(ec, entry)
	}
	each := (liveHeap() - before) / clients
	t.Logf("%d bytes for each client", each)
	if each > bound {
		t.Errorf("%d bytes are held of a client, want at most %d", each, bound)
	}
	runtime.KeepAlive(stores)
	runtime.KeepAlive(r)
}
