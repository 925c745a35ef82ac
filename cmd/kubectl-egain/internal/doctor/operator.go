package doctor

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/egain-operator/egain-operator/internal/options"
	"github.com/egain-operator/egain-operator/internal/transport"
)

const (
	// leaseName is the operator's leader election.
	leaseName = "egain-operator.auth.egain.com"
	// installed marks what the operator is installed with.
	installed = "app.kubernetes.io/part-of"
	partOf    = "egain-operator"
	// container is that of the operator in its pod.
	container = "manager"
	// defaultLease is how long a Lease lasts that does not say, as client-go has it by default.
	defaultLease = 15 * time.Second

	install = "install the operator, or see why its pod does not run: kubectl get pods -A -l " + installed + "=" + partOf
)

// operator is what is known of the operator.
type operator struct {
	finding Finding
	// account is the user that it is to the API server; empty if that was not found out.
	account string
	// options are the flags that it runs with; nil if they were not found out.
	options *options.Options
}

// whatRuns looks for the operator once, for all checks that depend on it.
func (e *examination) whatRuns(ctx context.Context) *operator {
	if e.found == nil {
		e.found = e.find(ctx)
	}
	return e.found
}

func (e *examination) operator(ctx context.Context) Finding { return e.whatRuns(ctx).finding }

// find looks for the Lease that a running operator renews, and without one, for its Deployment.
func (e *examination) find(ctx context.Context) *operator {
	leases := &coordinationv1.LeaseList{}
	if err := e.Cluster.List(ctx, leases, client.MatchingFields{metav1.ObjectNameField: leaseName}); err != nil {
		return e.deployment(ctx)
	}
	for i := range leases.Items {
		lease := &leases.Items[i]
		if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "" {
			continue
		}
		o := e.holder(ctx, lease)
		o.finding = ok(fmt.Sprintf("runs in namespace %q", lease.Namespace))
		if end := leaseEnd(lease); end.Before(e.Clock.Now().Add(-maxSkew)) {
			o.finding = broken(fmt.Sprintf("the operator in namespace %q has shown no sign of life since %s", lease.Namespace, end.UTC().Format(time.RFC3339)), install)
		}
		return o
	}
	return e.deployment(ctx)
}

func leaseEnd(lease *coordinationv1.Lease) time.Time {
	lasts := defaultLease
	if seconds := lease.Spec.LeaseDurationSeconds; seconds != nil {
		lasts = time.Duration(*seconds) * time.Second
	}
	if lease.Spec.RenewTime == nil {
		return time.Time{}
	}
	return lease.Spec.RenewTime.Add(lasts)
}

// holder is who holds a Lease, named after its pod. One that is none of the cluster's, or that may not be read, is not
// guessed.
func (e *examination) holder(ctx context.Context, lease *coordinationv1.Lease) *operator {
	name, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
	pod := &corev1.Pod{}
	if e.Cluster.Get(ctx, client.ObjectKey{Namespace: lease.Namespace, Name: name}, pod) != nil {
		return &operator{}
	}
	return operatorOf(lease.Namespace, &pod.Spec)
}

func (e *examination) deployment(ctx context.Context) *operator {
	deployments := &appsv1.DeploymentList{}
	err := e.Cluster.List(ctx, deployments, client.MatchingLabels{installed: partOf})
	switch {
	case apierrors.IsForbidden(err):
		return &operator{finding: Finding{
			Status: Warning, Message: "you may read neither its Lease nor its Deployment, so whether it runs is not known",
			Advice: "ask an administrator of the cluster whether it runs", unseen: true,
		}}
	case err != nil:
		return &operator{finding: Finding{Status: Warning, Message: "whether it runs is not known: " + err.Error(), unseen: true}}
	case len(deployments.Items) == 0:
		return &operator{finding: broken("no operator was found in this cluster", install)}
	}
	d := &deployments.Items[0]
	o := operatorOf(d.Namespace, &d.Spec.Template.Spec)
	o.finding = ok(fmt.Sprintf("Deployment %q in namespace %q is ready", d.Name, d.Namespace))
	if d.Status.ReadyReplicas == 0 {
		o.finding = broken(fmt.Sprintf("Deployment %q in namespace %q has no pod that is ready", d.Name, d.Namespace), install)
	}
	return o
}

func operatorOf(namespace string, pod *corev1.PodSpec) *operator {
	return &operator{account: "system:serviceaccount:" + namespace + ":" + pod.ServiceAccountName, options: optionsOf(pod)}
}

// optionsOf reads the flags of the operator as it does itself; nil if they are those of another version.
func optionsOf(pod *corev1.PodSpec) *options.Options {
	i := slices.IndexFunc(pod.Containers, func(c corev1.Container) bool { return c.Name == container })
	if i < 0 {
		return nil
	}
	o, flags := &options.Options{}, flag.NewFlagSet("", flag.ContinueOnError)
	o.BindFlags(flags)
	flags.String("kubeconfig", "", "") // by controller-runtime
	flags.SetOutput(io.Discard)
	if flags.Parse(pod.Containers[i].Args) != nil {
		return nil
	}
	return o
}

// flags looks whether the flags that the operator runs with let it serve the EgainClient.
func (e *examination) flags(ctx context.Context) Finding {
	o := e.whatRuns(ctx).options
	switch {
	case o == nil:
		return Finding{Status: Skipped, Message: "the operator's flags are not known, nor whether they exclude this EgainClient (--watch-namespaces, --require-tenant-ref, --allowed-hosts)"}
	case len(o.WatchNamespaces) > 0 && !slices.Contains(o.WatchNamespaces, e.Namespace):
		return broken(fmt.Sprintf("the operator does not work in namespace %q (--watch-namespaces)", e.Namespace),
			"have it work there too, or use one of the namespaces "+strings.Join(o.WatchNamespaces, ", "))
	case o.RequireTenantRef && e.client.Spec.TenantRef == nil:
		return broken("the operator takes tenants from EgainTenants only (--require-tenant-ref)",
			"name one in spec.tenantRef instead of spec.tenant: kubectl get egaintenants lists those that there are")
	}
	if hosts := e.unlisted(o.AllowedHosts); len(hosts) > 0 {
		return broken(fmt.Sprintf("the operator may not send requests to %s (--allowed-hosts)", strings.Join(hosts, ", ")),
			"correct the tenant's URLs, or have the host listed there")
	}
	return ok("the operator's flags let it serve this EgainClient")
}

// unlisted are the hosts that the operator has to ask and that are not listed: of the documents, as far as the chain goes from
// here, and of the token URL.
func (e *examination) unlisted(hosts transport.Hosts) []string {
	if len(hosts) == 0 {
		return nil
	}
	var asked, unlisted []string
	if tenant := e.tenant.OAuth(); tenant.NeedsDocuments(e.actor()) {
		asked = append(asked, tenant.URL, tenant.MetadataURL)
		if e.chain != nil {
			for _, s := range e.chain.asked {
				asked = append(asked, s.at.URL)
			}
		}
	}
	for _, raw := range append(asked, e.endpoints.TokenURL) {
		u, err := url.Parse(raw)
		if err == nil && u.Host != "" && !hosts.Lists(u) && !slices.Contains(unlisted, u.Host) {
			unlisted = append(unlisted, u.Host)
		}
	}
	return unlisted
}
