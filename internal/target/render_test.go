package target

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/rotation"
)

// written is the Secret that applying a configuration makes of nothing, with the managed fields of the API server.
func written(tb testing.TB, ac *corev1ac.SecretApplyConfiguration) *corev1.Secret {
	tb.Helper()
	encoded, err := json.Marshal(ac)
	if err != nil {
		tb.Fatal(err)
	}
	secret := &corev1.Secret{}
	if err := json.Unmarshal(encoded, secret); err != nil {
		tb.Fatal(err)
	}
	secret.ManagedFields = []metav1.ManagedFieldsEntry{{
		Manager: Manager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: "v1", FieldsType: "FieldsV1",
		FieldsV1: metav1.NewFieldsV1(fieldsOf(tb, secret)),
	}}
	return secret
}

// fieldsOf are the fields of a Secret that its applier owns.
func fieldsOf(tb testing.TB, s *corev1.Secret) string {
	tb.Helper()
	empty := map[string]any{}
	named := func(names map[string]string) map[string]any {
		fields := map[string]any{}
		for name := range names {
			fields["f:"+name] = empty
		}
		return fields
	}
	data := map[string]any{}
	for key := range s.Data {
		data["f:"+key] = empty
	}
	owners := map[string]any{}
	for _, o := range s.OwnerReferences {
		owners[`k:{"uid":"`+string(o.UID)+`"}`] = empty
	}
	fields := map[string]any{"f:data": data, "f:metadata": map[string]any{
		"f:labels": named(s.Labels), "f:annotations": named(s.Annotations), "f:ownerReferences": owners,
	}}
	if s.Type != "" {
		fields["f:type"] = empty
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		tb.Fatal(err)
	}
	return string(raw)
}

func rendered(t *testing.T, ec *egainv1alpha1.EgainClient, tok *Token) *corev1.Secret {
	t.Helper()
	ac, err := Render(ec, tok)
	if err != nil {
		t.Fatal(err)
	}
	return written(t, ac)
}

func TestTarget_RenderOwner(t *testing.T) {
	t.Parallel()
	ec := client(map[string]egainv1alpha1.Template{"TOKEN": "{{ .AccessToken }}"})
	ec.Spec.Target.Template.Metadata = &egainv1alpha1.TargetMetadata{
		Labels:      map[string]egainv1alpha1.LabelValue{"team": "a"},
		Annotations: map[string]egainv1alpha1.AnnotationValue{"note": "b"},
	}
	s := rendered(t, ec, token())
	want := &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "team-a", Name: "sync",
			Labels: map[string]string{"app.kubernetes.io/managed-by": "egain-operator", "team": "a"},
			Annotations: map[string]string{
				"note":                              "b",
				"auth.egain.com/owned-by":           "sync",
				"auth.egain.com/issue-time":         "2026-11-23T10:00:00Z",
				"auth.egain.com/expiration-time":    "2026-11-23T11:00:00Z",
				"auth.egain.com/issued-for-spec":    "spec-1",
				"auth.egain.com/issued-for-sources": "credentials=uid/1",
				"auth.egain.com/issued-for-request": "request-1",
				"auth.egain.com/handled-renewal":    "once",
			},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "auth.egain.com/v1alpha1", Kind: "EgainClient", Name: "sync", UID: "uid-of-sync", Controller: new(true),
			}},
			ManagedFields: s.ManagedFields,
		},
		Type: "Opaque",
		Data: map[string][]byte{
			"access_token": []byte(accessToken), "token_type": []byte("Bearer"), "expires_at": []byte("2026-11-23T11:00:00Z"),
			"scope": []byte("a.read b.write"), "authorization": []byte("Bearer " + accessToken), "api_url": []byte("https://api.example.com"),
			"TOKEN": []byte(accessToken),
		},
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
}

func TestTarget_RenderMerge(t *testing.T) {
	t.Parallel()
	ec := client(map[string]egainv1alpha1.Template{"b": "x", "a": "x"})
	ec.Spec.Target.CreationPolicy, ec.Spec.Target.SecretName = egainv1alpha1.CreationPolicyMerge, "app"
	s := rendered(t, ec, token())
	if s.Name != "app" || s.Type != "" || s.Labels != nil || s.OwnerReferences != nil {
		t.Errorf("a merged Secret is not ours: %v %v %v %v", s.Name, s.Type, s.Labels, s.OwnerReferences)
	}
	if s.Annotations[AnnotationMergedBy] != "sync" || s.Annotations[AnnotationMergedKeys] != "a,b" {
		t.Errorf("annotations %v", s.Annotations)
	}
	if _, owned := s.Annotations[AnnotationOwnedBy]; owned || len(s.Data) != 8 {
		t.Errorf("annotations %v, %d keys", s.Annotations, len(s.Data))
	}
}

func TestTarget_RenderWithoutWhatIsOptional(t *testing.T) {
	t.Parallel()
	ec := client(nil)
	ec.Spec.Target.DeletionPolicy = egainv1alpha1.DeletionPolicyRetain
	tok := token()
	tok.Renewal, tok.Request, tok.Scopes, tok.APIURL = "", "", nil, ""
	s := rendered(t, ec, tok)
	if len(s.OwnerReferences) != 0 || s.Annotations[AnnotationOwnedBy] != "sync" {
		t.Errorf("a Secret to be retained: %v %v", s.OwnerReferences, s.Annotations)
	}
	if _, found := s.Annotations[AnnotationRenewal]; found {
		t.Error("no renewal was ever asked for")
	}
	if _, found := s.Annotations[AnnotationIssuedForRequest]; found {
		t.Error("what an earlier version wrote would count as drifted")
	}
	if _, found := s.Data[KeyAPIURL]; !found || len(s.Data) != 6 {
		t.Errorf("every key is there, if empty: %v", s.Data)
	}
}

func TestTarget_RenderFailsWithATemplate(t *testing.T) {
	t.Parallel()
	_, err := Render(client(map[string]egainv1alpha1.Template{"a": "{{ .No }}"}), token())
	wantFault(t, err, `["a"] names .No`)
}

func TestTarget_Keys(t *testing.T) {
	t.Parallel()
	core := []string{"access_token", "api_url", "authorization", "expires_at", "scope", "token_type"}
	if diff := cmp.Diff(core, Keys(client(nil))); diff != "" {
		t.Error(diff)
	}
	ec := client(map[string]egainv1alpha1.Template{"z": "x", "b": "x"})
	if diff := cmp.Diff([]string{"access_token", "api_url", "authorization", "b", "expires_at", "scope", "token_type", "z"}, Keys(ec)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(core, Keys(client(nil))); diff != "" {
		t.Errorf("the list is not shared: %s", diff)
	}
}

func TestTarget_Recall(t *testing.T) {
	t.Parallel()
	whole := map[string]string{
		AnnotationIssueTime: "2026-11-23T10:00:00Z", AnnotationExpirationTime: "2026-11-23T11:00:00Z",
		AnnotationIssuedForSpec: "spec-1", AnnotationIssuedForSources: "sources", AnnotationRenewal: "once",
		AnnotationIssuedForRequest: "request-1",
	}
	but := func(name, value string) map[string]string {
		m := maps.Clone(whole)
		m[name] = value
		return m
	}
	want := &rotation.Token{IssueTime: issued, ExpirationTime: issued.Add(time.Hour), Spec: "spec-1", Sources: "sources", Renewal: "once", Request: "request-1"}
	earlier := *want
	earlier.Request = ""
	minimal := &rotation.Token{IssueTime: issued, ExpirationTime: issued.Add(time.Hour), Spec: "spec-1"}
	tests := map[string]struct {
		annotations map[string]string
		want        *rotation.Token
	}{
		"whole":                        {whole, want},
		"in another time zone":         {but(AnnotationIssueTime, "2026-11-23T12:00:00+02:00"), want},
		"of a token without sources":   {map[string]string{AnnotationIssueTime: "2026-11-23T10:00:00Z", AnnotationExpirationTime: "2026-11-23T11:00:00Z", AnnotationIssuedForSpec: "spec-1"}, minimal},
		"of an earlier version":        {but(AnnotationIssuedForRequest, ""), &earlier},
		"nothing":                      {nil, nil},
		"no time of issue":             {but(AnnotationIssueTime, ""), nil},
		"a spoilt time of issue":       {but(AnnotationIssueTime, "yesterday"), nil},
		"a spoilt time of expiry":      {but(AnnotationExpirationTime, "tomorrow"), nil},
		"an expiry before the issue":   {but(AnnotationExpirationTime, "2026-11-23T09:00:00Z"), nil},
		"an expiry at the issue":       {but(AnnotationExpirationTime, "2026-11-23T10:00:00Z"), nil},
		"not saying what it is for":    {but(AnnotationIssuedForSpec, ""), nil},
		"annotations of another owner": {map[string]string{"note": "x"}, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Recall(&metav1.ObjectMeta{Annotations: tc.annotations})
			if got != nil {
				got.IssueTime = got.IssueTime.UTC()
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
