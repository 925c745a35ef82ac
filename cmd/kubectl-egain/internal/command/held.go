package command

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/target"
)

// held is what a target holds.
type held struct {
	client *egainv1alpha1.EgainClient
	secret *corev1.Secret
	token  oauth.Secret
	// authorization is the value of the header that the token is sent in.
	authorization oauth.Secret
	apiURL        string
	// expiration is zero if the target does not tell.
	expiration time.Time
}

// held reads what the target of an EgainClient holds. A Secret that is not the EgainClient's, or without a token, is an error.
func (e *environment) held(ctx context.Context, name string) (*held, error) {
	ec, err := e.egainClient(ctx, name)
	if err != nil {
		return nil, err
	}
	c, err := e.cluster()
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{}
	err = c.Get(ctx, client.ObjectKey{Namespace: ec.Namespace, Name: ec.TargetName()}, secret)
	why := "see the reason with kubectl egain status " + ec.Name
	switch {
	case apierrors.IsNotFound(err):
		return nil, advise(fmt.Errorf("there is no token yet: Secret %q not found", ec.TargetName()), why)
	case err != nil:
		return nil, fmt.Errorf("reading Secret %q: %w", ec.TargetName(), err)
	}
	if claim, _ := target.ClaimOn(secret, ec); claim != target.ClaimOurs {
		return nil, advise(fmt.Errorf("the Secret %q does not belong to EgainClient %q", secret.Name, ec.Name), why)
	}
	if len(secret.Data[target.KeyAccessToken]) == 0 {
		return nil, advise(fmt.Errorf("the Secret %q contains no token", secret.Name), why)
	}
	h := &held{
		client:        ec,
		secret:        secret,
		token:         oauth.Secret(secret.Data[target.KeyAccessToken]),
		authorization: oauth.Secret(secret.Data[target.KeyAuthorization]),
		apiURL:        string(secret.Data[target.KeyAPIURL]),
	}
	h.expiration, _ = time.Parse(time.RFC3339, string(secret.Data[target.KeyExpiresAt])) // zero if it cannot be read
	return h, nil
}

// expired reports for how long the token has been expired. One whose expiry is not known is taken for valid.
func (h *held) expired(now time.Time) (time.Duration, bool) {
	return now.Sub(h.expiration), !h.expiration.IsZero() && !h.expiration.After(now)
}

// refuseExpired is an error if the token has expired.
func (h *held) refuseExpired(now time.Time) error {
	ago, expired := h.expired(now)
	if !expired {
		return nil
	}
	return advise(fmt.Errorf("the token of EgainClient %q expired %s ago", h.client.Name, duration.HumanDuration(ago)),
		"run kubectl egain renew "+h.client.Name+" --wait, or see kubectl egain status "+h.client.Name)
}
