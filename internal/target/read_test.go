package target

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// loses takes fields from the applier, as the API server does when somebody else changes them.
func loses(s *corev1.Secret, fields ...string) {
	raw := s.ManagedFields[0].FieldsV1.GetRawString()
	for _, field := range fields {
		for _, form := range []string{`"f:` + field + `":{},`, `,"f:` + field + `":{}`, `"f:` + field + `":{}`} {
			raw = strings.Replace(raw, form, "", 1)
		}
	}
	s.ManagedFields[0].FieldsV1.SetRawString(raw)
}

func TestReadGivesBackWhatRenderWrote(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*egainv1alpha1.EgainClient, *Token){
		"of its own": func(*egainv1alpha1.EgainClient, *Token) {},
		"merged":     func(ec *egainv1alpha1.EgainClient, _ *Token) { ec.Spec.Target.CreationPolicy = "Merge" },
		"retained":   func(ec *egainv1alpha1.EgainClient, _ *Token) { ec.Spec.Target.DeletionPolicy = "Retain" },
		"with little to say": func(_ *egainv1alpha1.EgainClient, tok *Token) {
			tok.Scopes, tok.APIURL, tok.Renewal = []string{}, "", ""
		},
		// A target that an earlier version wrote is in order: an upgrade neither renews nor rewrites it.
		"without what identifies the request": func(_ *egainv1alpha1.EgainClient, tok *Token) { tok.Request = "" },
		"without any template":                func(ec *egainv1alpha1.EgainClient, _ *Token) { ec.Spec.Target.Template = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ec, tok := client(map[string]egainv1alpha1.Template{"TOKEN": "{{ .AccessToken }}"}), token()
			change(ec, tok)
			s := rendered(t, ec, tok)
			s.Data["theirs"], s.Labels = []byte("x"), map[string]string{"theirs": "x", LabelManagedBy: s.Labels[LabelManagedBy]}

			r, err := Read(s)
			if err != nil || r.Damaged {
				t.Fatalf("damaged %t, %v", r.Damaged, err)
			}
			if diff := cmp.Diff(tok, r.Token); diff != "" {
				t.Error(diff)
			}
			want, err := Render(ec, r.Token)
			if err != nil {
				t.Fatal(err)
			}
			if drifted, err := r.Drifted(want); drifted || err != nil {
				t.Errorf("drifted %t, %v", drifted, err)
			}
		})
	}
}

func TestReadNoticesDamage(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*corev1.Secret){
		"a key is gone":                     func(s *corev1.Secret) { loses(s, "access_token") },
		"a key became somebody else's":      func(s *corev1.Secret) { s.Data["scope"] = []byte("x"); loses(s, "scope") },
		"the header is not the token's":     func(s *corev1.Secret) { s.Data["authorization"] = []byte("Bearer x") },
		"the expiry is not the memory's":    func(s *corev1.Secret) { s.Data["expires_at"] = []byte("2099-01-01T00:00:00Z") },
		"the token is empty":                func(s *corev1.Secret) { s.Data["access_token"], s.Data["authorization"] = nil, []byte("Bearer ") },
		"the memory is gone":                func(s *corev1.Secret) { s.Annotations = nil },
		"the memory became somebody else's": func(s *corev1.Secret) { loses(s, AnnotationIssueTime) },
		"the memory does not say it whole":  func(s *corev1.Secret) { s.Annotations[AnnotationExpirationTime] = "never" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rendered(t, client(nil), token())
			change(s)
			r, err := Read(s)
			if err != nil || !r.Damaged || r.Token != nil {
				t.Errorf("damaged %t, token %v, %v", r.Damaged, r.Token != nil, err)
			}
		})
	}
}

func TestReadFindsNothingInTheSecretOfSomebodyElse(t *testing.T) {
	t.Parallel()
	theirs := rendered(t, client(nil), token())
	theirs.ManagedFields[0].Manager = "kubectl"
	updated := rendered(t, client(nil), token())
	updated.ManagedFields[0].Operation = metav1.ManagedFieldsOperationUpdate
	restored := rendered(t, client(nil), token())
	restored.ManagedFields = nil
	for name, s := range map[string]*corev1.Secret{"empty": {}, "theirs": theirs, "not applied": updated, "restored": restored} {
		r, err := Read(s)
		if err != nil || r.Damaged || r.Token != nil {
			t.Errorf("%s: damaged %t, token %v, %v", name, r.Damaged, r.Token != nil, err)
		}
	}
}

func TestReadTellsOfManagedFieldsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := rendered(t, client(nil), token())
	s.ManagedFields[0].FieldsV1.SetRawString(`{"k:x":{}}`)
	_, err := Read(s)
	if err == nil || !strings.Contains(err.Error(), `managed fields of Secret "sync"`) {
		t.Errorf("got %v", err)
	}
}

func TestDrifted(t *testing.T) {
	t.Parallel()
	templates := map[string]egainv1alpha1.Template{"TOKEN": "{{ .AccessToken }}"}
	tests := map[string]struct {
		is   func(*corev1.Secret)
		want func(*egainv1alpha1.EgainClient)
	}{
		"a template's key is gone":    {is: func(s *corev1.Secret) { loses(s, "TOKEN") }},
		"a template's key differs":    {is: func(s *corev1.Secret) { s.Data["TOKEN"] = []byte("x") }},
		"a label is gone":             {is: func(s *corev1.Secret) { loses(s, LabelManagedBy) }},
		"the owner is gone":           {is: func(s *corev1.Secret) { s.OwnerReferences = nil }},
		"a template's key is new":     {want: func(ec *egainv1alpha1.EgainClient) { ec.Spec.Target.Template.Data["new"] = "x" }},
		"a template's key is dropped": {want: func(ec *egainv1alpha1.EgainClient) { ec.Spec.Target.Template = nil }},
		"it is to be retained":        {want: func(ec *egainv1alpha1.EgainClient) { ec.Spec.Target.DeletionPolicy = "Retain" }},
		"it is to be merged":          {want: func(ec *egainv1alpha1.EgainClient) { ec.Spec.Target.CreationPolicy = "Merge" }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rendered(t, client(templates), token())
			if tc.is != nil {
				tc.is(s)
			}
			r, err := Read(s)
			if err != nil || r.Token == nil {
				t.Fatalf("token %v, %v", r.Token != nil, err)
			}
			ec := client(map[string]egainv1alpha1.Template{"TOKEN": "{{ .AccessToken }}"})
			if tc.want != nil {
				tc.want(ec)
			}
			want, err := Render(ec, r.Token)
			if err != nil {
				t.Fatal(err)
			}
			if drifted, err := r.Drifted(want); !drifted || err != nil {
				t.Errorf("drifted %t, %v", drifted, err)
			}
		})
	}
}

func TestForeignKeys(t *testing.T) {
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

func TestClaimOn(t *testing.T) {
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
		"nobody's":                      {&metav1.ObjectMeta{}, want{ClaimNone, ""}, want{ClaimNone, ""}},
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

func TestCreatedForAndMergedBy(t *testing.T) {
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
		"nobody's":             {&metav1.ObjectMeta{}, false, false},
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
