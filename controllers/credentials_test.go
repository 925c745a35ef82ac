package controllers

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

func TestWaitsForTheCredentials(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ec := f.client("sync")

	result := f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, CredentialsNotFound"))
	f.Expect(message(ec)).To(gomega.ContainSubstring(`Secret "egain-app"`))
	f.Expect(result.RequeueAfter).To(gomega.BeZero(), "the watch ends the wait")
	f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Normal CredentialsNotFound"}))
	f.Expect(f.requests()).To(gomega.BeZero())
	f.Expect(f.secret("sync")).To(gomega.BeNil())

	f.credentials()
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.active("sync")).To(gomega.BeTrue())
	f.Expect(ec.Status.LastFailure).To(gomega.BeNil())
}

func TestWritesNothingWhileItWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ec := f.client("sync")
	f.run(ec)
	unchanged := f.unchanged(ec)

	f.step(time.Hour)
	f.run(ec)
	f.restart()
	f.step(time.Hour)
	f.run(ec)

	unchanged()
	f.Expect(ec.Status.ConsecutiveFailures).To(gomega.Equal(int32(1)), "a wait is one failure, however often it is looked at")
}

func TestRefusesCredentialsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	good := egainsim.RigelClientSecret
	tests := map[string]struct {
		data map[string][]byte
		want string
	}{
		"the client id is missing":            {map[string][]byte{"client_secret": []byte(good)}, `Secret "egain-app" lacks the key "client_id"`},
		"the secret is missing":               {map[string][]byte{"client_id": []byte("rigel-app")}, `Secret "egain-app" lacks the key "client_secret"`},
		"the Secret is empty":                 {nil, `lacks the key "client_id"`},
		"the secret is empty":                 {map[string][]byte{"client_id": []byte("rigel-app"), "client_secret": {}}, `key "client_secret" of Secret "egain-app" is empty`},
		"the secret is a line break":          {map[string][]byte{"client_id": []byte("rigel-app"), "client_secret": []byte("\n")}, "is empty"},
		"the secret is binary":                {map[string][]byte{"client_id": []byte("rigel-app"), "client_secret": {0xff, 0xfe, 'a'}}, "not one line of text"},
		"the id has a line break in it":       {map[string][]byte{"client_id": []byte("rigel\napp"), "client_secret": []byte(good)}, `key "client_id" of Secret "egain-app" is not one line of text`},
		"the secret holds a control code":     {map[string][]byte{"client_id": []byte("rigel-app"), "client_secret": []byte("a\x00b")}, "not one line of text"},
		"the secret has a hidden space":       {map[string][]byte{"client_id": []byte("rigel-app"), "client_secret": []byte(good + "\u00a0")}, `key "client_secret" of Secret "egain-app" contains U+00A0 (no-break space)`},
		"the id has a hidden space":           {map[string][]byte{"client_id": []byte("\u200brigel-app"), "client_secret": []byte(good)}, `key "client_id" of Secret "egain-app" contains U+200B (zero-width space)`},
		"the secret is UTF-16":                {map[string][]byte{"client_id": []byte("rigel-app"), "client_secret": []byte("\xff\xfea\x00\r\x00\n\x00")}, "encoded in UTF-16 (little-endian)"},
		"the secret has two line breaks more": {map[string][]byte{"client_id": []byte("rigel-app"), "client_secret": []byte(good + "\n\n")}, "not one line of text"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.create(&corev1.Secret{ObjectMeta: f.named("egain-app"), Data: tc.data})
			ec := f.client("sync")

			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, CredentialsInvalid"))
			f.Expect(message(ec)).To(gomega.ContainSubstring(tc.want))
			f.Expect(message(ec)).NotTo(gomega.ContainSubstring(good))
			f.Expect(f.requests()).To(gomega.BeZero())
			f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Warning CredentialsInvalid"}))

			unchanged := f.unchanged(ec)
			f.step(time.Minute)
			f.run(ec)
			unchanged()

			f.change("egain-app", func(s *corev1.Secret) {
				s.Data = map[string][]byte{"client_id": []byte("rigel-app"), "client_secret": []byte(good)}
			})
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
		})
	}
}

func TestReadsCredentialsWithALineBreakAtTheEndUnderKeysOfTheUser(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(&corev1.Secret{ObjectMeta: f.named("egain-app"), StringData: map[string]string{
		"id": egainsim.RigelClientID + "\n", "pass-word": "\ufeff" + egainsim.RigelClientSecret + "\r\n",
	}})
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.CredentialsSecretRef.ClientIDKey, ec.Spec.CredentialsSecretRef.ClientSecretKey = "id", "pass-word"
	})

	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestStaysReadyWithoutCredentialsWhileTheTokenIsValid(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	credentials := f.credentials()
	ec := f.client("sync")
	f.run(ec)
	token := f.token("sync")

	f.delete(credentials)
	result := f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, CredentialsNotFound"))
	f.Expect(f.token("sync")).To(gomega.Equal(token))

	f.step(result.RequeueAfter)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: TokenExpired, CredentialsNotFound"))
	f.Expect(f.token("sync")).To(gomega.Equal(token), "even a dead token stays until there is another")
	f.Expect(f.requests()).To(gomega.Equal(1))
	f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Normal CredentialsNotFound", "Warning TokenExpired"}))

	f.credentials()
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.active("sync")).To(gomega.BeTrue())
}

func TestKeepsTheTokenWhenTheSameCredentialsAreCreatedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	credentials := f.credentials()
	ec := f.client("sync")
	f.run(ec)
	token := f.token("sync")

	f.delete(credentials)
	f.run(ec)
	f.credentials()
	f.run(ec)

	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.token("sync")).To(gomega.Equal(token))
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestIssuesAnewWhenTheCredentialsChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	token := f.token("sync")

	f.Expect(f.sim.AddSecret(egainsim.RigelClientID, "another-password")).To(gomega.Succeed())
	f.Expect(f.sim.RemoveSecret(egainsim.RigelClientID, egainsim.RigelClientSecret)).To(gomega.Succeed())
	f.change("egain-app", func(s *corev1.Secret) { s.Data["client_secret"] = []byte("another-password") })
	f.run(ec)

	f.Expect(f.token("sync")).NotTo(gomega.Equal(token))
	f.Expect(f.active("sync")).To(gomega.BeTrue())
	f.Expect(f.requests()).To(gomega.Equal(2))
}

func TestAsksForNothingWhenTheCredentialsAreMerelyLabelled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	token := f.token("sync")

	f.change("egain-app", func(s *corev1.Secret) { s.Labels = map[string]string{"team": "a"} })
	f.run(ec)
	f.Expect(f.token("sync")).To(gomega.Equal(token))

	secret, object := f.unchanged(f.secret("sync")), f.unchanged(ec)
	f.restart()
	f.run(ec)
	secret()
	object()
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestRenewsWhenDueThoughTheCredentialsWereMerelyLabelled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.step(f.run(ec).RequeueAfter)
	token := f.token("sync")

	f.change("egain-app", func(s *corev1.Secret) { s.Labels = map[string]string{"team": "a"} })
	f.run(ec)

	f.Expect(f.token("sync")).NotTo(gomega.Equal(token))
	f.Expect(f.requests()).To(gomega.Equal(2))
}

func TestIssuesOnceAfterCredentialsWereLabelledWhileTheOperatorWasDown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)

	// What the credentials were is not remembered across a restart: no digest of a secret may lie in the cluster.
	f.change("egain-app", func(s *corev1.Secret) { s.Labels = map[string]string{"team": "a"} })
	f.restart()
	f.run(ec)
	f.run(ec)

	f.Expect(f.requests()).To(gomega.Equal(2))
}

func TestWaitsForTheCABundle(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ConfigMap", "Secret"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
				ec.Spec.Tenant.CABundleRef = &egainv1alpha1.CABundleReference{Kind: kind, Name: "corp", Key: "roots.pem"}
			})
			put := func(data map[string]string) {
				if kind == "Secret" {
					f.create(&corev1.Secret{ObjectMeta: f.named("corp"), StringData: data})
					return
				}
				f.create(&corev1.ConfigMap{ObjectMeta: f.named("corp"), Data: data})
			}
			remove := func() {
				if kind == "Secret" {
					f.delete(&corev1.Secret{ObjectMeta: f.named("corp")})
					return
				}
				f.delete(&corev1.ConfigMap{ObjectMeta: f.named("corp")})
			}

			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, CABundleNotFound"))
			f.Expect(message(ec)).To(gomega.ContainSubstring(kind + ` "corp"`))

			put(map[string]string{"ca.crt": string(f.sim.CABundle())})
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, CABundleInvalid"))
			f.Expect(message(ec)).To(gomega.ContainSubstring(`"roots.pem"`))

			remove()
			put(map[string]string{"roots.pem": "not a certificate"})
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, CABundleInvalid"))
			f.Expect(f.requests()).To(gomega.BeZero())

			remove()
			put(map[string]string{"roots.pem": string(f.sim.CABundle())})
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
		})
	}
}

// kubectl create configmap --from-file puts a file that is not UTF-8 under binaryData.
func TestReadsACABundleFromBinaryData(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.create(&corev1.ConfigMap{ObjectMeta: f.named("corp"), BinaryData: map[string][]byte{"ca.crt": append([]byte("# Zertifikate f\xfcr alle\n"), f.sim.CABundle()...)}})
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant.CABundleRef = &egainv1alpha1.CABundleReference{Kind: "ConfigMap", Name: "corp", Key: "ca.crt"}
	})
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

// unparsable is a certificate that OpenSSL makes and Go does not parse: its serial number is negative.
func unparsable(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	gomega.NewWithT(t).Expect(err).NotTo(gomega.HaveOccurred())
	template := &x509.Certificate{SerialNumber: big.NewInt(5), Subject: pkix.Name{CommonName: "Corp Root"}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	gomega.NewWithT(t).Expect(err).NotTo(gomega.HaveOccurred())
	der = bytes.Replace(der, []byte{0x02, 0x01, 0x05}, []byte{0x02, 0x01, 0xfb}, 1)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestTrustsTheRestOfACABundle(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	bundle := &corev1.ConfigMap{ObjectMeta: f.named("corp"), Data: map[string]string{"ca.crt": unparsable(t) + string(f.sim.CABundle())}}
	f.create(bundle)
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.Tenant.CABundleRef = &egainv1alpha1.CABundleReference{Kind: "ConfigMap", Name: "corp", Key: "ca.crt"}
	})
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.sent()).To(gomega.ConsistOf(`Warning CertificatesSkipped part of the CA bundle is not used: block 1 ("CN=Corp Root") cannot be parsed: negative serial number; replace or remove it (the rest is trusted)`))

	f.step(time.Hour)
	f.run(ec)
	f.Expect(f.requests()).To(gomega.Equal(2))
	f.Expect(f.sent()).To(gomega.BeEmpty(), "one event for one version of a bundle")

	another := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: anotherCA(t)}))
	bundle.Data["ca.crt"] = unparsable(t) + another
	f.Expect(admin.Update(t.Context(), bundle)).To(gomega.Succeed())
	f.step(time.Hour)
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: TokenExpired, TLSFailed"))
	f.Expect(message(ec)).To(gomega.ContainSubstring(`not used of the CA bundle: block 1 ("CN=Corp Root") cannot be parsed: negative serial number`))
}

func anotherCA(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	gomega.NewWithT(t).Expect(err).NotTo(gomega.HaveOccurred())
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	gomega.NewWithT(t).Expect(err).NotTo(gomega.HaveOccurred())
	return der
}
