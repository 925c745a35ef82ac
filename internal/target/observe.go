package target

import (
	"context"
	"fmt"
	"hash/maphash"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

// Observation is what is known of a target. Nothing writes to it after Observe has returned it.
type Observation struct {
	// Meta is nil if the Secret does not exist.
	Meta *metav1.ObjectMeta
	// Token is what the target says of its token; nil if it contains none, or a damaged one.
	Token *rotation.Token
	// Content is the token itself; nil if there is none, it is damaged, or the target was not read since it is as Known.
	Content *Token
	// Issued and Writer are about a target without a whole token: when the one that it contained was requested, which another
	// writer may have changed, and the field manager that changed the Secret last. Zero and empty if unknown.
	Issued time.Time
	Writer string
	// Damaged says that the target contains a token that is not as the operator wrote it.
	Damaged bool
	// Drifted says that the target contains a whole token and differs in the rest from what the spec asks for.
	Drifted bool
	// Replace says that the Secret cannot be changed into what the spec asks for: its type, or its immutability, is final.
	Replace bool
	// Known is what the next Observe of this target is given.
	Known Known
}

// maxAhead is how far the clock of the operator process that requested a token may have been ahead.
const maxAhead = time.Minute

// At is what the observation says at a time. A token that is said to be issued later is damaged: its expiry cannot be trusted,
// whether another writer or a wrong clock made it.
func (o Observation) At(now time.Time) Observation {
	if o.Token != nil && o.Token.IssueTime.After(now.Add(maxAhead)) {
		o.Token, o.Content, o.Damaged, o.Drifted = nil, nil, true, false
	}
	return o
}

// Known is a state of a target that was found, or made, to be as the spec asks for. The zero value says that no target is known.
type Known struct {
	Version Version
	// Token is what the target said of its token then.
	Token *rotation.Token
	// Final says that the Secret came out of the write so that it cannot be changed, as a policy makes it: to write it is to
	// replace it.
	Final bool
	// Replaced says that a Secret that could not be changed was replaced before. That the next one is so too is no drift any
	// more, or the operator and who makes it so would take turns.
	Replaced bool
}

// Version identifies a state of a target and the spec that it was compared with.
type Version struct {
	generation int64
	// secret is a digest of the UID and resourceVersion.
	secret uint64
}

// versionSeed makes digests useless outside this process.
var versionSeed = maphash.MakeSeed()

// VersionOf identifies a target with these metadata, compared with the present spec of an EgainClient.
func VersionOf(ec *egainv1alpha1.EgainClient, meta *metav1.ObjectMeta) Version {
	return Version{generation: ec.Generation, secret: maphash.Comparable(versionSeed, [2]string{string(meta.UID), meta.ResourceVersion})}
}

// Observe looks at the target of an EgainClient, of which the cache has the metadata, nil if it has none. If they are as
// known, the Secret is not read. That it does not exist is believed of the cache only if no target is known: before one is
// created, Apply reads again. With an error, it returns what it read.
func Observe(ctx context.Context, secrets Secrets, clients Clients, ec *egainv1alpha1.EgainClient, cached *metav1.ObjectMeta, known Known) (Observation, error) {
	switch {
	case cached != nil && known.Version == VersionOf(ec, cached) && (!isMerge(ec) || checkUses(ctx, clients, ec) == nil):
		return Observation{Meta: cached, Token: known.Token, Replace: known.Final, Known: known}, nil
	case cached == nil && known.Version == Version{}:
		return Observation{Known: known}, checkMissing(ctx, clients, ec)
	}
	secret, err := secrets.Get(ctx, targetOf(ec))
	if apierrors.IsNotFound(err) {
		return Observation{}, checkMissing(ctx, clients, ec)
	} else if err != nil {
		return Observation{Known: known}, fmt.Errorf("reading Secret %q: %w", ec.TargetName(), err)
	}
	if err := checkClaim(ctx, clients, ec, secret); err != nil {
		return Observation{Meta: &secret.ObjectMeta, Known: known}, err
	}
	return observeClaimed(ctx, clients, ec, secret, known)
}

func isMerge(ec *egainv1alpha1.EgainClient) bool {
	return ec.Spec.Target.CreationPolicy == egainv1alpha1.CreationPolicyMerge
}

// checkMissing reports why a target that does not exist cannot be created.
func checkMissing(ctx context.Context, clients Clients, ec *egainv1alpha1.EgainClient) error {
	if isMerge(ec) {
		if err := checkUses(ctx, clients, ec); err != nil {
			return err
		}
		return fault.New(fault.Waiting, egainv1alpha1.ReasonTargetNotFound, "Secret %q does not exist: create it, or set spec.target.creationPolicy to Owner", ec.TargetName())
	}
	if err := checkRivals(ctx, clients, ec); err != nil {
		return err
	}
	if err := checkUses(ctx, clients, ec); err != nil {
		return err
	}
	return CheckTemplates(ec)
}

// observeClaimed looks at a Secret that no other EgainClient has a claim on. With a refusal, it returns what the Secret contains.
func observeClaimed(ctx context.Context, clients Clients, ec *egainv1alpha1.EgainClient, secret *corev1.Secret, known Known) (Observation, error) {
	seen := Observation{Meta: &secret.ObjectMeta, Known: known}
	reading, err := Read(secret)
	if err != nil {
		return seen, err
	}
	seen.Damaged, seen.Content = reading.Damaged, reading.Token
	if reading.Token == nil {
		seen.Writer, seen.Issued = lastWriter(secret), Recall(secret).IssuedAt()
	}
	if reading.Token != nil {
		seen.Token = &reading.Token.Token
	}
	if err := checkPurpose(ctx, clients, ec, secret); err != nil {
		return seen, err
	}
	if isMerge(ec) {
		if err := checkMergeable(ec, secret); err != nil {
			return seen, err
		}
	} else {
		seen.Replace = mustReplace(ec, secret)
	}
	if reading.Token == nil {
		return seen, CheckTemplates(ec)
	}
	return seen.compared(ec, reading)
}

// compared is the observation of a target with a whole token in it, compared with what an EgainClient asks for.
func (o Observation) compared(ec *egainv1alpha1.EgainClient, reading Reading) (Observation, error) {
	drifted, err := driftedFrom(ec, reading)
	if err != nil {
		return o, err
	}
	o.Drifted = drifted || (o.Replace && !o.Known.expectsFinal(ec))
	if !o.Drifted {
		// A copy, or what is remembered would keep the access token in memory.
		o.Known = Known{Version: VersionOf(ec, o.Meta), Token: new(reading.Token.Token), Final: o.Replace, Replaced: o.Known.Replaced}
	}
	return o, nil
}

// expectsFinal reports whether a target for the present spec is known to become one that cannot be changed.
func (k Known) expectsFinal(ec *egainv1alpha1.EgainClient) bool {
	return k.Version.generation == ec.Generation && (k.Final || k.Replaced)
}
