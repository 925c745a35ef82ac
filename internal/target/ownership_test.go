package target

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
)

func TestTarget_ForeignKeys(t *testing.T) {
	t.Parallel()
	secret := func(annotations map[string]string, keys ...string) *corev1.Secret {
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Annotations: annotations}, Data: map[string][]byte{}}
		for _, key := range keys {
			s.Data[key] = []byte("x")
		}
		return s
	}
	ours := map[string]string{AnnotationMergedBy: "sync", AnnotationMergedKeys: "a,b"}
	tests := map[string]struct {
		s    *corev1.Secret
		want []string
	}{
		"an empty Secret":                          {secret(nil), nil},
		"keys that we do not want":                 {secret(nil, "password", "c"), nil},
		"keys that we want":                        {secret(nil, "b", "scope", "password"), []string{"b", "scope"}},
		"our own keys":                             {secret(ours, "a", "b", "access_token", "scope"), nil},
		"a key that the template has come to want": {secret(map[string]string{AnnotationMergedBy: "sync", AnnotationMergedKeys: "a"}, "a", "b", "scope"), []string{"b"}},
		"our own keys, none of a template":         {secret(map[string]string{AnnotationMergedBy: "sync"}, "access_token"), nil},
		"the keys of another client":               {secret(map[string]string{AnnotationMergedBy: "other", AnnotationMergedKeys: "a"}, "a", "scope"), []string{"a", "scope"}},
		"a Secret that was created for it":         {secret(map[string]string{AnnotationOwnedBy: "sync"}, "a", "scope"), nil},
		"a Secret that was created for another":    {secret(map[string]string{AnnotationOwnedBy: "other"}, "a", "scope"), []string{"a", "scope"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ec := client(map[string]egainv1alpha1.Template{"a": "x", "b": "x"})
			if diff := cmp.Diff(tc.want, ForeignKeys(tc.s, ec)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTarget_ClaimOn(t *testing.T) {
	t.Parallel()
	owner := func(kind, name string, uid types.UID) *metav1.ObjectMeta {
		return &metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Kind: kind, Name: name, UID: uid, Controller: new(true)}}}
	}
	noted := func(name, by string) *metav1.ObjectMeta {
		return &metav1.ObjectMeta{Annotations: map[string]string{name: by}}
	}
	type want struct {
		claim  Claim
		holder string
	}
	tests := map[string]struct {
		meta         *metav1.ObjectMeta
		owner, merge want
	}{
		"of no owner":                   {&metav1.ObjectMeta{}, want{ClaimNone, ""}, want{ClaimNone, ""}},
		"owned by it":                   {owner("EgainClient", "sync", "uid-of-sync"), want{ClaimOurs, ""}, want{ClaimOurs, ""}},
		"owned by another client":       {owner("EgainClient", "other", "another"), want{ClaimOther, "other"}, want{ClaimOther, "other"}},
		"owned by a former namesake":    {owner("EgainClient", "sync", "another"), want{ClaimLeaving, ""}, want{ClaimLeaving, ""}},
		"owned by something else":       {owner("Deployment", "sync", "another"), want{ClaimNone, ""}, want{ClaimNone, ""}},
		"owned, but not controlled":     {&metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Kind: "EgainClient", UID: "uid-of-sync"}}}, want{ClaimNone, ""}, want{ClaimNone, ""}},
		"created for it and retained":   {noted(AnnotationOwnedBy, "sync"), want{ClaimOurs, ""}, want{ClaimNone, ""}},
		"created for another, retained": {noted(AnnotationOwnedBy, "other"), want{ClaimOther, "other"}, want{ClaimOther, "other"}},
		"merged by it":                  {noted(AnnotationMergedBy, "sync"), want{ClaimNone, ""}, want{ClaimOurs, ""}},
		"merged by another":             {noted(AnnotationMergedBy, "other"), want{ClaimOther, "other"}, want{ClaimOther, "other"}},
	}
	for name, tc := range tests {
		for policy, want := range map[egainv1alpha1.CreationPolicy]want{egainv1alpha1.CreationPolicyOwner: tc.owner, egainv1alpha1.CreationPolicyMerge: tc.merge} {
			t.Run(name+", "+string(policy), func(t *testing.T) {
				t.Parallel()
				ec := client(nil)
				ec.Spec.Target.CreationPolicy = policy
				claim, holder := ClaimOn(tc.meta, ec)
				if claim != want.claim || holder != want.holder {
					t.Errorf("got %d %q, want %d %q", claim, holder, want.claim, want.holder)
				}
			})
		}
	}
}

func TestTarget_CreatedForAndMergedBy(t *testing.T) {
	t.Parallel()
	ec := client(nil)
	controlled := func(uid string) *metav1.ObjectMeta {
		m := &metav1.ObjectMeta{Annotations: map[string]string{AnnotationOwnedBy: "sync"}}
		m.OwnerReferences = []metav1.OwnerReference{{Kind: "EgainClient", Name: "sync", UID: "other", Controller: new(true)}}
		if uid == "ours" {
			m.OwnerReferences[0].UID = ec.UID
		}
		return m
	}
	tests := map[string]struct {
		meta            *metav1.ObjectMeta
		created, merged bool
	}{
		"of no owner":          {&metav1.ObjectMeta{}, false, false},
		"owned by it":          {controlled("ours"), true, false},
		"owned by a namesake":  {controlled("another's"), false, false},
		"retained for it":      {&metav1.ObjectMeta{Annotations: map[string]string{AnnotationOwnedBy: "sync"}}, true, false},
		"merged by it":         {&metav1.ObjectMeta{Annotations: map[string]string{AnnotationMergedBy: "sync"}}, false, true},
		"merged by another":    {&metav1.ObjectMeta{Annotations: map[string]string{AnnotationMergedBy: "other"}}, false, false},
		"retained for another": {&metav1.ObjectMeta{Annotations: map[string]string{AnnotationOwnedBy: "other"}}, false, false},
	}
	for name, tc := range tests {
		if CreatedFor(tc.meta, ec) != tc.created || MergedBy(tc.meta, ec) != tc.merged {
			t.Errorf("%s: created %t, merged %t", name, CreatedFor(tc.meta, ec), MergedBy(tc.meta, ec))
		}
	}
}

// named is an EgainClient of another name that is a number of minutes younger than client.
func named(name, secret string, minutes int) egainv1alpha1.EgainClient {
	ec := client(nil)
	ec.Name, ec.UID, ec.Spec.Target.SecretName = name, types.UID("uid-of-"+name), egainv1alpha1.SecretName(secret)
	ec.CreationTimestamp = metav1.NewTime(issued.Add(time.Duration(minutes) * time.Minute))
	return *ec
}

func TestTarget_ObserveRefusesWhatIsNotTheClients(t *testing.T) {
	t.Parallel()
	const merge = egainv1alpha1.CreationPolicyMerge
	secretOf := func(holder string, change func(*egainv1alpha1.EgainClient)) func() *corev1.Secret {
		return func() *corev1.Secret {
			ec := named(holder, "sync", 0)
			if change != nil {
				change(&ec)
			}
			return rendered(t, &ec, token())
		}
	}
	retained := func(ec *egainv1alpha1.EgainClient) { ec.Spec.Target.DeletionPolicy = "Retain" }
	foreign := func(keys ...string) func() *corev1.Secret {
		return func() *corev1.Secret {
			s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "sync"}, Data: map[string][]byte{}}
			for _, key := range keys {
				s.Data[key] = []byte("theirs")
			}
			return s
		}
	}
	for name, tc := range map[string]struct {
		is      func() *corev1.Secret
		policy  egainv1alpha1.CreationPolicy
		clients []egainv1alpha1.EgainClient
		class   fault.Class
		want    string
	}{
		"a Secret of a person":                       {is: foreign("password"), class: fault.Terminal, want: egainv1alpha1.ReasonTargetNotOwned},
		"a Secret of a person, to merge":             {is: foreign("password"), policy: merge},
		"a Secret of a person, with a key to merge":  {is: foreign("password", "scope"), policy: merge, class: fault.Terminal, want: egainv1alpha1.ReasonTargetConflict},
		"an immutable Secret, to merge":              {is: func() *corev1.Secret { s := foreign("password")(); s.Immutable = new(true); return s }, policy: merge, class: fault.Terminal, want: egainv1alpha1.ReasonTargetImmutable},
		"no Secret":                                  {},
		"no Secret, to merge":                        {policy: merge, class: fault.Waiting, want: egainv1alpha1.ReasonTargetNotFound},
		"no Secret, that an older client names":      {clients: []egainv1alpha1.EgainClient{named("b", "sync", -1)}, class: fault.Terminal, want: egainv1alpha1.ReasonTargetClaimed},
		"no Secret, that a younger client names":     {clients: []egainv1alpha1.EgainClient{named("b", "sync", 1)}},
		"no Secret, an older client names another":   {clients: []egainv1alpha1.EgainClient{named("b", "other", -1)}},
		"no Secret, an earlier name of one second":   {clients: []egainv1alpha1.EgainClient{named("a", "sync", 0)}, class: fault.Terminal, want: egainv1alpha1.ReasonTargetClaimed},
		"no Secret, a later name of one second":      {clients: []egainv1alpha1.EgainClient{named("z", "sync", 0)}},
		"one to merge, that an older client names":   {is: foreign("password"), policy: merge, clients: []egainv1alpha1.EgainClient{named("b", "sync", -1)}, class: fault.Terminal, want: egainv1alpha1.ReasonTargetClaimed},
		"one of another client":                      {is: secretOf("b", nil), class: fault.Terminal, want: egainv1alpha1.ReasonTargetClaimed},
		"one retained of another client":             {is: secretOf("b", retained), clients: []egainv1alpha1.EgainClient{named("b", "other", 1)}, class: fault.Terminal, want: egainv1alpha1.ReasonTargetClaimed},
		"one retained of a client that is gone":      {is: secretOf("b", retained), class: fault.Terminal, want: egainv1alpha1.ReasonTargetNotOwned},
		"one about to be collected":                  {is: secretOf("sync", func(ec *egainv1alpha1.EgainClient) { ec.UID = "former" }), class: fault.Waiting, want: egainv1alpha1.ReasonTargetClaimed},
		"one that is its own, an older one names it": {is: secretOf("sync", nil), clients: []egainv1alpha1.EgainClient{named("b", "sync", -1)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ec := secretsWith(t), named("sync", "", 0)
			ec.Spec.Target.CreationPolicy = tc.policy
			if tc.is != nil {
				s.put(tc.is())
			}
			_, err := observed(t, s, &ec, tc.clients...)
			f := fault.Of(err)
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tc.want != "" && (f == nil || f.Reason != tc.want || f.Class != tc.class || !strings.Contains(f.Message, `Secret "sync"`)):
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestTarget_ObserveTellsOfATokenInASecretThatCannotBeMergedAnyMore(t *testing.T) {
	t.Parallel()
	ec := client(nil)
	ec.Spec.Target.CreationPolicy = egainv1alpha1.CreationPolicyMerge
	secret := rendered(t, ec, token())
	secret.Immutable = new(true)
	seen, err := observed(t, secretsWith(t, secret), ec)
	if err == nil || seen.Token == nil || seen.Content == nil || seen.Replace {
		t.Errorf("%+v, %v", seen, err)
	}
}
