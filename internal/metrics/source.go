package metrics

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/status"
)

// ClientOf is what is exposed about an EgainClient: what its status says.
func ClientOf(ec *egainv1alpha1.EgainClient) Client {
	c := Client{
		Namespace: ec.Namespace,
		Name:      ec.Name,
		Ready:     meta.IsStatusConditionTrue(ec.Status.Conditions, egainv1alpha1.ConditionReady),
		Suspended: ec.Suspended(),
	}
	if issued := meta.FindStatusCondition(ec.Status.Conditions, egainv1alpha1.ConditionTokenIssued); issued != nil {
		c.Issued, c.Reason = issued.Status == metav1.ConditionTrue, issued.Reason
		if c.FailingSince = falseSince(issued); !c.FailingSince.IsZero() {
			c.Remedy = status.Remedy(issued.Reason)
		}
	}
	if used := ec.Status.Endpoints; used != nil {
		c.URLs = append(c.URLs, used.TokenURL)
	}
	if asked := ec.Spec.Tenant.Endpoints; asked != nil {
		c.URLs = append(c.URLs, string(asked.TokenURL), string(asked.RevocationURL))
	}
	c.URLs = named(append(c.URLs, string(ec.Spec.Tenant.MetadataURL)))
	if tok := ec.Status.Token; tok != nil && tok.ExpirationTime != nil && tok.RenewalTime != nil {
		c.Expiration, c.Renewal = tok.ExpirationTime.Time, tok.RenewalTime.Time
	}
	return c
}

// TenantOf is what is exposed about an EgainTenant: what its status says.
func TenantOf(et *egainv1alpha1.EgainTenant) Tenant {
	t := Tenant{Name: et.Name, URLs: urlsOf(et)}
	if ready := meta.FindStatusCondition(et.Status.Conditions, egainv1alpha1.ConditionReady); ready != nil {
		t.Ready = ready.Status == metav1.ConditionTrue
		if t.FailingSince = falseSince(ready); !t.FailingSince.IsZero() {
			t.Reason = ready.Reason
		}
	}
	for i := range et.Status.Applications {
		if t.Applications == nil {
			t.Applications = map[string]bool{}
		}
		app := &et.Status.Applications[i]
		t.Applications[string(app.Name)] = app.Ready != metav1.ConditionFalse
	}
	return t
}

// urlsOf are the URLs of an EgainTenant.
func urlsOf(et *egainv1alpha1.EgainTenant) []string {
	urls := []string{string(et.Spec.URL), string(et.Spec.MetadataURL)}
	if asked := et.Spec.Endpoints; asked != nil {
		urls = append(urls, string(asked.TokenURL), string(asked.RevocationURL))
	}
	for i := range et.Spec.ActorEndpoints {
		urls = append(urls, string(et.Spec.ActorEndpoints[i].TokenURL))
	}
	for i := range et.Status.Endpoints {
		urls = append(urls, et.Status.Endpoints[i].TokenURL)
	}
	return named(urls)
}

// named are the URLs that are not empty; nil if none is.
func named(urls []string) []string {
	if urls = slices.DeleteFunc(urls, func(url string) bool { return url == "" }); len(urls) == 0 {
		return nil
	}
	return urls
}

// falseSince is when a condition became False, zero if it is not. The reason may have changed since.
func falseSince(c *metav1.Condition) time.Time {
	if c.Status != metav1.ConditionFalse {
		return time.Time{}
	}
	return c.LastTransitionTime.Time
}
