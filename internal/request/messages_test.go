package request

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

// A user writes spec.tenant in an EgainClient, and the fields themselves in an EgainTenant.
func TestMessages_NameFieldsAsTheirAuthorWroteThem(t *testing.T) {
	t.Parallel()
	missing := fault.New(fault.Terminal, fault.ReasonEndpointInvalid, "set spec.tenant.id or spec.tenant.endpoints.tokenURL")
	missing.Queued = true
	for name, want := range map[string]string{
		"":     "set spec.tenant.id or spec.tenant.endpoints.tokenURL",
		"acme": "set EgainTenant.spec.id or EgainTenant.spec.endpoints.tokenURL",
	} {
		named := fault.Of(Tenant{Name: name}.NameFields(missing))
		if named.Message != want || named.Class != missing.Class || !named.Queued {
			t.Errorf("%q: got %+v, want %q", name, named, want)
		}
	}
	if err := (Tenant{Name: "acme"}).NameFields(nil); err != nil {
		t.Errorf("no error became %v", err)
	}
}

// The author of an EgainClient cannot correct the credentials of an application.
func TestMessages_RefusedCredentialsOfAnApplicationAreItsOwners(t *testing.T) {
	t.Parallel()
	refused := fault.New(fault.Rejected, fault.ReasonClientRejected, "login.example.com answered invalid_client: check the client id and secret")
	const owner = `; its credentials belong to application "default" of EgainTenant "production": ask its owner`
	tenant, own := Tenant{Name: "production"}, clientOf("team-a", "a.read")
	if err := tenant.AdviseOwner(refused, borrower(nil)); !strings.HasSuffix(err.Error(), owner) {
		t.Errorf("got %v", err)
	}
	if err := tenant.AdviseOwner(refused, own); err.Error() != refused.Message {
		t.Errorf("with credentials of its own: got %v", err)
	}
}

// The type of a Secret is not one of its keys: another Secret has to be named.
func TestMessages_ASecretThatIsNeverSentIsNamedByItsReference(t *testing.T) {
	t.Parallel()
	s := secretWith(map[string]string{"id": "app", "secret": "x", "token": "x"})
	s.Type = corev1.SecretTypeServiceAccountToken
	_, credentials := credentialsIn(s, specOf(false))
	_, subject := SubjectTokenFrom(s, &egainv1alpha1.SecretKeyReference{Name: "egain-app", Key: "token"})
	for want, err := range map[string]error{
		"name a Secret of type Opaque in spec.credentialsSecretRef.name":                    credentials,
		"name a Secret of type Opaque in spec.tokenExchange.subjectToken.secretKeyRef.name": subject,
	} {
		if !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// A chain whose far end is missing waits for its nearest client, which says what is missing.
func TestMessages_AChainWithoutAnEndWaitsForTheNearestClient(t *testing.T) {
	t.Parallel()
	const spec = `{"flow":"TokenExchange","credentialsSecretRef":{"name":"app","clientIDKey":"client_id","clientSecretKey":"client_secret"},` +
		`"tokenExchange":{"registrationID":"okta","subjectTokenType":"urn:x","subjectToken":{"egainClientRef":{"name":"NEXT"}}}}`
	w := holding(map[string]map[string]string{"app": app})
	first, second := clientFrom(t, strings.Replace(spec, "NEXT", "second", 1)), clientFrom(t, strings.Replace(spec, "NEXT", "missing", 1))
	first.Name, second.Name = "first", "second"
	w.clients = map[string]*egainv1alpha1.EgainClient{"first": first, "second": second}
	for _, tc := range []struct {
		ec   *egainv1alpha1.EgainClient
		want string
	}{
		{first, `waiting for EgainClient "second", which has no token yet: see its conditions`},
		{second, `waiting for EgainClient "missing", whose token is to be exchanged: create it`},
	} {
		_, err := w.reader().Sources(t.Context(), tc.ec, Tenant{})
		wantFault(t, err, fault.Waiting, egainv1alpha1.ReasonSubjectTokenNotFound, tc.want)
	}
}
