package journal

import (
	"cmp"
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/egain-operator/egain-operator/internal/session"
)

// Sessions keeps refresh tokens that are not written yet, by session Secret, not by EgainClient: the client that uses the session next
// would use the void one. The zero value is empty, and safe for concurrent use.
type Sessions struct {
	held sync.Map // types.NamespacedName of the Secret to heldToken
}

// heldToken is a refresh token that is not written yet.
type heldToken struct {
	session.Successor
	// client is the EgainClient that requested it. It writes it, also when its spec names another session since.
	client types.NamespacedName
}

// Hold keeps a refresh token that an EgainClient requested until it is written or released.
func (s *Sessions) Hold(client types.NamespacedName, token session.Successor) {
	s.held.Store(token.Name(), heldToken{token, client})
}

// of are the refresh tokens of a session Secret, and those that an EgainClient requested. Few are held at a time.
func (s *Sessions) of(client, secret types.NamespacedName) []session.Successor {
	var all []session.Successor
	s.held.Range(func(name, value any) bool {
		if held := value.(heldToken); name == secret || held.client == client {
			all = append(all, held.Successor)
		}
		return true
	})
	return all
}

// Write writes the refresh tokens of an EgainClient and of its session Secret. Each stays held until it is written, or until the
// Secret proves to be another session's. It returns what was written to the session Secret; nil if nothing was.
func (s *Sessions) Write(ctx context.Context, secrets session.Secrets, client, secret types.NamespacedName) (*session.Written, error) {
	var written *session.Written
	var failed error
	for _, token := range s.of(client, secret) {
		w, superseded, err := session.Write(ctx, secrets, token)
		if err != nil {
			failed = cmp.Or(failed, err)
			continue
		}
		s.held.Delete(token.Name())
		if token.Name() == secret && !superseded {
			written = &w
		}
	}
	return written, failed
}

// WriteAll writes every refresh token that is held, and returns the errors by session Secret.
func (s *Sessions) WriteAll(ctx context.Context, secrets session.Secrets) map[types.NamespacedName]error {
	failed := map[types.NamespacedName]error{}
	s.held.Range(func(name, value any) bool {
		if _, err := s.Write(ctx, secrets, value.(heldToken).client, name.(types.NamespacedName)); err != nil {
			failed[name.(types.NamespacedName)] = err
		}
		return true
	})
	return failed
}

// Held is the refresh token that is held for a session Secret.
func (s *Sessions) Held(secret types.NamespacedName) (session.Successor, bool) {
	found, ok := s.held.Load(secret)
	if !ok {
		return session.Successor{}, false
	}
	return found.(heldToken).Successor, true
}

// Release drops the refresh token of a session Secret, as after it was revoked: it need not be written any more.
func (s *Sessions) Release(secret types.NamespacedName) { s.held.Delete(secret) }
