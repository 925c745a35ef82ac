package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/kubesecret"
	"github.com/egain-operator/egain-operator/internal/metrics"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

// outcome is what came of a reconcile.
type outcome struct {
	world    world
	decision rotation.Decision
	// attempted says that the provider or the API server was asked for something, so that a failure counts.
	attempted bool
	// written is the token that was written to the target; nil if none was.
	written *kubesecret.Token
	// endpoints that were used; nil if none were needed.
	endpoints *oauth.Endpoints
	err       error
}

// act carries out a decision: the token request, if one is needed, then the target, then the target of an earlier name.
func (r *EgainClientReconciler) act(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome) {
	switch o.decision.Action {
	case rotation.Keep, rotation.Wait:
		if o.decision.Cause != "" {
			return
		}
	case rotation.Render:
		tok := o.world.remembered.held
		if o.decision.Cause == rotation.CauseHeld {
			o.endpoints = o.world.remembered.endpoints
		} else {
			tok = o.world.target.reading.Token
		}
		o.err = r.apply(ctx, ec, o, tok)
	case rotation.Issue:
		o.err = r.rotate(ctx, ec, o)
	}
	if o.err == nil && !ec.Suspended() {
		o.err = r.retire(ctx, ec)
	}
}

// rotate issues a token and writes it. From the answer until the write has succeeded the token is held, so that a
// conflict or an outage of the API server never costs a second one.
func (r *EgainClientReconciler) rotate(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome) error {
	in, err := r.read(ctx, ec)
	if err != nil {
		return err
	}
	if tok := r.relabelled(ctx, ec, o, in); tok != nil {
		return r.apply(ctx, ec, o, tok)
	}
	o.attempted = true
	tok, err := r.issue(ctx, ec, o, in)
	if err != nil {
		r.countRotation(o, err)
		return err
	}
	o.world.remembered.held, o.world.remembered.endpoints, o.world.remembered.digest = tok, o.endpoints, in.digest()
	r.memory.remember(ec, o.world.remembered)
	err = r.apply(ctx, ec, o, tok)
	r.countRotation(o, err)
	return err
}

func (r *EgainClientReconciler) countRotation(o *outcome, err error) {
	if f := fault.Of(err); f != nil && f.Class == fault.Busy {
		return
	}
	if err != nil {
		r.Metrics.Rotation(o.decision.Cause, metrics.Failure)
		return
	}
	r.Metrics.Rotation(o.decision.Cause, metrics.Success)
	if old := o.world.input.Token; old != nil {
		left := old.ExpirationTime.Sub(o.world.input.Now)
		r.Metrics.Remaining(max(0, left.Seconds()/old.ExpirationTime.Sub(old.IssueTime).Seconds()))
	}
}

// relabelled returns the token that is already there if its sources got a new version but say the same, as when somebody
// labels a Secret. Only the note of their version is then written.
func (r *EgainClientReconciler) relabelled(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome, in *ingredients) *kubesecret.Token {
	if o.decision.Cause != rotation.CauseSourcesChanged || o.world.remembered.digest != in.digest() {
		return nil
	}
	there := o.world.input.Token
	current := rotation.RenewAt(there.IssueTime, there.ExpirationTime, o.world.input.Policy, o.world.input.Spread)
	requested := o.world.input.Renewal != "" && o.world.input.Renewal != there.Renewal
	if requested || !o.world.input.Now.Before(current) {
		return nil
	}
	secret := &corev1.Secret{}
	if r.Client.Get(ctx, client.ObjectKey{Namespace: ec.Namespace, Name: ec.TargetName()}, secret) != nil {
		return nil
	}
	reading, err := kubesecret.Read(secret)
	if err != nil || reading.Token == nil {
		return nil
	}
	reading.Token.Sources = in.sources.String()
	return reading.Token
}

// issue runs the flow.
func (r *EgainClientReconciler) issue(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome, in *ingredients) (*kubesecret.Token, error) {
	endpoints, err := r.endpoints(ctx, ec, in)
	if err != nil {
		return nil, err
	}
	o.endpoints = &endpoints
	request := in.request
	request.TokenURL = endpoints.TokenURL
	request.Scopes = endpoints.WithPrefix(request.Scopes)
	start := r.Clock.Now()
	tok, err := r.OAuth.Token(ctx, in.http, request)
	r.countRequest(ec, endpoints.TokenURL, r.Clock.Since(start).Seconds(), err)
	if err != nil {
		return nil, err
	}
	return &kubesecret.Token{
		Token: rotation.Token{
			IssueTime:      tok.IssueTime,
			ExpirationTime: tok.ExpirationTime,
			Spec:           o.world.input.Spec,
			Sources:        in.sources.String(),
			Renewal:        o.world.input.Renewal,
		},
		AccessToken: tok.AccessToken,
		TokenType:   tok.TokenType,
		Scopes:      tok.Scopes,
		APIURL:      endpoints.APIURL,
	}, nil
}

func (r *EgainClientReconciler) countRequest(ec *egainv1alpha1.EgainClient, tokenURL string, seconds float64, err error) {
	outcome := metrics.Success
	if f := fault.Of(err); f != nil {
		if f.Class == fault.Busy {
			return
		}
		outcome = f.Reason
	}
	if u, parseErr := url.Parse(tokenURL); parseErr == nil {
		r.Metrics.Request(u.Host, string(ec.Spec.Flow), outcome, seconds)
	}
}

func (r *EgainClientReconciler) endpoints(ctx context.Context, ec *egainv1alpha1.EgainClient, in *ingredients) (oauth.Endpoints, error) {
	tenant := tenantOf(ec)
	var document *oauth.Metadata
	if tenant.NeedsMetadata() || (ec.RevokesOnDelete() && tenant.RevocationURL == "" && tenant.MetadataURL != "") {
		var err error
		if document, err = r.Directory.Metadata(ctx, in.http, tenant.MetadataURL); err != nil {
			return oauth.Endpoints{}, err
		}
	}
	return oauth.Resolve(tenant, document, in.request.Flow, in.request.Subject)
}

// apply writes the target.
func (r *EgainClientReconciler) apply(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome, tok *kubesecret.Token) error {
	want, err := kubesecret.Render(ec, tok)
	if err != nil {
		return err
	}
	o.attempted = true
	if err := r.makeWay(ctx, ec, o); err != nil {
		return err
	}
	if err := r.write(ctx, want, o.world.target.meta != nil); err != nil {
		return refused(err, ec.TargetName(), tok)
	}
	o.written = tok
	o.world.remembered.held, o.world.remembered.endpoints = nil, nil
	o.world.remembered.verified = version{generation: ec.Generation, targetUID: *want.UID, resourceVersion: *want.ResourceVersion}
	r.memory.remember(ec, o.world.remembered)
	return nil
}

// write applies a target; afterwards want is the Secret as the API server has it. What somebody else put into a Secret
// that is ours is overwritten; a Secret that we believe not to exist is not.
func (r *EgainClientReconciler) write(ctx context.Context, want *corev1ac.SecretApplyConfiguration, exists bool) error {
	options := []client.ApplyOption{client.FieldOwner(kubesecret.Manager)}
	if exists {
		options = append(options, client.ForceOwnership)
	}
	return r.Client.Apply(ctx, want, options...)
}

// makeWay deletes a target that cannot take what the spec asks for: its type and, once set, its immutability are final.
func (r *EgainClientReconciler) makeWay(ctx context.Context, ec *egainv1alpha1.EgainClient, o *outcome) error {
	if !o.world.target.replace {
		return nil
	}
	meta := o.world.target.meta
	old := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ec.Namespace, Name: meta.Name}}
	err := r.Client.Delete(ctx, old, client.Preconditions{UID: &meta.UID, ResourceVersion: &meta.ResourceVersion})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("replacing Secret %q: %w", meta.Name, err)
	}
	o.world.target.meta, o.world.target.replace = nil, false
	return nil
}

// maxRefusal bounds what is quoted of an API server's refusal.
const maxRefusal = 512

// refused tells what a person must mend from what passes by itself. The API server's words are for the user, unless an
// admission webhook put the token into them.
func refused(err error, secret string, tok *kubesecret.Token) error {
	invalid := apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)
	if !invalid && !apierrors.IsForbidden(err) {
		return fmt.Errorf("applying Secret %q: %w", secret, err)
	}
	var status apierrors.APIStatus
	words := ""
	if errors.As(err, &status) {
		words = status.Status().Message
	}
	if strings.Contains(words, string(tok.AccessToken)) {
		words = "(the message quotes the token and is not shown)"
	}
	words = words[:min(len(words), maxRefusal)]
	class := fault.Retryable // a quota or a webhook may let it pass later, and nothing tells us when
	if invalid {
		class = fault.Terminal
	}
	return fault.New(class, egainv1alpha1.ReasonTargetRejected, "the API server does not accept Secret %q: %s", secret, words)
}

// retire cleans up the target of an earlier name, now that the new one is written.
func (r *EgainClientReconciler) retire(ctx context.Context, ec *egainv1alpha1.EgainClient) error {
	if ec.Status.Target == nil || ec.Status.Target.SecretName == ec.TargetName() {
		return nil
	}
	return r.cleanUp(ctx, ec, ec.Status.Target.SecretName)
}

// cleanUp does to a Secret that was a target what deletionPolicy says: one that we created goes away, one that we only
// added keys to loses them.
func (r *EgainClientReconciler) cleanUp(ctx context.Context, ec *egainv1alpha1.EgainClient, name string) error {
	if ec.Spec.Target.DeletionPolicy == egainv1alpha1.DeletionPolicyRetain {
		return nil
	}
	secret := &corev1.Secret{}
	if err := r.Client.Get(ctx, client.ObjectKey{Namespace: ec.Namespace, Name: name}, secret); apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("reading the former target %q: %w", name, err)
	}
	var err error
	switch {
	case kubesecret.CreatedFor(secret, ec):
		err = r.Client.Delete(ctx, secret, client.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion})
	case kubesecret.MergedBy(secret, ec):
		// Applying nothing gives up, and so removes, every field that we applied. The UID keeps that from creating a Secret.
		err = r.Client.Apply(ctx, corev1ac.Secret(name, ec.Namespace).WithUID(secret.UID), client.FieldOwner(kubesecret.Manager))
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("cleaning up the former target %q: %w", name, err)
	}
	return nil
}
