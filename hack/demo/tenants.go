package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/hack/internal/stage"
)

// tenantRow is what the table says of an EgainTenant.
type tenantRow struct {
	name, api, reason string
	ready             bool
	clients           int
	// unchanged is how long its documents have said what they say now; negative if none was read.
	unchanged time.Duration
}

// tenantRowOf describes an EgainTenant at a time.
func tenantRowOf(et *egainv1alpha1.EgainTenant, now time.Time) tenantRow {
	r := tenantRow{name: et.Name, unchanged: -1}
	if ready := meta.FindStatusCondition(et.Status.Conditions, egainv1alpha1.ConditionReady); ready != nil {
		r.ready, r.reason = ready.Status == "True", ready.Reason
	}
	if et.Status.Clients != nil {
		r.clients = int(*et.Status.Clients)
	}
	if read := et.Status.Metadata; read != nil && read.ReadTime != nil {
		r.unchanged = max(0, now.Sub(read.ReadTime.Time))
	}
	if len(et.Status.Endpoints) > 0 {
		r.api = et.Status.Endpoints[0].APIURL
	}
	return r
}

// tenantColumns fit 80 characters.
var tenantColumns = []column[tenantRow]{
	{title: "TENANT", width: 12, cell: func(r tenantRow) cell { return cell{text: r.name} }},
	{title: "READY", width: 21, cell: tenantReadyCell},
	{title: "CLIENTS", width: 7, right: true, cell: func(r tenantRow) cell { return cell{text: strconv.Itoa(r.clients)} }},
	{title: "UNCHANGED", width: 9, right: true, cell: metadataCell},
	{title: "API", width: 23, cell: func(r tenantRow) cell { return cell{text: dash(r.api)} }},
}

func tenantReadyCell(r tenantRow) cell {
	c := tick(r.ready)
	if r.reason != "" {
		c.text += " " + r.reason
	}
	return c
}

// metadataCell is for how long the documents have been the same, restarts of the operator or not.
func metadataCell(r tenantRow) cell {
	if r.unchanged < 0 {
		return cell{text: dash("")}
	}
	return cell{text: brief(r.unchanged)}
}

// tenantRows are of all EgainTenants that there are.
func (d *demo) tenantRows(ctx context.Context) ([]tenantRow, error) {
	var all egainv1alpha1.EgainTenantList
	if err := d.cluster.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("listing EgainTenants: %w", err)
	}
	now := time.Now()
	var rows []tenantRow
	for i := range all.Items {
		rows = append(rows, tenantRowOf(&all.Items[i], now))
	}
	return rows, nil
}

// sharedTenant is the EgainTenant that the checks use. All its clients have one token URL.
const sharedTenant = "self-service"

// checkTenantChange writes the token URL into an EgainTenant and waits until all its clients have it from there. It is the URL
// that its metadata have too, for which no other token is due.
func (d *demo) checkTenantChange(ctx context.Context) (check, error) {
	before, err := d.settled(ctx)
	if err != nil {
		return check{}, err
	}
	url, clients, err := d.tokenURLOf(ctx, egainv1alpha1.EndpointSourceMetadata)
	if err != nil {
		return check{}, err
	}
	began := time.Now()
	et := &egainv1alpha1.EgainTenant{}
	et.Name = sharedTenant
	patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec":{"endpoints":{"tokenURL":%q}}}`, url))
	if err := d.cluster.Patch(ctx, et, patch); err != nil {
		return check{}, fmt.Errorf("changing EgainTenant %s: %w", sharedTenant, err)
	}
	reached := 0
	err = stage.Await(ctx, repairLimit, "reaching the clients", func(ctx context.Context) (ok bool, err error) {
		_, reached, err = d.tokenURLOf(ctx, egainv1alpha1.EndpointSourceSpec)
		return reached == clients, err
	})
	took := since(began)
	after, errSettled := d.settled(ctx)
	if errSettled != nil {
		return check{}, errSettled
	}
	requests := after.requests - before.requests
	return check{err == nil && clients > 0 && requests == 0, fmt.Sprintf(
		"changed EgainTenant %s: %d of %d clients take their token URL from it within %s, %d token requests",
		sharedTenant, reached, clients, took, requests)}, nil
}

// tokenURLOf is the token URL of the clients of the EgainTenant that have it from a source, and how many there are.
func (d *demo) tokenURLOf(ctx context.Context, source egainv1alpha1.EndpointSource) (url string, clients int, err error) {
	var all egainv1alpha1.EgainClientList
	if err := d.cluster.List(ctx, &all); err != nil {
		return "", 0, fmt.Errorf("listing EgainClients: %w", err)
	}
	for i := range all.Items {
		ref, endpoints := all.Items[i].Spec.TenantRef, all.Items[i].Status.Endpoints
		if ref != nil && ref.Name == sharedTenant && endpoints != nil && endpoints.Source == source {
			url, clients = endpoints.TokenURL, clients+1
		}
	}
	return url, clients, nil
}

// checkTenantMove has a client whose tenant is inline refer to the EgainTenant for the same tenant.
func (d *demo) checkTenantMove(ctx context.Context) (check, error) {
	s := d.samples[0]
	before, err := d.settled(ctx)
	if err != nil {
		return check{}, err
	}
	ec := &egainv1alpha1.EgainClient{}
	ec.Namespace, ec.Name = s.Namespace, s.Name
	patch := []byte(`{"spec":{"tenant":null,"tenantRef":{"name":"` + sharedTenant + `"}}}`)
	if err := d.cluster.Patch(ctx, ec, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		return check{}, fmt.Errorf("moving EgainClient %s: %w", s, err)
	}
	moved := ec.Generation
	err = stage.Await(ctx, repairLimit, "moving", func(ctx context.Context) (bool, error) {
		err := d.cluster.Get(ctx, s.NamespacedName, ec)
		return ec.Status.ObservedGeneration >= moved && meta.IsStatusConditionTrue(ec.Status.Conditions, egainv1alpha1.ConditionReady), err
	})
	if err != nil {
		return check{false, fmt.Sprintf("moved %s from an inline tenant to EgainTenant %s: %v", s, sharedTenant, err)}, ctx.Err()
	}
	after, err := d.settled(ctx)
	requests := after.requests - before.requests
	return check{requests == 0, fmt.Sprintf("moved %s from an inline tenant to EgainTenant %s: %d token requests", s, sharedTenant, requests)}, err
}

// checkApplications looks for client secrets in the namespace whose EgainClients use applications of an EgainTenant.
func (d *demo) checkApplications(ctx context.Context) (check, error) {
	et := &egainv1alpha1.EgainTenant{}
	if err := d.cluster.Get(ctx, client.ObjectKey{Name: lendingTenant}, et); err != nil {
		return check{}, fmt.Errorf("reading EgainTenant %s: %w", lendingTenant, err)
	}
	var secrets corev1.SecretList
	if err := d.cluster.List(ctx, &secrets, client.InNamespace(lentNamespace)); err != nil {
		return check{}, fmt.Errorf("listing Secrets: %w", err)
	}
	found := 0
	for i := range secrets.Items {
		for _, value := range secrets.Items[i].Data {
			if d.isClientSecret(string(value)) {
				found++
			}
		}
	}
	ready := 0
	for _, app := range et.Status.Applications {
		if app.Ready == metav1.ConditionTrue {
			ready++
		}
	}
	all := len(et.Status.Applications)
	return check{found == 0 && all > 0 && ready == all, fmt.Sprintf(
		"looked for client secrets in namespace %s: %d in %d Secrets; %d of %d applications of EgainTenant %s issue tokens there",
		lentNamespace, found, len(secrets.Items), ready, all, lendingTenant)}, nil
}

// isClientSecret reports whether a value is a secret of a sample with a client application.
func (d *demo) isClientSecret(value string) bool {
	return slices.ContainsFunc(d.samples, func(s sample) bool { return s.clientID != "" && slices.Contains(s.secrets(), value) })
}
