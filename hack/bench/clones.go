package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/hack/bench/internal/bareloop"
	"github.com/egain-operator/egain-operator/hack/bench/internal/seed"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/target"
)

// clones are clients with credentials and target that are copies of one whose token the operator issued.
type clones struct {
	*population
	world *world
	etcd  *seed.Etcd
	// original is what they are copies of.
	original            *egainv1alpha1.EgainClient
	credentials, target *corev1.Secret
	// life of the copies' tokens, which all are as old.
	issued time.Time
	life   time.Duration
}

// cloneLife is that of the tokens of copies: long enough that none is due unless it is wanted.
const cloneLife = 24 * time.Hour

// cloned has an operator issue one token, and makes what copies of its objects are made from.
func (w *world) cloned(ctx context.Context) (*clones, error) {
	p := w.populate("clone", 1, w.first)
	if err := w.issueFirst(ctx, p); err != nil {
		return nil, err
	}
	c := &clones{population: &population{prefix: p.prefix}, world: w, original: p.clients[0], issued: time.Now().Truncate(time.Second), life: cloneLife}
	secrets := w.clientset.CoreV1().Secrets(c.original.Namespace)
	var err error
	if c.credentials, err = secrets.Get(ctx, string(c.original.Spec.CredentialsSecretRef.Name), metav1.GetOptions{}); err != nil {
		return nil, fmt.Errorf("reading the credentials: %w", err)
	}
	if c.target, err = secrets.Get(ctx, c.original.TargetName(), metav1.GetOptions{}); err != nil {
		return nil, fmt.Errorf("reading the target: %w", err)
	}
	if bareloop.Request(c.original).ID() != c.target.Annotations[target.AnnotationIssuedForRequest] || request.SpecID(c.original, request.Inline(c.original)) != c.target.Annotations[target.AnnotationIssuedForSpec] {
		return nil, errors.New("the operator identifies specs and requests in another way than this program")
	}
	if c.etcd, err = seed.Open(w.cluster.Plane.EtcdURL()); err != nil {
		return nil, err
	}
	w.stops = append(w.stops, c.etcd.Close)
	return c, nil
}

// grow makes more copies, until there are n.
func (c *clones) grow(ctx context.Context, n int) error {
	var fresh []*egainv1alpha1.EgainClient
	for i := len(c.clients); i < n; i++ {
		ec := c.original.DeepCopy()
		ec.Namespace, ec.Name, ec.UID = c.namespace(i), fmt.Sprintf("clone-%06d", i), uuid.NewUUID()
		ec.Spec.CredentialsSecretRef.Name = egainv1alpha1.SecretName(ec.Name + "-app")
		ec.Spec.Target.SecretName = egainv1alpha1.SecretName(ec.Name + "-token")
		ec.Status.Target.SecretName = ec.TargetName()
		for i := range ec.Status.Conditions {
			message := &ec.Status.Conditions[i].Message
			*message = strings.ReplaceAll(*message, c.original.TargetName(), ec.TargetName())
		}
		fresh = append(fresh, ec)
	}
	c.clients = append(c.clients, fresh...)
	if err := c.put(ctx, fresh, c.issued, c.life); err != nil {
		return err
	}
	// The garbage collector takes minutes to learn of 300,000 objects, in which the API server is not what it is otherwise.
	return atRest(ctx, "the API server", 0.3, c.world.serverCPU)
}

// put stores copies, with tokens that were issued at a time.
func (c *clones) put(ctx context.Context, clients []*egainv1alpha1.EgainClient, issued time.Time, life time.Duration) error {
	sources, targets := make([]*corev1.Secret, 0, len(clients)), make([]*corev1.Secret, 0, len(clients))
	for _, ec := range clients {
		secret := c.credentials.DeepCopy()
		secret.Namespace, secret.Name, secret.UID = ec.Namespace, string(ec.Spec.CredentialsSecretRef.Name), "c-"+ec.UID
		sources = append(sources, secret)
	}
	if err := c.etcd.PutSecrets(ctx, sources); err != nil {
		return err
	}
	for i, ec := range clients {
		targets = append(targets, c.targetOf(ec, sources[i], issued, life))
		expiration := metav1.NewTime(issued.Add(life))
		renewal := metav1.NewTime(rotation.RenewAt(issued, expiration.Time, rotation.Policy{}, rotation.Spread(string(ec.UID))))
		ec.Status.Token.IssueTime, ec.Status.Token.ExpirationTime, ec.Status.Token.RenewalTime = new(metav1.NewTime(issued)), &expiration, &renewal
	}
	// Clients before their targets, or the garbage collector takes those for orphans.
	return errors.Join(c.etcd.PutClients(ctx, clients), c.etcd.PutSecrets(ctx, targets))
}

func (c *clones) targetOf(ec *egainv1alpha1.EgainClient, source *corev1.Secret, issued time.Time, life time.Duration) *corev1.Secret {
	secret := c.target.DeepCopy()
	secret.Namespace, secret.Name, secret.UID = ec.Namespace, ec.TargetName(), "t-"+ec.UID
	secret.OwnerReferences[0].Name, secret.OwnerReferences[0].UID = ec.Name, ec.UID
	for i := range secret.ManagedFields {
		fields := secret.ManagedFields[i].FieldsV1
		fields.SetRawString(strings.ReplaceAll(fields.GetRawString(), string(c.original.UID), string(ec.UID)))
	}
	expiration := issued.Add(life).UTC().Format(time.RFC3339)
	maps.Copy(secret.Annotations, map[string]string{
		target.AnnotationOwnedBy:          ec.Name,
		target.AnnotationIssueTime:        issued.UTC().Format(time.RFC3339),
		target.AnnotationExpirationTime:   expiration,
		target.AnnotationIssuedForSpec:    request.SpecID(ec, request.Inline(ec)),
		target.AnnotationIssuedForRequest: bareloop.Request(ec).ID(),
		target.AnnotationIssuedForSources: bareloop.Sources(source),
	})
	secret.Data[target.KeyExpiresAt] = []byte(expiration)
	return secret
}

// foreign stores Secrets of 10 kB that are no one's business.
func (c *clones) foreign(ctx context.Context, n int) error {
	secrets := make([]*corev1.Secret, 0, n)
	payload := bytes.Repeat([]byte("0123456789"), 1000)
	for i := range n {
		secrets = append(secrets, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: c.namespace(i), Name: fmt.Sprintf("foreign-%06d", i), UID: uuid.NewUUID(), CreationTimestamp: metav1.Now(),
				Labels: map[string]string{"app.kubernetes.io/name": "foreign"},
			},
			Type: corev1.SecretTypeOpaque, Data: map[string][]byte{"payload": payload},
		})
	}
	return c.etcd.PutSecrets(ctx, secrets)
}
