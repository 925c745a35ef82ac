package target

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/randfill"
)

// Whatever a Secret may hold, so that a field that a new version of Kubernetes brings is missed here first.
func TestTarget_TheSchemaReadsWhatClientGoReads(t *testing.T) {
	t.Parallel()
	const fields = `{"f:data":{".":{},"f:access_token":{}},"f:immutable":{},"f:type":{},"f:metadata":{` +
		`"f:annotations":{"f:auth.egain.com/issue-time":{}},"f:labels":{"f:team":{}},"f:finalizers":{"v:\"x\"":{}},` +
		`"f:ownerReferences":{"k:{\"uid\":\"uid-of-sync\"}":{}}}}`
	fill := randfill.NewWithSeed(1).NilChance(0).NumElements(1, 3).Funcs(
		func(at *metav1.Time, _ randfill.Continue) { at.Time = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) },
		func(f *metav1.FieldsV1, _ randfill.Continue) { f.SetRawString(`{"f:data":{"f:theirs":{}}}`) },
	)
	for range 20 {
		s := &corev1.Secret{}
		fill.Fill(s)
		s.Data["access_token"], s.Data["theirs"] = []byte("tok"), []byte("x")
		s.Annotations[AnnotationIssueTime], s.Labels["team"], s.Finalizers = "2026-11-24T12:00:00Z", "a", append(s.Finalizers, "x")
		s.OwnerReferences[0].UID = "uid-of-sync"
		s.ManagedFields = append(s.ManagedFields, metav1.ManagedFieldsEntry{
			Manager: Manager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: "v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
		})
		want, err := corev1ac.ExtractSecret(s, Manager)
		if err != nil {
			t.Fatal(err)
		}
		got, err := extract(s)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if got.Data["access_token"] == nil || got.Data["theirs"] != nil || len(got.OwnerReferences) != 1 || *got.Immutable != *s.Immutable {
			t.Errorf("extracted %v", got)
		}
	}
}

// Not parallel, since it counts what the whole process allocates.
func TestTarget_TheSchemaTakesLittleToParse(t *testing.T) {
	if bytes := allocated(func() { parseSchema() }); bytes > 1<<20 {
		t.Errorf("%d kB were allocated", bytes>>10)
	} else {
		t.Logf("%d kB were allocated", bytes>>10)
	}
}
