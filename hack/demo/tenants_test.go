package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

func TestTenantRows(t *testing.T) {
	clients, read := int32(4), metav1.NewTime(now.Add(-90*time.Second))
	et := &egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: "production"}}
	unknown := tenantRowOf(et, now)
	et.Status = egainv1alpha1.EgainTenantStatus{
		Conditions: []metav1.Condition{{Type: egainv1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "EndpointsKnown"}},
		Clients:    &clients,
		Metadata:   &egainv1alpha1.MetadataStatus{ReadTime: &read},
		Endpoints:  []egainv1alpha1.ActorEndpointsStatus{{Actor: "Client", APIURL: "https://api.example.com"}},
	}
	want := `TENANT        READY                  CLIENTS  UNCHANGED  API
production    ✗                            0          –  –
production    ✓ EndpointsKnown             4        90s  https://api.example.com`
	rows := []tenantRow{unknown, tenantRowOf(et, now)}
	if diff := cmp.Diff(want, strings.Join(table(tenantColumns, rows, palette(false)), "\n")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
