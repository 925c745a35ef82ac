package interop_test

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/onsi/gomega"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
	corev1 "k8s.io/api/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/test/browser"
	"github.com/egain-operator/egain-operator/test/testbed"
)

// The clients of the example server: the service user is in its code, the others are registered. It gives tokens by client
// credentials to the service user only, and tells about a token to none but the application that it is for.
var (
	zitadelService = application{"sid1", "verysecret"}
	zitadelWeb     = application{"web", "of the web application"}
)

// zitadelUsers are a person who may have others act for her, and the service user, without whom the server would say that its
// tokens are not active.
const (
	zitadelPassword = "of-pat-alone"
	zitadelUsers    = `{
		"id1": {"ID": "id1", "Username": "pat", "Password": "` + zitadelPassword + `", "IsAdmin": true},
		"sid1": {"ID": "sid1", "Username": "service", "IsAdmin": true}
	}`
)

// startZitadel starts the example server of github.com/zitadel/oidc.
func startZitadel(t *testing.T, redirect string) *server {
	t.Helper()
	g := gomega.NewWithT(t)
	file := filepath.Join(t.TempDir(), "users.json")
	g.Expect(os.WriteFile(file, []byte(zitadelUsers), 0o600)).To(gomega.Succeed())
	users, err := storage.StoreFromFile(file)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	return startServer(t, func(url string) http.Handler {
		clients := storage.NewStorageWithClients(users, map[string]*storage.Client{
			zitadelService.id: storage.WebClient(zitadelService.id, zitadelService.secret),
			zitadelWeb.id:     storage.WebClient(zitadelWeb.id, zitadelWeb.secret, redirect),
		})
		// Its other form takes no credentials in the body when tokens are exchanged.
		const credentialsInTheBody = true
		return exampleop.SetupServer(url, jwtStorage{clients}, slog.New(slog.DiscardHandler), credentialsInTheBody)
	})
}

// jwtStorage has the service user get JWTs. This version of the server cannot exchange opaque tokens.
type jwtStorage struct{ *storage.Storage }

// ClientCredentials implements op.ClientCredentialsStorage.
func (s jwtStorage) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	client, err := s.Storage.ClientCredentials(ctx, id, secret)
	return jwtClient{client}, err
}

type jwtClient struct{ op.Client }

// AccessTokenType implements op.Client.
func (jwtClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

func TestZitadel(t *testing.T) {
	w := newWorld(t)
	redirect := redirectURL(t)
	w.at(startZitadel(t, redirect))
	exchange := func(from egainv1alpha1.SubjectToken) func(*egainv1alpha1.EgainClientSpec) {
		return func(spec *egainv1alpha1.EgainClientSpec) {
			spec.Flow = egainv1alpha1.FlowTokenExchange
			spec.TokenExchange = &egainv1alpha1.TokenExchange{RegistrationID: "not-read-there", SubjectToken: from}
			// The server tells about a token to none but who is its audience. Its default is a refresh token.
			spec.Parameters = map[string]egainv1alpha1.ParameterValue{
				"audience": egainv1alpha1.ParameterValue(zitadelWeb.id), "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
			}
		}
	}
	t.Run("client credentials, and an exchange of their tokens", func(t *testing.T) {
		w.Within(t)
		service := w.client("service", zitadelService, nil)
		service.renews()
		exchanged := w.client("exchanged", zitadelWeb, exchange(egainv1alpha1.SubjectToken{EgainClientRef: &egainv1alpha1.EgainClientReference{Name: "service"}}))
		exchanged.renews()
		before := exchanged.token()
		service.renew()
		exchanged.awaitAfter(before)
		// The server revokes no tokens of client credentials, since it does not note whose they are.
		kept := service.token()
		w.Expect(w.Plugin("revoke", "service", "--yes").Run()).NotTo(gomega.Succeed())
		w.Expect(string(w.Printed())).To(gomega.ContainSubstring("invalid_client"))
		w.Expect(w.server.active(w.T, zitadelService, kept)).To(gomega.BeTrue())
		w.PrintedNone(service.seen)
		w.PrintedNone(exchanged.seen)
	})
	t.Run("a session", func(t *testing.T) {
		w.Within(t)
		w.client("session", zitadelWeb, byLogin("session", redirect, "openid", "offline_access")).lives(zitadelPassword, browser.Page{
			Name: "logging in", Fields: map[string]string{"#username": "pat", "#password": zitadelPassword}, Button: "button[type=submit]",
		})
	})
	t.Run("refusals", func(t *testing.T) {
		w.Within(t)
		w.Create(&corev1.Secret{ObjectMeta: testbed.Named("foreign"), StringData: map[string]string{"token": "unknown"}})
		foreign := exchange(egainv1alpha1.SubjectToken{SecretKeyRef: &egainv1alpha1.SecretKeyReference{Name: "foreign", Key: "token"}})
		w.client("wrong-subject", zitadelWeb, foreign).awaitReason(egainv1alpha1.ReasonRequestRejected)
		// To a wrong secret of the service user the server answers HTTP 500.
		w.client("wrong-secret", application{zitadelWeb.id, "wrong"}, foreign).awaitReason(egainv1alpha1.ReasonClientRejected)
	})
}
