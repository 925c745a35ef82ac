package app

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/metrics"
	"github.com/egain-operator/egain-operator/internal/options"
)

const (
	// probePeriod is how often the operator checks that it may read the namespaces it watches.
	probePeriod = 10 * time.Second
	// probeTimeout bounds one check of a namespace. A server that does not answer says nothing about rights.
	probeTimeout = 5 * time.Second
)

var secretKind = corev1.SchemeGroupVersion.WithResource("secrets")

// watchedKinds are the kinds that the operator watches in each namespace.
var watchedKinds = []schema.GroupVersionResource{
	egainv1alpha1.SchemeGroupVersion.WithResource("egainclients"),
	secretKind,
	corev1.SchemeGroupVersion.WithResource("configmaps"),
}

// ownNamespaceFile is where the kubelet writes the namespace of a pod.
const ownNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// ownNamespace is the pod's, as a list; empty outside of a cluster.
func ownNamespace(file string) []string {
	content, err := os.ReadFile(file) //nolint:gosec // the path is a constant, or a test's
	if name := strings.TrimSpace(string(content)); err == nil && name != "" {
		return []string{name}
	}
	return nil
}

// namespaces are those of --watch-namespaces and --application-namespaces. A cache fills only when it has read all of its namespaces,
// so that one that was deleted, together with the operator's rights in it, would hold up all others.
type namespaces struct {
	all, applications []string
	reader            metadata.Interface
	metrics           *metrics.Metrics
}

func newNamespaces(config *rest.Config, o *options.Options, m *metrics.Metrics) (*namespaces, error) {
	reader, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("creating a client of metadata: %w", err)
	}
	return &namespaces{o.WatchNamespaces, o.ApplicationNamespaces, reader, m}, nil
}

// readable are the namespaces that the operator may read. It exposes the others as metrics.
func (n *namespaces) readable(ctx context.Context) (names []string) {
	for _, name := range n.all {
		err := n.refusal(ctx, name, watchedKinds...)
		n.metrics.NamespaceUnreadable(name, err != nil)
		if err == nil {
			names = append(names, name)
		}
	}
	return names
}

// lending are the namespaces of applications whose Secrets the operator may read.
func (n *namespaces) lending(ctx context.Context) (names []string) {
	for _, name := range n.applications {
		if n.refusal(ctx, name, secretKind) == nil {
			names = append(names, name)
		}
	}
	return names
}

// refusal is why the operator may not read a namespace; nil if it may, or if that is unknown.
func (n *namespaces) refusal(ctx context.Context, name string, kinds ...schema.GroupVersionResource) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	for _, kind := range kinds {
		_, err := n.reader.Resource(kind).Namespace(name).List(ctx, metav1.ListOptions{Limit: 1})
		if apierrors.IsForbidden(err) {
			return err
		}
	}
	return nil
}

// use decides which namespaces a run of the operator watches, those that it may read, and which namespaces of applications it
// reads. The context that it returns ends when the operator may read one that the run left out.
func (n *namespaces) use(ctx context.Context) (run context.Context, watched, lending []string) {
	watched, lending = n.readable(ctx), n.lending(ctx)
	left, leftLending := without(n.all, watched), without(n.applications, lending)
	for _, name := range left {
		ctrl.Log.Error(n.refusal(ctx, name, watchedKinds...), "Cannot read a namespace of --watch-namespaces: grant the operator its Role there, or remove the namespace from the flag. Its EgainClients get no tokens until then", "namespace", name)
	}
	for _, name := range leftLending {
		ctrl.Log.Info("Cannot read Secrets in a namespace of --application-namespaces: grant the operator its Role there, or remove the namespace from the flag. Applications with credentials there cannot be used until then", "namespace", name)
	}
	run, stop := context.WithCancel(ctx)
	go func() {
		defer stop()
		_ = wait.PollUntilContextCancel(run, probePeriod, false, func(ctx context.Context) (bool, error) {
			found, foundLending := n.readable(ctx), n.lending(ctx)
			for _, name := range without(n.all, found) {
				n.letEnd(ctx, name)
			}
			back := len(without(left, found)) < len(left) || len(without(leftLending, foundLending)) < len(leftLending)
			if back {
				ctrl.Log.Info("A namespace can be read again: restarting the controllers", "namespaces", found, "applicationNamespaces", foundLending)
			}
			return back, nil
		})
	}()
	return run, watched, lending
}

// without are the names that others do not contain.
func without(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(others, name) })
}

// letEnd removes the operator's finalizer from the EgainClients of a namespace that is being deleted, if the operator may not read it:
// the Role that would let it do what the finalizer is for went first, and does not come back.
func (n *namespaces) letEnd(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	ending, err := n.reader.Resource(corev1.SchemeGroupVersion.WithResource("namespaces")).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil || len(ending.Items) == 0 || ending.Items[0].DeletionTimestamp.IsZero() {
		return
	}
	clients := n.reader.Resource(watchedKinds[0]).Namespace(name)
	all, err := clients.List(ctx, metav1.ListOptions{})
	if err != nil {
		ctrl.Log.Error(err, "Cannot remove the finalizers of a namespace that is being deleted: remove them from its EgainClients", "namespace", name)
		return
	}
	for i := range all.Items {
		if err := letGo(ctx, clients, &all.Items[i]); err != nil {
			ctrl.Log.Error(err, "Cannot remove the finalizer of an EgainClient: remove it by hand, or the namespace stays", "namespace", name, "name", all.Items[i].Name)
		}
	}
}

// letGo removes the operator's finalizer from an EgainClient that is being deleted.
func letGo(ctx context.Context, clients metadata.ResourceInterface, ec *metav1.PartialObjectMetadata) error {
	if ec.DeletionTimestamp.IsZero() || !controllerutil.RemoveFinalizer(ec, egainv1alpha1.CleanupFinalizer) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"finalizers": ec.Finalizers, "resourceVersion": ec.ResourceVersion}})
	if err != nil {
		return err
	}
	if _, err := clients.Patch(ctx, ec.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return client.IgnoreNotFound(err)
	}
	ctrl.Log.Info("Removed the finalizer of an EgainClient without cleaning up: its namespace is being deleted, and the operator's Role there is gone. With revokeOnDelete, its token was not revoked",
		"namespace", ec.Namespace, "name", ec.Name)
	return nil
}
