package request

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
)

// AudiencesLifetime is how long the API server's audiences are believed to be what they were: as long as the operator's own
// token commonly lives, of which a later one names those that a rolling change of the API servers has added.
const AudiencesLifetime = time.Hour

// errNoOwnToken is what OwnToken returns to an operator that authenticates by other means.
var errNoOwnToken = errors.New("the operator has no token of its own")

// OwnToken returns how the operator gets at the token that it authenticates to the API server with, as it is at the time: the
// kubelet replaces the file that it is in. Without one, as with a client certificate, reading it fails.
func OwnToken(config *rest.Config) func() (oauth.Secret, error) {
	file, token := config.BearerTokenFile, config.BearerToken
	return func() (oauth.Secret, error) {
		current := token
		if file != "" {
			content, err := os.ReadFile(file) //nolint:gosec // the administrator says where the token of the operator is
			if err != nil {
				return "", fmt.Errorf("reading the operator's own token: %w", err)
			}
			current = strings.TrimSpace(string(content))
		}
		if current == "" {
			return "", errNoOwnToken
		}
		return oauth.Secret(current), nil
	}
}

// audiences are those that the API server itself accepts.
type audiences struct {
	mu    sync.Mutex
	known []string
	since time.Time
	// judged says of an audience whether a token that was minted for it was accepted.
	judged sync.Map // string to bool
}

// maxListed bounds the audiences that a message lists.
const maxListed = 5

// AdmitAudience refuses an EgainClient that exchanges a ServiceAccount token whose audience is not allowed. Audiences are compared
// byte for byte, as the services that accept the tokens do. Refusals are Terminal: another list comes with a restart.
func AdmitAudience(allowed []string, ec *egainv1alpha1.EgainClient) error {
	if ec.Spec.TokenExchange == nil || ec.Spec.TokenExchange.SubjectToken.ServiceAccountToken == nil {
		return nil
	}
	audience := ec.Spec.TokenExchange.SubjectToken.ServiceAccountToken.Audience
	switch {
	case slices.Contains(allowed, audience):
		return nil
	case len(allowed) == 0:
		return fault.New(fault.Terminal, egainv1alpha1.ReasonSubjectTokenForbidden, "the operator mints ServiceAccount tokens for no audience: ask an administrator to add %q to --allowed-audiences", audience)
	case len(allowed) > maxListed:
		return fault.New(fault.Terminal, egainv1alpha1.ReasonSubjectTokenForbidden, "audience %q is not in --allowed-audiences: correct spec.tokenExchange.subjectToken.serviceAccountToken.audience, or ask an administrator to add it", audience)
	}
	return fault.New(fault.Terminal, egainv1alpha1.ReasonSubjectTokenForbidden, "audience %q is not in --allowed-audiences: set spec.tokenExchange.subjectToken.serviceAccountToken.audience to one of %q, or ask an administrator to add it", audience, allowed)
}

// refuseBeforeMinting fails if an audience is known to be the API server's own, or cannot be known not to be: with such
// a token, its holder could act as the ServiceAccount in the cluster, so that not even the operator may have one.
func (r *Reader) refuseBeforeMinting(ctx context.Context, audience string) error {
	own, err := r.ownAudiences(ctx)
	if err != nil {
		return err
	}
	if slices.Contains(own, audience) {
		return ownAudience(audience)
	}
	return nil
}

// ownAudiences asks the API server which audiences it accepts, by a review of the operator's own token: a token that names no
// audience, as the kubelet's do not unless told to, is one for all of them, and the review answers with those.
func (r *Reader) ownAudiences(ctx context.Context) ([]string, error) {
	r.audiences.mu.Lock()
	defer r.audiences.mu.Unlock()
	now := r.Now()
	if len(r.audiences.known) > 0 && now.Sub(r.audiences.since) < AudiencesLifetime {
		return r.audiences.known, nil
	}
	token, err := r.OwnToken()
	if errors.Is(err, errNoOwnToken) {
		return nil, audiencesUnknown("the operator has no ServiceAccount token to ask with: run it with one")
	} else if err != nil {
		return nil, err
	}
	status, err := review(ctx, r.API, token)
	if err != nil {
		return nil, err
	}
	if !status.Authenticated || len(status.Audiences) == 0 {
		return nil, audiencesUnknown("the API server does not say: run the operator with a ServiceAccount token that the API server accepts")
	}
	r.audiences.known, r.audiences.since = status.Audiences, now
	return status.Audiences, nil
}

// refuseAfterMinting is the second line, for audiences that the operator's own token was kept from naming: the API server is
// asked, once per audience, about a token that was minted for it.
func (r *Reader) refuseAfterMinting(ctx context.Context, audience string, token oauth.Secret) error {
	accepted, known := r.audiences.judged.Load(audience)
	if !known {
		status, err := review(ctx, r.API, token)
		if err != nil {
			return err
		}
		accepted = status.Authenticated
		r.audiences.judged.Store(audience, accepted)
	}
	if accepted.(bool) {
		return ownAudience(audience)
	}
	return nil
}

func review(ctx context.Context, api API, token oauth.Secret) (*authenticationv1.TokenReviewStatus, error) {
	status, err := api.ReviewToken(ctx, token)
	if apierrors.IsForbidden(err) {
		return nil, audiencesUnknown("the operator may not ask: grant its ServiceAccount create on tokenreviews")
	} else if err != nil {
		return nil, fmt.Errorf("asking the API server about the audiences of tokens: %w", err)
	}
	return status, nil
}

func audiencesUnknown(why string) error {
	return fault.New(fault.Retryable, egainv1alpha1.ReasonSubjectTokenForbidden, "no ServiceAccount token is minted while it is unknown which audiences the API server itself accepts: %s", why)
}

func ownAudience(audience string) error {
	return fault.New(fault.Terminal, egainv1alpha1.ReasonSubjectTokenForbidden, "the API server itself accepts tokens of audience %q, so its holder could act as the ServiceAccount: set another spec.tokenExchange.subjectToken.serviceAccountToken.audience", audience)
}
