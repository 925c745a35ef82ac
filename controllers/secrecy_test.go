package controllers

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/journal"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/target"
)

// witness writes down everything that the operator says about a client to anybody but its target.
type witness struct {
	f       *fixture
	secrets map[string]string // by what they are

	mu   sync.Mutex
	said strings.Builder
}

func (w *witness) hear(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(&w.said, format+"\n", args...)
}

// reconcile reconciles, and writes down what can be seen of it meanwhile and afterwards.
func (w *witness) reconcile(ec *egainv1alpha1.EgainClient) ctrl.Result {
	f := w.f
	f.t.Helper()
	// The most that --log-level lets through. At level 8 client-go shows the bodies of requests.
	logger := funcr.New(func(prefix, args string) { w.hear("log: %s %s", prefix, args) }, funcr.Options{Verbosity: 1})
	result, err := f.r.Reconcile(log.IntoContext(f.t.Context(), logger), ctrl.Request{NamespacedName: journal.Name(ec)})
	w.hear("error: %v %+v %#v", err, err, err)
	for e := err; e != nil; e = errors.Unwrap(e) {
		encoded, _ := json.Marshal(e) //nolint:errchkjson // what cannot be encoded shows nothing
		w.hear("error: %s", encoded)
	}
	f.Expect(client.IgnoreNotFound(admin.Get(f.t.Context(), client.ObjectKeyFromObject(ec), ec))).To(gomega.Succeed())
	encoded, err := json.Marshal(ec)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	w.hear("object: %s", encoded)
	for _, e := range f.sent() {
		w.hear("event: %s", e)
	}
	if held := f.secret(ec.TargetName()); held != nil {
		w.hear("annotations: %v labels: %v", held.Annotations, held.Labels)
		w.keep("token", string(held.Data[target.KeyAccessToken]))
	}
	if held := f.entry(ec).Held; held != nil {
		w.keep("token", string(held.Token.AccessToken))
	}
	return result
}

// keep has one more secret looked for.
func (w *witness) keep(what, secret string) {
	if secret != "" {
		w.secrets[fmt.Sprintf("%s %d", what, len(w.secrets))] = secret
	}
}

// expectSilence fails the test if anything that was said holds a secret, as it is, in Base64, or in part.
func (w *witness) expectSilence() {
	w.f.t.Helper()
	said := w.said.String()
	for what, secret := range w.secrets {
		part := secret
		if len(secret) > 60 {
			part = secret[len(secret)-40:] // of a JWT the signature; the head is the same for all
		}
		for _, form := range []string{part, base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret))} {
			if before, _, shows := strings.Cut(said, form); shows {
				w.f.t.Errorf("the %s shows after: %.300s…", what, before[strings.LastIndex(before, "\n")+1:])
			}
		}
	}
}

func TestOnlyTheTargetHoldsASecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const canary = "canary-client-secret"
	f.Expect(f.sim.AddSecret(egainsim.RigelClientID, canary)).To(gomega.Succeed())
	f.create(&corev1.Secret{ObjectMeta: f.named("egain-app"), StringData: map[string]string{"client_id": egainsim.RigelClientID, "client_secret": canary}})
	f.foreignProvider().subjectToken("agent.smith")
	subject := f.value("okta-token", "token")
	w := &witness{f: f, secrets: map[string]string{"client secret": canary, "subject token": subject}}

	ec := f.client("sync", exchanging, f.revoking, templated("TOKEN", "{{ .AccessToken }}"))
	w.reconcile(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"), "what follows would say little else")

	for _, fault := range []egainsim.Fault{
		{Error: "invalid_client"},
		{Error: "invalid_scope"},
		{Status: 500, Text: canary + subject},
		{Status: 401, Text: canary},
		{Body: egainsim.HTMLBody},
		{Body: egainsim.TruncatedBody},
		{Body: egainsim.HugeBody},
		{Drop: true},
		{Location: "https://example.com/?secret=" + canary},
		{Status: 400, Header: map[string]string{"Retry-After": canary, "WWW-Authenticate": canary}, Text: canary},
		{Text: `{"error":"invalid_client","error_description":"` + canary + `","error_uri":"https://example.com/` + canary + `"}`, Status: 400, Header: map[string]string{"Content-Type": "application/json"}},
		{Text: `{"error":"` + canary + `"}`, Status: 400, Header: map[string]string{"Content-Type": "application/json"}},
		{Text: `{"access_token":"` + canary + `","token_type":"` + canary + `"}`, Header: map[string]string{"Content-Type": "application/json"}},
		{Text: `{"access_token":"` + canary + ` ","expires_in":"` + canary + `"}`, Header: map[string]string{"Content-Type": "application/json"}},
		answered(map[string]string{"token_type": `"MAC"`}), answered(map[string]string{"expires_in": `"` + canary + `"`}),
		answered(map[string]string{"access_token": `"` + canary + `\n"`}), answered(map[string]string{"expires_in": `1e30`}),
	} {
		f.sim.SetFault(egainsim.Match{}, fault)
		f.step(rotation.Floor)
		f.demand(ec, fmt.Sprint(len(w.said.String())))
		w.reconcile(ec)
		f.Expect(ec.Status.LastFailure).NotTo(gomega.BeNil(), "%+v", fault)
		f.sim.ClearFaults()
	}

	for _, template := range []egainv1alpha1.Template{
		"{{ .AccessToken.No }}", "{{ index .Scopes .AccessToken }}", `{{ atoi .AccessToken | div 1 }}`, "{{ .AccessToken | len | index .Scopes }}",
		`{{ printf "%s" .AccessToken | fail }}`, `{{ call .AccessToken }}`, `{{ slice .AccessToken 9 1 }}`,
	} {
		f.update(ec, func() { ec.Spec.Target.Template.Data["TOKEN"] = template })
		w.reconcile(ec)
		f.Expect(condition(ec, egainv1alpha1.ConditionTokenIssued).Reason).To(gomega.Equal(egainv1alpha1.ReasonTemplateInvalid), string(template))
	}
	f.update(ec, func() { ec.Spec.Target.Template = nil })

	for _, failure := range []func(quoted string) error{
		func(quoted string) error { return apierrors.NewBadRequest("denied: " + quoted) },
		func(quoted string) error {
			return apierrors.NewForbidden(corev1.Resource("secrets"), "sync", errors.New(quoted))
		},
		func(string) error { return context.DeadlineExceeded },
	} {
		f.intercept.Apply = func(_ context.Context, _ client.WithWatch, obj runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
			encoded, err := json.Marshal(obj.(*corev1ac.SecretApplyConfiguration).Data)
			return errors.Join(failure(string(encoded)), err)
		}
		f.step(rotation.Floor)
		f.demand(ec, fmt.Sprint(len(w.said.String())))
		w.reconcile(ec)
		w.reconcile(ec)
	}
	f.intercept.Apply = nil
	f.step(5 * time.Second) // the endpoint has failed so often that it is asked by single requests only
	w.reconcile(ec)

	for name, data := range map[string][]byte{"egain-app": []byte(canary + "\nmore"), "okta-token": []byte(subject + "\x00")} {
		key := map[string]string{"egain-app": "client_secret", "okta-token": "token"}[name]
		was := f.change(name, func(s *corev1.Secret) { w.keep("value", string(s.Data[key])) }).Data[key]
		f.change(name, func(s *corev1.Secret) { s.Data[key] = data })
		w.reconcile(ec)
		f.step(rotation.Floor)
		f.change(name, func(s *corev1.Secret) { s.Data[key] = was })
		w.reconcile(ec)
	}
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))

	f.step(rotation.Floor)
	f.change("sync", func(s *corev1.Secret) { s.Data["access_token"] = []byte("tampered") })
	w.reconcile(ec)
	f.step(ec.Status.Token.RenewalTime.Sub(f.clock.Now()))
	w.reconcile(ec)
	f.sim.SetFault(egainsim.Match{Endpoint: egainsim.RevocationEndpoint}, egainsim.Fault{Status: 400, Text: canary + f.token("sync")})
	f.delete(ec)
	w.reconcile(ec)

	f.Expect(len(w.secrets)).To(gomega.BeNumerically(">", 5), "there must be something to look for")
	f.Expect(w.said.String()).To(gomega.And(gomega.ContainSubstring("log: "), gomega.ContainSubstring("event: "), gomega.ContainSubstring("TokenNotRevoked")))
	w.expectSilence()
}
