package target

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/session"
)

// uses are the fields by which an EgainClient names a Secret to read.
var uses = map[string]func(*egainv1alpha1.EgainClient, egainv1alpha1.SecretName){
	"spec.credentialsSecretRef": func(ec *egainv1alpha1.EgainClient, name egainv1alpha1.SecretName) {
		ec.Spec.CredentialsSecretRef = &egainv1alpha1.CredentialsSecretReference{Name: name}
	},
	"spec.tokenExchange.subjectToken.secretKeyRef": func(ec *egainv1alpha1.EgainClient, name egainv1alpha1.SecretName) {
		ec.Spec.TokenExchange = &egainv1alpha1.TokenExchange{SubjectToken: egainv1alpha1.SubjectToken{SecretKeyRef: &egainv1alpha1.SecretKeyReference{Name: name, Key: "token"}}}
	},
	"spec.authorizationCode.sessionSecretRef": func(ec *egainv1alpha1.EgainClient, name egainv1alpha1.SecretName) {
		ec.Spec.AuthorizationCode = &egainv1alpha1.AuthorizationCode{SessionSecretRef: egainv1alpha1.SessionSecretReference{Name: name}}
	},
	"spec.tenant.caBundleRef": func(ec *egainv1alpha1.EgainClient, name egainv1alpha1.SecretName) {
		ec.Spec.Tenant.CABundleRef = &egainv1alpha1.CABundleReference{Kind: "Secret", Name: name}
	},
}

// wantConflict fails the test unless a target is refused for what a Secret is for.
func wantConflict(t *testing.T, err error, words string) {
	t.Helper()
	f := fault.Of(err)
	if f == nil || f.Class != fault.Terminal || f.Reason != egainv1alpha1.ReasonTargetConflict || !strings.Contains(f.Message, words) {
		t.Errorf("got %v, want a TargetConflict with %s", err, words)
	}
}

func TestTarget_ASecretThatAnotherClientReadsIsNoTarget(t *testing.T) {
	t.Parallel()
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "sync"}, Data: map[string][]byte{"password": []byte("theirs")}}
	merge := client(nil)
	merge.Spec.Target.CreationPolicy = egainv1alpha1.CreationPolicyMerge
	for field, use := range uses {
		for order, minutes := range map[string]int{"an older client": -1, "a younger client": 1} {
			user := named("user", "elsewhere", minutes)
			use(&user, "sync")
			for name, tc := range map[string]struct {
				ec      *egainv1alpha1.EgainClient
				s       *fakeSecrets
				refused bool
			}{
				"to create":               {client(nil), secretsWith(t), true},
				"to merge, not there yet": {merge, secretsWith(t), true},
				"to merge":                {merge, secretsWith(t, theirs), true},
				"merged":                  {merge, secretsWith(t, rendered(t, merge, token())), true},
				"created":                 {client(nil), secretsWith(t, rendered(t, client(nil), token())), false},
				"created, to merge now":   {merge, secretsWith(t, rendered(t, client(nil), token())), false},
			} {
				t.Run(field+" of "+order+", "+name, func(t *testing.T) {
					t.Parallel()
					seen, err := observed(t, tc.s, tc.ec, user)
					if !tc.refused {
						if err != nil {
							t.Errorf("refused: %v", err)
						}
						return
					}
					wantConflict(t, err, `EgainClient "user" names Secret "sync" in `+field+`: set another spec.target.secretName`)
					if name == "merged" && seen.Token == nil {
						t.Error("the token that is there is as good as it was")
					}
				})
			}
		}
	}
}

func TestTarget_ASecretThatATenantReadsIsNoTarget(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ref     egainv1alpha1.NamespacedCABundleReference
		refused bool
	}{
		"that Secret":           {egainv1alpha1.NamespacedCABundleReference{Namespace: "team-a", CABundleReference: egainv1alpha1.CABundleReference{Kind: "Secret", Name: "sync"}}, true},
		"another Secret":        {egainv1alpha1.NamespacedCABundleReference{Namespace: "team-a", CABundleReference: egainv1alpha1.CABundleReference{Kind: "Secret", Name: "other"}}, false},
		"in another namespace":  {egainv1alpha1.NamespacedCABundleReference{Namespace: "team-b", CABundleReference: egainv1alpha1.CABundleReference{Kind: "Secret", Name: "sync"}}, false},
		"a ConfigMap of a name": {egainv1alpha1.NamespacedCABundleReference{Namespace: "team-a", CABundleReference: egainv1alpha1.CABundleReference{Kind: "ConfigMap", Name: "sync"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tenant := egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: "acme"}, Spec: egainv1alpha1.EgainTenantSpec{CABundleRef: &tc.ref}}
			_, err := Observe(t.Context(), secretsWith(t), fakeTenants{tenants: []egainv1alpha1.EgainTenant{{}, tenant}}, client(nil), nil, Known{})
			if !tc.refused {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			wantConflict(t, err, `EgainTenant "acme" names Secret "sync" in spec.caBundleRef`)
		})
	}
}

// TestTarget_AKnownTargetIsRefusedOnceAnotherClientReadsIt although the Secret has not changed.
func TestTarget_AKnownTargetIsRefusedOnceAnotherClientReadsIt(t *testing.T) {
	t.Parallel()
	ec := client(nil)
	ec.Spec.Target.CreationPolicy = egainv1alpha1.CreationPolicyMerge
	s := secretsWith(t, rendered(t, ec, token()))
	first, err := observed(t, s, ec)
	if err != nil || first.Known == (Known{}) {
		t.Fatalf("%+v, %v", first, err)
	}
	user := named("user", "elsewhere", 1)
	uses["spec.credentialsSecretRef"](&user, "sync")
	_, err = Observe(t.Context(), s, fakeClients{user}, ec, first.Meta, first.Known)
	wantConflict(t, err, "credentialsSecretRef")
	if _, err = Observe(t.Context(), s, fakeClients{}, ec, first.Meta, first.Known); err != nil {
		t.Errorf("refused though it is not read any more: %v", err)
	}
}

func TestTarget_ASessionIsNoTarget(t *testing.T) {
	t.Parallel()
	merge := client(nil)
	merge.Spec.Target.CreationPolicy = egainv1alpha1.CreationPolicyMerge
	for mark, annotations := range map[string]map[string]string{
		"by a login":              {session.AnnotationID: "x", session.AnnotationClient: "team-a/other"},
		"by an earlier login":     {session.AnnotationID: "x"},
		"by a refresh":            {session.AnnotationExpirationTime: "2027-01-01T00:00:00Z"},
		"by a refresh, no expiry": {session.AnnotationExpirationTime: ""},
	} {
		for name, is := range map[string]struct {
			ec     *egainv1alpha1.EgainClient
			secret *corev1.Secret
		}{
			"to merge": {merge, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "sync"}, Data: map[string][]byte{"refresh_token": []byte("x")}}},
			"merged":   {merge, rendered(t, merge, token())},
			"created":  {client(nil), rendered(t, client(nil), token())},
		} {
			t.Run("marked "+mark+", "+name, func(t *testing.T) {
				t.Parallel()
				secret := is.secret.DeepCopy()
				for key, value := range annotations {
					metav1.SetMetaDataAnnotation(&secret.ObjectMeta, key, value)
				}
				_, err := observed(t, secretsWith(t, secret), is.ec)
				wantConflict(t, err, `Secret "sync" contains the session of a login`)
			})
		}
	}
}

func TestTarget_NothingIsAddedToWhatLogsInToTheCluster(t *testing.T) {
	t.Parallel()
	ec := client(nil)
	ec.Spec.Target.CreationPolicy = egainv1alpha1.CreationPolicyMerge
	for secretType, refused := range map[corev1.SecretType]bool{
		corev1.SecretTypeServiceAccountToken: true, corev1.SecretTypeBootstrapToken: true, corev1.SecretTypeBasicAuth: false,
		corev1.SecretTypeOpaque: false, corev1.SecretTypeTLS: false, "helm.sh/release.v1": false, "": false,
	} {
		for name, secret := range map[string]*corev1.Secret{
			"to merge": {ObjectMeta: metav1.ObjectMeta{Name: "sync"}}, "merged by an earlier version": rendered(t, ec, token()),
		} {
			t.Run(name+" "+string(secretType), func(t *testing.T) {
				t.Parallel()
				secret := secret.DeepCopy()
				secret.Type = secretType
				_, err := observed(t, secretsWith(t, secret), ec)
				if refused {
					wantConflict(t, err, `is of type "`+string(secretType)+`", whose content logs in to the cluster`)
				} else if err != nil {
					t.Errorf("refused: %v", err)
				}
			})
		}
	}
}
