// Package bareloop does what a rotation must and nothing else: it reads the credentials, asks for a token, applies the target
// and patches the status. No cache, no queue, no decision: it is the limit that the operator is held against. What it writes
// is what the operator writes, byte for byte except for the times and the token.
package bareloop

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/target"
)

// Loop rotates tokens.
type Loop struct {
	clientset kubernetes.Interface
	statuses  rest.Interface
	provider  *http.Client
	rotations atomic.Int64
}

// New makes a loop that acts by a configuration, and reaches providers by a client.
func New(config *rest.Config, provider *http.Client) (*Loop, error) {
	protobuf := rest.CopyConfig(config)
	protobuf.ContentType, protobuf.AcceptContentTypes = "application/vnd.kubernetes.protobuf", "application/vnd.kubernetes.protobuf,application/json"
	clientset, err := kubernetes.NewForConfig(protobuf)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	plain, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return &Loop{clientset: clientset, statuses: plain.RESTClient(), provider: provider}, nil
}

// Rotations is how many tokens were replaced so far.
func (l *Loop) Rotations() int { return int(l.rotations.Load()) }

// Run rotates the tokens of clients from a channel, so many at a time, until the channel or the context ends. It returns the
// first error.
func (l *Loop) Run(ctx context.Context, clients <-chan *egainv1alpha1.EgainClient, concurrency int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	for range concurrency {
		workers.Go(func() {
			for ctx.Err() == nil {
				select {
				case <-ctx.Done():
				case ec, more := <-clients:
					if !more {
						return
					}
					if err := l.Rotate(ctx, ec); err != nil && ctx.Err() == nil {
						cancel(err)
					}
				}
			}
		})
	}
	workers.Wait()
	if err := context.Cause(ctx); err != nil && err != context.Canceled && err != context.DeadlineExceeded { //nolint:errorlint // the very ones of the context
		return err
	}
	return nil
}

// Rotate replaces the token of a client. The first one also gets the rest of the status.
func (l *Loop) Rotate(ctx context.Context, ec *egainv1alpha1.EgainClient) error {
	name := string(ec.Spec.CredentialsSecretRef.Name)
	credentials, err := l.clientset.CoreV1().Secrets(ec.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading Secret %s/%s: %w", ec.Namespace, name, err)
	}
	tok, err := l.request(ctx, ec, string(credentials.Data["client_id"]), string(credentials.Data["client_secret"]))
	if err != nil {
		return err
	}
	tok.Sources = Sources(credentials)
	want, err := target.Render(ec, tok)
	if err != nil {
		return err
	}
	options := metav1.ApplyOptions{FieldManager: target.Manager, Force: true}
	if _, err := l.clientset.CoreV1().Secrets(ec.Namespace).Apply(ctx, want, options); err != nil {
		return fmt.Errorf("applying Secret %s/%s: %w", ec.Namespace, ec.TargetName(), err)
	}
	if err := l.report(ctx, ec, tok); err != nil {
		return err
	}
	l.rotations.Add(1)
	return nil
}

// Sources identifies the credentials that a token is issued with, as the operator does.
func Sources(credentials metav1.Object) string {
	return fmt.Sprintf("credentials=%s/%s", credentials.GetUID(), credentials.GetResourceVersion())
}

// response is a token response of RFC 6749 section 5.1.
type response struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
	Scope       string `json:"scope"`
}

func (l *Loop) request(ctx context.Context, ec *egainv1alpha1.EgainClient, id, secret string) (*target.Token, error) {
	wanted := Request(ec)
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "scope": {strings.Join(wanted.Scopes, " ")}}
	begun := time.Now().Truncate(time.Second) // as annotations and status hold it
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, wanted.Endpoints.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("making a token request: %w", err)
	}
	post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := l.provider.Do(post)
	if err != nil {
		return nil, fmt.Errorf("requesting a token: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("requesting a token: status %d, %w", answer.StatusCode, err)
	}
	var r response
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("reading a token response: %w", err)
	}
	return &target.Token{
		Token: rotation.Token{
			IssueTime: begun, ExpirationTime: begun.Add(time.Duration(r.ExpiresIn) * time.Second),
			Spec: request.SpecID(ec, request.Inline(ec)), Request: wanted.ID(),
		},
		AccessToken: oauth.Secret(r.AccessToken), TokenType: r.TokenType, Scopes: strings.Fields(r.Scope),
	}, nil
}

// Request is the token request of a client whose spec has the token URL.
func Request(ec *egainv1alpha1.EgainClient) request.Addressed {
	return request.For(ec).Address(oauth.Endpoints{TokenURL: string(ec.Spec.Tenant.Endpoints.TokenURL)})
}

// report patches the status: of the token its times, as the operator does in a rotation, and before that whatever else the
// operator writes with the first token.
func (l *Loop) report(ctx context.Context, ec *egainv1alpha1.EgainClient, tok *target.Token) error {
	status := map[string]any{"token": times(ec, tok)}
	if ec.Status.Token == nil {
		status = first(ec, tok)
	}
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return fmt.Errorf("encoding a status: %w", err)
	}
	path := fmt.Sprintf("/apis/%s/namespaces/%s/egainclients/%s/status", egainv1alpha1.SchemeGroupVersion, ec.Namespace, ec.Name)
	result := l.statuses.Patch(types.MergePatchType).AbsPath(path).Body(patch).Do(ctx)
	if err := result.Error(); err != nil {
		return fmt.Errorf("patching the status of %s/%s: %w", ec.Namespace, ec.Name, err)
	}
	return nil
}

func times(ec *egainv1alpha1.EgainClient, tok *target.Token) map[string]any {
	renewal := rotation.RenewAt(tok.IssueTime, tok.ExpirationTime, rotation.Policy{}, rotation.Spread(string(ec.UID)))
	return map[string]any{
		"issueTime": metav1.NewTime(tok.IssueTime), "expirationTime": metav1.NewTime(tok.ExpirationTime), "renewalTime": metav1.NewTime(renewal),
	}
}

func first(ec *egainv1alpha1.EgainClient, tok *target.Token) map[string]any {
	token := times(ec, tok)
	token["scopes"], token["tokenType"] = tok.Scopes, tok.TokenType
	condition := func(kind, reason, message string) metav1.Condition {
		return metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, Reason: reason, Message: message, ObservedGeneration: ec.Generation,
			LastTransitionTime: metav1.NewTime(tok.IssueTime),
		}
	}
	return map[string]any{
		"observedGeneration": ec.Generation,
		"token":              token,
		"endpoints":          map[string]any{"tokenURL": ec.Spec.Tenant.Endpoints.TokenURL, "source": "Spec"},
		"target":             map[string]any{"secretName": ec.TargetName()},
		"conditions": []metav1.Condition{
			condition(egainv1alpha1.ConditionReady, egainv1alpha1.ReasonTokenValid, fmt.Sprintf("Secret %q holds an unexpired token", ec.TargetName())),
			condition(egainv1alpha1.ConditionTokenIssued, egainv1alpha1.ReasonIssued, fmt.Sprintf("the token is in Secret %q", ec.TargetName())),
		},
	}
}
