package report

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/view"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/workload"
	"github.com/egain-operator/egain-operator/internal/target"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func at(fromNow time.Duration) *metav1.Time {
	t := metav1.NewTime(now.Add(fromNow))
	return &t
}

// healthy has a token that was issued 20 minutes ago, lives an hour and renews in 20 minutes.
func healthy(change ...func(*egainv1alpha1.EgainClient)) *egainv1alpha1.EgainClient {
	ec := &egainv1alpha1.EgainClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "knowledge-sync", Generation: 1, CreationTimestamp: *at(-24 * time.Hour)},
		Spec: egainv1alpha1.EgainClientSpec{
			Flow: egainv1alpha1.FlowClientCredentials, Scopes: []egainv1alpha1.Scope{"a", "b"},
			CredentialsSecretRef: &egainv1alpha1.CredentialsSecretReference{Name: "egain-app", ClientIDKey: "client_id", ClientSecretKey: "client_secret"},
			Target:               egainv1alpha1.Target{SecretName: "token", CreationPolicy: "Owner", DeletionPolicy: "Delete"},
		},
		Status: egainv1alpha1.EgainClientStatus{
			ObservedGeneration: 1,
			Conditions: []metav1.Condition{
				{Type: egainv1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: egainv1alpha1.ReasonTokenValid, Message: "fine", LastTransitionTime: *at(-time.Hour)},
				{Type: egainv1alpha1.ConditionTokenIssued, Status: metav1.ConditionTrue, Reason: egainv1alpha1.ReasonIssued, Message: "issued", LastTransitionTime: *at(-time.Hour)},
			},
			Token:     &egainv1alpha1.TokenStatus{IssueTime: at(-20 * time.Minute), ExpirationTime: at(40 * time.Minute), RenewalTime: at(20 * time.Minute), Scopes: []string{"b", "a"}},
			Endpoints: &egainv1alpha1.EndpointsStatus{TokenURL: "https://login.egain.test/token", APIURL: "https://api.egain.test", Source: egainv1alpha1.EndpointSourceSpec},
		},
	}
	for _, c := range change {
		c(ec)
	}
	return ec
}

// failing has a renewal that failed; without a next attempt if retry is nil.
func failing(retry *metav1.Time) func(*egainv1alpha1.EgainClient) {
	return func(ec *egainv1alpha1.EgainClient) {
		ec.Status.ConsecutiveFailures = 2
		ec.Status.LastFailure = &egainv1alpha1.FailureStatus{Time: at(-time.Minute), RetryTime: retry, Reason: "ClientRejected", Message: "no such client"}
		ec.Status.Conditions[1].Status, ec.Status.Conditions[1].Reason, ec.Status.Conditions[1].Message = metav1.ConditionFalse, "ClientRejected", "no such client"
	}
}

func suspended(ec *egainv1alpha1.EgainClient) { ec.Spec.Suspend = new(true) }

func unseen(age time.Duration) func(*egainv1alpha1.EgainClient) {
	return func(ec *egainv1alpha1.EgainClient) {
		ec.CreationTimestamp, ec.Status = *at(-age), egainv1alpha1.EgainClientStatus{}
	}
}

func expired(ec *egainv1alpha1.EgainClient) {
	ec.Status.Token = &egainv1alpha1.TokenStatus{IssueTime: at(-70 * time.Minute), ExpirationTime: at(-10 * time.Minute), RenewalTime: at(-30 * time.Minute)}
}

func TestRow(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		client  *egainv1alpha1.EgainClient
		options Options
		want    []view.Cell
	}{
		"all is well": {healthy(), Options{}, []view.Cell{
			{Text: "knowledge-sync"},
			{Text: "True", Shade: view.Good},
			{Text: "######----", Shade: view.Good},
			{Text: "40m", Shade: view.Good},
			{Text: "20m"},
			{Shade: view.Fair},
		}},
		"a failing renewal while there is time": {healthy(failing(at(5 * time.Minute))), Options{Namespaces: true}, []view.Cell{
			{Text: "team-a/knowledge-sync"},
			{Text: "True", Shade: view.Good},
			{Text: "######----", Shade: view.Good},
			{Text: "40m", Shade: view.Good},
			{Text: "5m"},
			{Text: "ClientRejected", Shade: view.Fair},
		}},
		"a failure that needs action": {healthy(failing(nil)), Options{}, []view.Cell{
			{Text: "knowledge-sync"},
			{Text: "True", Shade: view.Good},
			{Text: "######----", Shade: view.Good},
			{Text: "40m", Shade: view.Good},
			{Text: "-", Shade: view.Dim},
			{Text: "ClientRejected", Shade: view.Fair},
		}},
		"a next try after the expiry": {healthy(failing(at(time.Hour))), Options{}, []view.Cell{
			{Text: "knowledge-sync"},
			{Text: "True", Shade: view.Good},
			{Text: "######----", Shade: view.Good},
			{Text: "40m", Shade: view.Good},
			{Text: "60m (late)", Shade: view.Bad},
			{Text: "ClientRejected", Shade: view.Bad},
		}},
		"suspended": {healthy(suspended), Options{}, []view.Cell{
			{Text: "knowledge-sync"},
			{Text: "True", Shade: view.Good},
			{Text: "######----", Shade: view.Good},
			{Text: "40m", Shade: view.Good},
			{Text: "suspended", Shade: view.Fair},
			{Shade: view.Fair},
		}},
		"new": {healthy(unseen(time.Second)), Options{}, []view.Cell{
			{Text: "knowledge-sync"},
			{Text: "Unknown", Shade: view.Fair},
			{Text: "-", Shade: view.Dim},
			{Text: "-", Shade: view.Dim},
			{Text: "-", Shade: view.Dim},
			{Shade: view.Bad},
		}},
		"the clock is believed, not a stale status": {healthy(expired), Options{}, []view.Cell{
			{Text: "knowledge-sync"},
			{Text: "False", Shade: view.Bad},
			{Text: "----------", Shade: view.Bad},
			{Text: "expired", Shade: view.Bad},
			{Text: "now"},
			{Text: "RenewalOverdue", Shade: view.Bad},
		}},
		"wide": {healthy(failing(nil)), Options{Wide: true}, []view.Cell{
			{Text: "knowledge-sync"},
			{Text: "True", Shade: view.Good},
			{Text: "######----", Shade: view.Good},
			{Text: "40m", Shade: view.Good},
			{Text: "-", Shade: view.Dim},
			{Text: "ClientCredentials"},
			{Text: "token"},
			{Text: "login.egain.test"},
			{Text: "24h"},
			{Text: "ClientRejected: no such client", Shade: view.Fair},
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Row(test.client, test.options, now)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Row (-want +got):\n%s", diff)
			}
			if len(got) != len(Header(test.options)) {
				t.Errorf("a row of %d cells under a header of %d", len(got), len(Header(test.options)))
			}
		})
	}
}

func TestProblem(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		client  *egainv1alpha1.EgainClient
		reason  string
		message string
	}{
		"none":                                     {healthy(), "", ""},
		"a new one is given time":                  {healthy(unseen(time.Minute)), "", ""},
		"one that the operator never saw":          {healthy(unseen(time.Hour)), ReasonUnseen, "check that the operator runs"},
		"a renewal that did not come":              {healthy(expired), ReasonOverdue, "was due 30m ago"},
		"a suspended one is not overdue":           {healthy(expired, suspended), egainv1alpha1.ReasonTokenExpired, "10m ago"},
		"the last attempt":                         {healthy(failing(nil)), "ClientRejected", "no such client"},
		"a retry that did not come":                {healthy(failing(at(-time.Hour))), ReasonOverdue, "was due 60m ago"},
		"a spec that the token was not issued for": {healthy(outdated), egainv1alpha1.ReasonTokenOutdated, "of an earlier spec"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reason, message := Problem(test.client, now)
			if reason != test.reason || !strings.Contains(message, test.message) {
				t.Errorf("Problem = %q, %q, want %q, %q", reason, message, test.reason, test.message)
			}
		})
	}
}

func outdated(ec *egainv1alpha1.EgainClient) {
	ready := &ec.Status.Conditions[0]
	ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, egainv1alpha1.ReasonTokenOutdated, "of an earlier spec"
}

func TestStory(t *testing.T) {
	t.Parallel()
	f := &Facts{
		Client: healthy(failing(nil), suspended),
		Sources: []Source{
			{Secret{Name: "egain-app", Keys: []string{"client_id"}, Version: "7", Changed: now.Add(-time.Hour)}, "Secret", []string{"client_id", "client_secret"}},
			{Secret{Name: "session", Keys: []string{"refresh_token"}, Version: "9"}, "Session", []string{"refresh_token"}},
		},
		Target: Secret{Name: "token", Keys: []string{"access_token"}, Version: "8", Claim: target.ClaimOther, Holder: "rival"},
		Events: []Event{{Time: now.Add(-time.Minute), Type: "Warning", Reason: "ClientRejected", Message: "no such client"}},
		Uses:   []workload.Use{{Kind: "Deployment", Name: "web", Container: "app", How: workload.Volume, Where: "/token"}},
		Unread: map[string][]string{TitleWorkloads: {"Jobs: you have no permission to read this"}},
	}
	want := strings.TrimSpace(`
team-a/knowledge-sync
  Ready       True
  Age         24h
  Problem     ClientRejected: no such client
  Suspended   the token is not renewed until kubectl egain resume knowledge-sync

CREDENTIALS
  Secret              egain-app, version 7, changed 60m ago
  Key client_id       present
  Key client_secret   missing or empty
  Session             session, version 9
  Key refresh_token   present

TENANT
  Token URL    https://login.egain.test/token
  API URL      https://api.egain.test
  Known from   Spec

FLOW
  Flow     ClientCredentials
  Scopes   a b

TOKEN
  Issued    2026-11-24T11:40:00Z (20m ago)
  Expires   2026-11-24T12:40:00Z (in 40m)
  Left      ####################---------- 66% of 60m

TARGET
  Secret       token, version 8
  Keys         access_token
  Belongs to   EgainClient rival
  Policy       creationPolicy Owner, deletionPolicy Delete

LAST FAILURE
  Why        ClientRejected: no such client
  When       2026-11-24T11:59:00Z (60s ago), 2 in a row
  Next try   when the spec or an object that it names changes

CONDITIONS
  Ready         True    for 60m   TokenValid: fine
  TokenIssued   False   for 60m   ClientRejected: no such client

EVENTS
  60s ago   ClientRejected   no such client

WORKLOADS
  Deployment/web   container app   volume /token   sees every renewal
  Jobs: you have no permission to read this
`)
	got := strings.Join(view.Style{}.Sections(Story(f, view.Style{}, now)), "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Story (-want +got):\n%s", diff)
	}
}

func TestStoryOfLittle(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		facts Facts
		want  string
	}{
		"an application is used": {Facts{Client: healthy(func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.CredentialsSecretRef, ec.Spec.TenantRef = nil, &egainv1alpha1.TenantReference{Name: "acme", Application: "default"}
		})}, "Application   default of the EgainTenant"},
		"no credentials are needed":   {Facts{Client: healthy()}, "Secret   not needed"},
		"credentials are missing":     {Facts{Client: healthy(), Sources: []Source{{Secret{Name: "egain-app", Missing: true}, "Secret", []string{"client_id"}}}}, "egain-app does not exist"},
		"credentials may not be read": {Facts{Client: healthy(), Sources: []Source{{Secret{Name: "egain-app", Trouble: "you have no permission to read this"}, "Secret", []string{"client_id"}}}}, "egain-app (you have no permission to read this)"},
		"there is no token":           {Facts{Client: healthy(unseen(time.Second))}, "Token   none"},
		"endpoints are not known":     {Facts{Client: healthy(unseen(time.Second))}, "not known yet"},
		"not reconciled yet":          {Facts{Client: healthy(unseen(time.Second))}, "the operator has not reconciled it yet"},
		"other scopes were granted":   {Facts{Client: healthy(func(ec *egainv1alpha1.EgainClient) { ec.Status.Token.Scopes = []string{"a"} })}, "Granted   a"},
		"a shared tenant": {Facts{Client: healthy(func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.TenantRef = &egainv1alpha1.TenantReference{Name: "production"}
		})}, "EgainTenant   production"},
		"a CA bundle": {Facts{Client: healthy(func(ec *egainv1alpha1.EgainClient) {
			ec.Spec.Tenant.CABundleRef = &egainv1alpha1.CABundleReference{Kind: "Secret", Name: "ca", Key: "ca.crt"}
		})}, "Secret ca, key ca.crt"},
		"the target has no owner":     {Facts{Client: healthy(), Target: Secret{Name: "token"}}, "no EgainClient, so the operator does not overwrite it"},
		"the target goes away":        {Facts{Client: healthy(), Target: Secret{Name: "token", Claim: target.ClaimLeaving}}, "a deleted EgainClient of this name"},
		"the target is ours":          {Facts{Client: healthy(), Target: Secret{Name: "token", Claim: target.ClaimOurs}}, "this EgainClient"},
		"a variable sees no rotation": {Facts{Client: healthy(), Uses: []workload.Use{{Kind: "Pod", Name: "web", How: workload.Env}}}, "WARN: sees no renewal"},
		"the next try has its time":   {Facts{Client: healthy(failing(at(time.Minute)))}, "Next try   2026-11-24T12:01:00Z (in 60s)"},
		"no workload uses it":         {Facts{Client: healthy()}, "no workload uses the target"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(view.Style{}.Sections(Story(&test.facts, view.Style{}, now)), "\n")
			if !strings.Contains(strings.Join(strings.Fields(got), " "), strings.Join(strings.Fields(test.want), " ")) {
				t.Errorf("Story lacks %q:\n%s", test.want, got)
			}
		})
	}
}
