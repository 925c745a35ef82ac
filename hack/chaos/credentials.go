package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/hack/chaos/internal/report"
)

// renamedKey is what a user renames client_secret to.
const renamedKey = "password"

func credentialsScenarios(life time.Duration) []scenario {
	// Each change of a Secret brings a token at once, so that wrong credentials show at once.
	replaced := report.Expectation{Recovery: soon, Extra: 1}
	refused := replaced
	refused.Failed = 2
	restored := replaced
	restored.Extra = 2 // one for the Secret, one for the spec
	return concat("credentials", life, []scenario{
		{name: "secret replaced, the old one valid meanwhile", short: true, run: steps(atRenewal, replace(0, true), healthy), expect: replaced},
		{name: "secret replaced, the old one invalid 8 s before", run: steps(atRenewal, wait(2*time.Second), replace(8*time.Second, false), healthy), expect: refused},
		{name: "Secret deleted, and restored after 10 s", run: steps(atRenewal, removeCredentials, healthy), expect: restored},
		{name: "key of the Secret renamed, in the spec 10 s later", run: steps(atRenewal, renameKey, healthy), expect: restored},
	})
}

// second is the secret that replaces a client's first one.
func (c *tokenClient) second() string { return "second-secret-of-" + c.id }

// replace replaces the secrets of all clients, first at the provider and then in the cluster. With an overlap the old one
// stays valid until a while later.
func replace(late time.Duration, overlap bool) func(context.Context, *lane) error {
	return func(ctx context.Context, l *lane) error {
		l.struck()
		err := l.each(ctx, func(ctx context.Context, c *tokenClient) error {
			if err := l.sim.AddSecret(ctx, c.id, c.second()); err != nil || overlap {
				return err
			}
			return l.sim.RemoveSecret(ctx, c.id, c.secret)
		})
		if err != nil {
			return err
		}
		if err := l.hold(ctx, late); err != nil {
			return err
		}
		if err := l.each(ctx, l.writeSecond); err != nil {
			return err
		}
		l.repaired()
		if !overlap {
			return nil
		}
		if err := l.hold(ctx, 3*time.Second); err != nil {
			return err
		}
		return l.each(ctx, func(ctx context.Context, c *tokenClient) error { return l.sim.RemoveSecret(ctx, c.id, c.secret) })
	}
}

func (l *lane) writeSecond(ctx context.Context, c *tokenClient) error {
	return l.patchCredentials(ctx, c, map[string][]byte{"client_secret": []byte(c.second())})
}

// patchCredentials changes keys of a client's credentials; those without a value are removed.
func (l *lane) patchCredentials(ctx context.Context, c *tokenClient, data map[string][]byte) error {
	secret := &corev1.Secret{}
	if err := l.cluster.Get(ctx, c.credentials(), secret); err != nil {
		return fmt.Errorf("reading Secret %s: %w", c.credentials(), err)
	}
	before := secret.DeepCopy()
	for key, value := range data {
		if value == nil {
			delete(secret.Data, key)
			continue
		}
		secret.Data[key] = value
	}
	if err := l.cluster.Patch(ctx, secret, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("changing Secret %s: %w", c.credentials(), err)
	}
	return nil
}

// removeCredentials deletes the credentials of all clients for ten seconds.
func removeCredentials(ctx context.Context, l *lane) error {
	l.struck()
	err := l.each(ctx, func(ctx context.Context, c *tokenClient) error {
		name := c.credentials()
		return l.cluster.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}})
	})
	if err != nil {
		return fmt.Errorf("deleting credentials: %w", err)
	}
	if err := l.hold(ctx, 10*time.Second); err != nil {
		return err
	}
	defer l.repaired()
	return l.each(ctx, func(ctx context.Context, c *tokenClient) error { return l.create(ctx, credentialsOf(c)) })
}

// renameKey renames a key in the credentials of all clients, and says so in their spec ten seconds later.
func renameKey(ctx context.Context, l *lane) error {
	l.struck()
	err := l.each(ctx, func(ctx context.Context, c *tokenClient) error {
		return l.patchCredentials(ctx, c, map[string][]byte{"client_secret": nil, renamedKey: []byte(c.secret)})
	})
	if err != nil {
		return err
	}
	if err := l.hold(ctx, 10*time.Second); err != nil {
		return err
	}
	defer l.repaired()
	return l.each(ctx, func(ctx context.Context, c *tokenClient) error {
		ec := &egainv1alpha1.EgainClient{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.Name}}
		change := fmt.Appendf(nil, `{"spec":{"credentialsSecretRef":{"clientSecretKey":%q}}}`, renamedKey)
		if err := l.cluster.Patch(ctx, ec, client.RawPatch(mergePatch, change)); err != nil {
			return fmt.Errorf("changing EgainClient %s: %w", c, err)
		}
		return nil
	})
}
