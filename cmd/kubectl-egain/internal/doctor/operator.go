package doctor

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/installation"
	"github.com/egain-operator/egain-operator/internal/transport"
)

const (
	// defaultLease is how long a Lease lasts that does not say, as client-go has it by default.
	defaultLease = 15 * time.Second

	install = "install the operator, or check its pods: kubectl get pods -A -l " + installation.Label + "=" + installation.Name
)

// operator looks whether the operator runs: by the Lease that it renews, and without one, by its Deployment.
func (e *examination) operator(context.Context) Finding {
	found := e.Installation
	all := slices.Concat(found.Operators, found.Elsewhere, found.Others)
	switch {
	case len(all) == 0 && found.Err != nil:
		return Finding{Status: Warning, Message: "cannot tell whether it runs: " + found.Err.Error(), unseen: true}
	case len(all) == 0 && found.Forbidden:
		return Finding{
			Status: Warning, Message: "cannot tell whether it runs: you may read neither its Lease nor its Deployment",
			Advice: "ask an administrator of the cluster whether it runs", unseen: true,
		}
	case len(all) == 0:
		return broken("no operator was found in this cluster", install)
	}
	if i := slices.IndexFunc(all, func(o installation.Operator) bool { return o.Lease != nil }); i >= 0 {
		return e.holds(all[i].Lease)
	}
	d := all[0].Deployment
	if d.Status.ReadyReplicas == 0 {
		return broken(fmt.Sprintf("Deployment %q in namespace %q has no ready pod", d.Name, d.Namespace), install)
	}
	return ok(fmt.Sprintf("Deployment %q in namespace %q is ready", d.Name, d.Namespace))
}

// holds judges the holder of a Lease.
func (e *examination) holds(lease *coordinationv1.Lease) Finding {
	if end := leaseEnd(lease); end.Before(e.Clock.Now().Add(-maxSkew)) {
		return broken(fmt.Sprintf("the operator in namespace %q has not renewed its Lease since %s", lease.Namespace, end.UTC().Format(time.RFC3339)), install)
	}
	return ok(fmt.Sprintf("runs in namespace %q", lease.Namespace))
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

// flags looks whether the flags that the operator runs with let it serve the EgainClient. If not, or if they are not known and
// may not, nothing is sent.
func (e *examination) flags(context.Context) Finding {
	inline, found := e.tenant.Name == "", e.Installation
	flags, why := found.Flags()
	switch {
	case len(found.Operators) == 0 && len(found.Elsewhere) > 0:
		var namespaces []string
		for _, o := range found.Elsewhere {
			namespaces = append(namespaces, o.Options.WatchNamespaces...)
		}
		return broken(fmt.Sprintf("the operator does not watch namespace %q (--watch-namespaces)", e.Namespace),
			"ask an administrator to add the namespace, or use one of "+strings.Join(namespaces, ", "))
	case flags == nil:
		return Finding{
			Status: Skipped, Message: "the operator's flags are unknown, so they may exclude this EgainClient (--watch-namespaces, --require-tenant-ref, --allowed-hosts): " + why,
			Advice: e.unknownAdvice(inline), unseen: inline,
		}
	case flags.RequiresTenantRef() && inline:
		return broken("the operator accepts tenants from EgainTenants only (--require-tenant-ref)",
			"name one in spec.tenantRef instead of spec.tenant; list them with kubectl get egaintenants")
	}
	if audience := mintedFor(e.client); audience != "" && !slices.Contains(flags.AllowedAudiences, audience) {
		return broken(fmt.Sprintf("the operator mints no ServiceAccount token for audience %q (--allowed-audiences)", audience),
			"correct spec.tokenExchange.subjectToken.serviceAccountToken.audience, or ask an administrator to allow the audience")
	}
	t := e.tenant.OAuth()
	if f := e.refused(t.URL, t.MetadataURL, t.For(e.actor()).TokenURL); f != nil {
		return *f
	}
	return ok("the operator's flags allow this EgainClient")
}

// labelled reports whether only labelled Secrets may be sent.
func (e *examination) labelled() bool {
	flags, _ := e.Installation.Flags()
	return !e.RulesSkipped && (flags == nil || flags.RequireApplication)
}

// mintedFor is the audience that a ServiceAccount token is minted for; "" if none is.
func mintedFor(ec *egainv1alpha1.EgainClient) string {
	if exchange := ec.Spec.TokenExchange; exchange != nil && exchange.SubjectToken.ServiceAccountToken != nil {
		return exchange.SubjectToken.ServiceAccountToken.Audience
	}
	return ""
}

// unknownAdvice is what to do about flags that are not known.
func (e *examination) unknownAdvice(inline bool) string {
	if inline && !e.RulesSkipped {
		return "no request is sent for a tenant in spec.tenant: run this as a user who may read the operator's Deployment and Lease, or with --insecure-skip-operator-rules"
	}
	return ""
}

// refused is a finding if one of the URLs is on a host that the operator may not send requests to; empty ones are left out.
func (e *examination) refused(urls ...string) *Finding {
	flags, _ := e.Installation.Flags()
	if flags == nil || len(flags.AllowedHosts) == 0 {
		return nil
	}
	hosts := unlisted(flags.AllowedHosts, urls)
	if len(hosts) == 0 {
		return nil
	}
	f := broken(fmt.Sprintf("the operator may not send requests to %s (--allowed-hosts)", strings.Join(hosts, ", ")),
		"correct the tenant's URLs, or ask an administrator to allow the host")
	return &f
}

// unlisted are the hosts of URLs that are not listed.
func unlisted(hosts transport.Hosts, urls []string) []string {
	var unlisted []string
	for _, raw := range urls {
		u, err := url.Parse(raw)
		if err == nil && u.Host != "" && !hosts.Lists(u) && !slices.Contains(unlisted, u.Host) {
			unlisted = append(unlisted, u.Host)
		}
	}
	return unlisted
}
