package controllers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func TestFindsTheCredentialsAmongTenThousandKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	data := map[string]string{"client_id": egainsim.RigelClientID, "client_secret": egainsim.RigelClientSecret}
	for i := range 10_000 {
		data[fmt.Sprintf("key-%05d", i)] = strings.Repeat("x", 64)
	}
	f.create(&corev1.Secret{ObjectMeta: f.named("egain-app"), StringData: data})
	ec := f.client("sync")
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

// filled makes of a client the largest that its schema allows, except for what the token request is made of, and adds
// annotations up to the bound of Kubernetes: with templates of four bytes a letter a spec of more than 1 MiB, and an object
// of 1.3 MiB, of the 1.5 MiB that etcd takes.
func filled(ec *egainv1alpha1.EgainClient, letter, before, after string) {
	ec.Annotations = map[string]string{"example.com/monster": strings.Repeat("x", 256<<10-100)}
	ec.Spec.Target.Template = &egainv1alpha1.TargetTemplate{Data: map[string]egainv1alpha1.Template{}}
	for i := range 32 {
		key := fmt.Sprintf("%s-%02d", strings.Repeat("k", 250), i)
		ec.Spec.Target.Template.Data[key] = egainv1alpha1.Template(before + strings.Repeat(letter, 8192-len(before+after)) + after)
	}
}

func TestWritesTheTargetOfAClientAsLargeAsTheyCome(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	for name, change := range map[string]quick{
		"much-to-write": func(ec *egainv1alpha1.EgainClient) { filled(ec, "ü", "", "") },
		"much-to-read":  func(ec *egainv1alpha1.EgainClient) { filled(ec, "𝄞", "{{/*", "*/}}") },
	} {
		ec := f.client(name, change)
		f.run(ec)
		f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"), message(ec))
		f.Expect(f.keys(name)).To(gomega.HaveLen(32 + 6))
	}
	large := f.client("too-much-to-write", func(ec *egainv1alpha1.EgainClient) { filled(ec, "𝄞", "", "") })
	spec, err := json.Marshal(large.Spec)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	f.Expect(len(spec)).To(gomega.BeNumerically(">", 1<<20))
	f.run(large)
	f.Expect(state(large)).To(gomega.Equal("Failed: NoToken, TargetRejected"), message(large))

	monster := f.client("monster")
	monster.Annotations = map[string]string{"example.com/monster": strings.Repeat("x", 4<<20)}
	f.Expect(admin.Update(t.Context(), monster)).NotTo(gomega.Succeed(), "what is larger does not get as far as the operator")
}

func TestReportsThatATargetIsTooLargeAndKeepsItsToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
		for i := range 6 {
			templated(fmt.Sprintf("key-%d", i), egainv1alpha1.Template(`{{ print `+strings.Repeat(`(printf "%999s" "") `, 200)+`}}`))(ec)
		}
	})
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, TargetRejected"), message(ec))
	f.Expect(f.holds(ec)).To(gomega.BeTrue())

	f.update(ec, func() { ec.Spec.Target.Template = nil })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.requests()).To(gomega.Equal(1), "the token that was too much for the first target is in the second")
}

func TestTheLongestNamesOfAll(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	name := strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("a", 61)
	label := "example.com/" + strings.Repeat("l", 63)
	for i, change := range []quick{func(*egainv1alpha1.EgainClient) {}, retaining, merging("app")} {
		f.foreign(fmt.Sprintf("app-%d", i), nil)
		ec := f.client(name[:252]+fmt.Sprint(i), change, func(ec *egainv1alpha1.EgainClient) {
			if ec.Spec.Target.SecretName != "" {
				ec.Spec.Target.SecretName = egainv1alpha1.SecretName(fmt.Sprintf("app-%d", i))
			}
			ec.Spec.Target.Template = &egainv1alpha1.TargetTemplate{Metadata: &egainv1alpha1.TargetMetadata{
				Labels: map[string]egainv1alpha1.LabelValue{label: egainv1alpha1.LabelValue(strings.Repeat("v", 63))},
			}}
		})
		f.run(ec)
		f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"), message(ec))
		f.Expect(f.secret(ec.TargetName()).Labels).To(gomega.HaveKey(label))
		f.delete(ec)
		f.Eventually(func() bool {
			_, err := f.tryReconcile(ec)
			return err == nil && f.gone(ec)
		}, collected).Should(gomega.BeTrue())
	}
}

func TestAServiceAccountTokenSecretIsNeitherTargetNorSource(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.create(&corev1.ServiceAccount{ObjectMeta: f.named("builder")})
	login := &corev1.Secret{ObjectMeta: f.named("builder-token"), Type: corev1.SecretTypeServiceAccountToken, Data: map[string][]byte{
		"client_id": []byte(egainsim.RigelClientID), "client_secret": []byte(egainsim.RigelClientSecret), "token": []byte("of-the-builder"),
	}}
	login.Annotations = map[string]string{corev1.ServiceAccountNameKey: "builder"}
	f.create(login)
	unchanged := f.unchanged(login)

	target := f.client("builder-token")
	f.run(target)
	f.Expect(state(target)).To(gomega.Equal("Failed: NoToken, TargetNotOwned"))

	credentials := f.client("credentials", func(ec *egainv1alpha1.EgainClient) { ec.Spec.CredentialsSecretRef.Name = "builder-token" })
	f.run(credentials)
	f.Expect(state(credentials)).To(gomega.Equal("Failed: NoToken, CredentialsInvalid"))

	subject := f.client("subject", exchanging, func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.TokenExchange.SubjectToken.SecretKeyRef = &egainv1alpha1.SecretKeyReference{Name: "builder-token", Key: "token"}
	})
	f.run(subject)
	f.Expect(state(subject)).To(gomega.Equal("Failed: NoToken, SubjectTokenInvalid"))
	f.Expect(message(subject)).To(gomega.ContainSubstring("logs in to the cluster"))
	f.Expect(f.sim.Requests()).To(gomega.BeEmpty())
	unchanged()
}

func TestASecretOfBytesThatAreNoTextIsAddedToAndLeftAsItWas(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	theirs := &corev1.Secret{ObjectMeta: f.named("app"), Data: map[string][]byte{"keystore.jks": {0xfe, 0xed, 0xfe, 0xed, 0x00, 0xff}}}
	f.create(theirs)
	ec := f.client("sync", merging("app"))
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"), message(ec))
	f.Expect(f.secret("app").Data).To(gomega.HaveKeyWithValue("keystore.jks", theirs.Data["keystore.jks"]))
	f.delete(ec)
	f.reconcile(ec)
	f.Expect(f.secret("app").Data).To(gomega.Equal(map[string][]byte{"keystore.jks": theirs.Data["keystore.jks"]}))
}

func TestAClientThatIsDeletedDuringItsTokenRequestLeavesNothing(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change quick
		// left says whether the target stays, as the policy has it.
		left bool
	}{
		"by default":        {change: func(*egainv1alpha1.EgainClient) {}},
		"to be revoked":     {change: func(ec *egainv1alpha1.EgainClient) { ec.Spec.RevokeOnDelete = new(true) }},
		"into another's":    {change: merging("app"), left: true},
		"to be retained":    {change: retaining, left: true},
		"retained, revoked": {change: func(ec *egainv1alpha1.EgainClient) { retaining(ec); ec.Spec.RevokeOnDelete = new(true) }, left: true},
	}
	for name, tc := range tests {
		for moment, at := range map[string]func(f *fixture, ec *egainv1alpha1.EgainClient, happens func()){
			"while eGain answers": (*fixture).whileAsked, "before the token is written": (*fixture).beforeWritten,
		} {
			t.Run(name+" "+moment, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				f.credentials()
				f.foreign("app", map[string]string{"password": "x"})
				ec := f.client("sync", tc.change, func(ec *egainv1alpha1.EgainClient) {
					ec.Spec.Tenant.Endpoints.RevocationURL = egainv1alpha1.HTTPSURL(f.sim.Rigel().RevocationURL(egainsim.Client))
				})
				at(f, ec, sync.OnceFunc(func() { f.delete(ec) }))
				_, err := f.tryReconcile(ec)
				f.Expect(client.IgnoreNotFound(err)).To(gomega.Succeed())
				f.Expect(ec.DeletionTimestamp.IsZero() && !f.gone(ec)).To(gomega.BeFalse(), "it was not deleted meanwhile")
				f.Eventually(func(g gomega.Gomega) {
					_, err := f.tryReconcile(ec)
					g.Expect(err).NotTo(gomega.HaveOccurred())
					g.Expect(f.gone(ec)).To(gomega.BeTrue())
					if !tc.left {
						g.Expect(f.secret("sync")).To(gomega.BeNil(), "collected by its owner reference")
					}
				}, collected).Should(gomega.Succeed())
				f.Expect(f.requests()).To(gomega.Equal(1))
				f.Expect(f.keys("app")).To(gomega.ConsistOf("password"))
				f.Expect(f.holds(ec)).To(gomega.BeFalse(), "nothing is remembered of it")
			})
		}
	}
}

// whileAsked has something happen when the token request is on its way, in a proxy before eGain.
func (f *fixture) whileAsked(ec *egainv1alpha1.EgainClient, happens func()) {
	f.t.Helper()
	there, err := url.Parse(string(ec.Spec.Tenant.Endpoints.TokenURL))
	f.Expect(err).NotTo(gomega.HaveOccurred())
	trust := x509.NewCertPool()
	f.Expect(trust.AppendCertsFromPEM(f.sim.CABundle())).To(gomega.BeTrue())
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { happens(); r.SetURL(&url.URL{Scheme: there.Scheme, Host: there.Host}) },
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}},
	}
	before := httptest.NewTLSServer(proxy)
	f.t.Cleanup(before.Close)
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: before.Certificate().Raw})
	f.create(&corev1.ConfigMap{ObjectMeta: f.named("both"), Data: map[string]string{"ca.crt": string(f.sim.CABundle()) + string(own)}})
	f.update(ec, func() {
		ec.Spec.Tenant.Endpoints.TokenURL = egainv1alpha1.HTTPSURL(before.URL + there.RequestURI())
		ec.Spec.Tenant.CABundleRef.Name = "both"
	})
}

// beforeWritten has something happen when the token has been issued and is about to be written.
func (f *fixture) beforeWritten(_ *egainv1alpha1.EgainClient, happens func()) {
	f.intercept.Apply = func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
		happens()
		return c.Apply(ctx, obj, opts...)
	}
}

func TestATenantOf256PatternsAndAMonstrousSelector(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	expressions := []metav1.LabelSelectorRequirement{{Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpIn, Values: []string{f.namespace}}}
	for i := range 2000 {
		values := []string{}
		for j := range 20 {
			values = append(values, fmt.Sprintf("value-%d-%d", i, j))
		}
		expressions = append(expressions, metav1.LabelSelectorRequirement{Key: fmt.Sprintf("example.com/key-%d", i), Operator: metav1.LabelSelectorOpNotIn, Values: values})
	}
	et := f.tenant(func(et *egainv1alpha1.EgainTenant) {
		et.Spec.AllowedNamespaces = &egainv1alpha1.AllowedNamespaces{Selector: &metav1.LabelSelector{MatchExpressions: expressions}}
		for i := range 255 {
			et.Spec.AllowedScopes = append(et.Spec.AllowedScopes, egainv1alpha1.ScopePattern(fmt.Sprintf("%s%03d*", strings.Repeat("k", 252), i)))
		}
		et.Spec.AllowedScopes = append(et.Spec.AllowedScopes, "knowledge.*")
	})
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant, ec.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: egainv1alpha1.SecretName(et.Name)}
	})
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"), message(ec))

	et.Spec.AllowedNamespaces.Selector.MatchExpressions[0].Operator = "Resembles"
	f.Expect(admin.Update(t.Context(), et)).To(gomega.Succeed())
	f.run(ec)
	f.Expect(condition(ec, egainv1alpha1.ConditionTokenIssued).Reason).To(gomega.Equal(egainv1alpha1.ReasonTenantInvalid))
	f.Expect(message(ec)).To(gomega.ContainSubstring("Resembles"))
	f.Expect(condition(ec, egainv1alpha1.ConditionReady).Status).To(gomega.Equal(metav1.ConditionTrue), "the token is as good as before")
}

// Everything that a client may name exists in another namespace, and nothing in its own.
func TestAClientReachesNothingOutsideOfItsNamespace(t *testing.T) {
	t.Parallel()
	f := withServiceAccounts(t)
	elsewhere := newNamespace(t)
	for _, o := range []client.Object{
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: elsewhere, Name: "there"}, StringData: map[string]string{
			"client_id": egainsim.RigelClientID, "client_secret": egainsim.RigelClientSecret, "token": "x", "refresh_token": "x", "ca.crt": string(f.sim.CABundle()),
		}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: elsewhere, Name: "there"}, Data: map[string]string{"ca.crt": string(f.sim.CABundle())}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: elsewhere, Name: "there"}},
	} {
		f.create(o)
	}
	f.onlyIn(f.namespace)
	bundle := func(kind string) func(*egainv1alpha1.EgainClient, egainv1alpha1.SecretName) {
		return func(ec *egainv1alpha1.EgainClient, name egainv1alpha1.SecretName) {
			ec.Spec.Tenant.CABundleRef = &egainv1alpha1.CABundleReference{Kind: kind, Name: name}
		}
	}
	exchange := func(token func(egainv1alpha1.SecretName) egainv1alpha1.SubjectToken) func(*egainv1alpha1.EgainClient, egainv1alpha1.SecretName) {
		return func(ec *egainv1alpha1.EgainClient, name egainv1alpha1.SecretName) {
			exchanging(ec)
			ec.Spec.TokenExchange.SubjectToken = token(name)
		}
	}
	tests := map[string]struct {
		name   func(*egainv1alpha1.EgainClient, egainv1alpha1.SecretName)
		reason string
	}{
		"credentials": {func(ec *egainv1alpha1.EgainClient, name egainv1alpha1.SecretName) {
			ec.Spec.CredentialsSecretRef.Name = name
		}, egainv1alpha1.ReasonCredentialsNotFound},
		"config-map": {bundle("ConfigMap"), egainv1alpha1.ReasonCABundleNotFound},
		"ca-secret":  {bundle("Secret"), egainv1alpha1.ReasonCABundleNotFound},
		"subject": {exchange(func(name egainv1alpha1.SecretName) egainv1alpha1.SubjectToken {
			return egainv1alpha1.SubjectToken{SecretKeyRef: &egainv1alpha1.SecretKeyReference{Name: name, Key: "token"}}
		}), egainv1alpha1.ReasonSubjectTokenNotFound},
		"account": {exchange(func(name egainv1alpha1.SecretName) egainv1alpha1.SubjectToken {
			return egainv1alpha1.SubjectToken{ServiceAccountToken: &egainv1alpha1.ServiceAccountToken{Name: name, Audience: "egain"}}
		}), egainv1alpha1.ReasonSubjectTokenNotFound},
		"client": {exchange(func(name egainv1alpha1.SecretName) egainv1alpha1.SubjectToken {
			return egainv1alpha1.SubjectToken{EgainClientRef: &egainv1alpha1.EgainClientReference{Name: name}}
		}), egainv1alpha1.ReasonSubjectTokenNotFound},
		"session": {func(ec *egainv1alpha1.EgainClient, name egainv1alpha1.SecretName) {
			byLogin(ec)
			ec.Spec.CredentialsSecretRef.Name = "egain-app"
			ec.Spec.AuthorizationCode.SessionSecretRef.Name = name
		}, egainv1alpha1.ReasonSessionNotFound},
		"merged": {func(ec *egainv1alpha1.EgainClient, name egainv1alpha1.SecretName) { merging(string(name))(ec) }, egainv1alpha1.ReasonTargetNotFound},
	}
	for what, tc := range tests {
		ec := f.client(what, func(ec *egainv1alpha1.EgainClient) { tc.name(ec, "there") })
		f.run(ec)
		f.Expect(condition(ec, egainv1alpha1.ConditionTokenIssued).Reason).To(gomega.Equal(tc.reason), what)
		for _, outside := range []string{elsewhere + "/there", "../" + elsewhere + "/there", elsewhere + "%2Fthere", elsewhere + ":there", "there?namespace=" + elsewhere, "there\n"} {
			f.update(ec, func() { ec.Annotations = nil })
			before := ec.DeepCopy()
			tc.name(ec, egainv1alpha1.SecretName(outside))
			err := admin.Patch(t.Context(), ec, client.MergeFrom(before))
			f.Expect(apierrors.IsInvalid(err)).To(gomega.BeTrue(), "%s %q: %v", what, outside, err)
			*ec = *before
		}
		f.delete(ec) // or the next would be told what this one names
	}
	f.Expect(f.sim.Requests()).To(gomega.BeEmpty())
}

// onlyIn fails the test if the operator reads or writes anything in another namespace.
func (f *fixture) onlyIn(namespace string) {
	check := func(what, in string) { f.Expect(in).To(gomega.Equal(namespace), what) }
	f.through(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			check(fmt.Sprintf("reading %T %s", obj, key), key.Namespace)
			return c.Get(ctx, key, obj, opts...)
		},
		SubResourceCreate: func(ctx context.Context, c client.Client, sub string, obj, request client.Object, opts ...client.SubResourceCreateOption) error {
			check(sub+" of "+obj.GetName(), obj.GetNamespace())
			return c.SubResource(sub).Create(ctx, obj, request, opts...)
		},
		Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			check("writing", *obj.(*corev1ac.SecretApplyConfiguration).Namespace)
			return c.Apply(ctx, obj, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			check("deleting "+obj.GetName(), obj.GetNamespace())
			return c.Delete(ctx, obj, opts...)
		},
	})
}
