package command

import (
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/doctor"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
)

// installed puts into the cluster what shows that an operator runs, once for all tests. It may ask this machine.
var installed sync.Once

func (s *fixture) operatorRuns() {
	s.t.Helper()
	installed.Do(func() {
		const namespace, account = "egain-operator-system", "egain-operator-controller-manager"
		s.create(
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
			&coordinationv1.Lease{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "egain-operator.auth.egain.com"},
				Spec: coordinationv1.LeaseSpec{
					HolderIdentity: new("pod_1"), LeaseDurationSeconds: new(int32(15)), RenewTime: new(metav1.NewMicroTime(time.Now().Add(time.Hour))),
				},
			},
			&corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "pod"},
				Spec:       corev1.PodSpec{ServiceAccountName: account, Containers: []corev1.Container{{Name: "manager", Image: "operator", Args: []string{"--allow-loopback"}}}},
			},
			&rbacv1.ClusterRoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: "operator"},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
				Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account}},
			},
		)
	})
}

// healthy is an EgainClient whose chain holds, except for how a test changes it.
func (s *simulated) healthy(change ...func(*egainv1alpha1.EgainClient)) *egainv1alpha1.EgainClient {
	s.t.Helper()
	s.app(egainsim.RigelClientID, egainsim.RigelClientSecret)
	ec := s.egainClient("mine", change...)
	if s.secret(ec.TargetName()) == nil {
		s.issue(ec)
	}
	s.ready(ec)
	return ec
}

// diagnose runs the doctor and fails the test if a secret shows.
func (s *simulated) diagnose(args ...string) (doctor.Report, result) {
	s.t.Helper()
	r := s.run(append([]string{"doctor", "mine", "-o", "json"}, args...)...)
	report := doctor.Report{}
	s.Expect(json.Unmarshal([]byte(r.stdout), &report)).To(gomega.Succeed(), r.stdout+r.stderr)
	secrets := []string{egainsim.RigelClientSecret, "wrong-secret"}
	if held := s.secret("mine"); held != nil && len(held.Data[target.KeyAccessToken]) > 0 {
		secrets = append(secrets, string(held.Data[target.KeyAccessToken]))
	}
	for _, secret := range secrets {
		s.Expect(r.stdout + r.stderr).NotTo(gomega.ContainSubstring(secret))
	}
	return report, r
}

func finding(r doctor.Report, check string) doctor.Finding {
	for _, f := range r.Findings {
		if f.Check == check {
			return f
		}
	}
	return doctor.Finding{}
}

func TestDoctorOfAHealthyChain(t *testing.T) {
	t.Parallel()
	s := newSimulated(t)
	s.healthy()
	valid := s.sim.Stats().ValidTokens
	report, r := s.diagnose("--path", portals)
	s.Expect(r.code).To(gomega.Equal(0), r.stdout)
	s.Expect(report.Break).To(gomega.BeEmpty())
	for _, f := range report.Findings {
		s.Expect(f.Status).To(gomega.Equal(doctor.OK), "%+v", f)
	}
	request := finding(report, "TokenRequest")
	s.Expect(request.Details).To(gomega.ContainElements(
		"POST "+s.sim.Rigel().TokenURL(egainsim.Client), "  client_id="+egainsim.RigelClientID, "  client_secret=••••",
		"  grant_type=client_credentials", "  scope=knowledge.portalmgr.manage", "HTTP 200", "expires_in 1h0m0s"))
	s.Expect(s.sim.Stats().ValidTokens).To(gomega.Equal(valid), "the token of the dry run was revoked")

	before := s.sim.Count(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, "")
	report, _ = s.diagnose("--no-request")
	s.Expect(finding(report, "TokenRequest").Status).To(gomega.Equal(doctor.Skipped))
	s.Expect(s.sim.Count(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, "")).To(gomega.Equal(before))
}

func (s *simulated) shared(change func(*egainv1alpha1.EgainTenantSpec)) func(*egainv1alpha1.EgainClient) {
	return func(ec *egainv1alpha1.EgainClient) {
		et := &egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}, Spec: egainv1alpha1.EgainTenantSpec{
			TenantLocation: ec.Spec.Tenant.TenantLocation,
			CABundleRef: &egainv1alpha1.NamespacedCABundleReference{
				CABundleReference: egainv1alpha1.CABundleReference{Name: "egain-ca"}, Namespace: egainv1alpha1.NamespaceName(s.namespace),
			},
		}}
		change(&et.Spec)
		s.create(et)
		s.t.Cleanup(func() { _ = admin.Delete(s.t.Context(), et) })
		ec.Spec.Tenant, ec.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: egainv1alpha1.SecretName(et.Name)}
	}
}

func (s *simulated) change(name string, change func(*corev1.Secret)) {
	s.t.Helper()
	secret := s.secret(name)
	change(secret)
	s.Expect(admin.Update(s.t.Context(), secret)).To(gomega.Succeed())
}

func TestDoctorPointsAtTheLinkThatIsBroken(t *testing.T) {
	t.Parallel()
	type client = egainv1alpha1.EgainClient
	tests := map[string]struct {
		breakIt       func(s *simulated)
		check         string
		said, advised string
		// skipped is a check that then makes no sense.
		skipped string
	}{
		"the credentials Secret is missing": {func(s *simulated) {
			s.healthy()
			s.Expect(admin.Delete(s.t.Context(), s.secret("egain-app"))).To(gomega.Succeed())
		}, "Credentials", `Secret "egain-app" in namespace`, "create secret generic egain-app --from-literal=client_id=ID --from-literal=client_secret=SECRET", "TokenRequest"},
		"the credentials lack a key": {func(s *simulated) {
			s.healthy()
			s.change("egain-app", func(secret *corev1.Secret) { delete(secret.Data, "client_secret") })
		}, "Credentials", `lacks the key "client_secret"`, "describe secret egain-app", "TokenRequest"},
		"the EgainTenant is missing": {func(s *simulated) {
			s.healthy(func(ec *client) {
				ec.Spec.Tenant, ec.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: "nowhere"}
			})
		}, "Tenant", `EgainTenant "nowhere" does not exist`, "kubectl get egaintenants", "CABundle"},
		"the namespace is not allowed": {func(s *simulated) {
			s.healthy(s.shared(func(et *egainv1alpha1.EgainTenantSpec) {
				et.AllowedNamespaces = &egainv1alpha1.AllowedNamespaces{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "b"}}}
			}))
		}, "Tenant", "does not allow namespace", "see what it allows", "TokenRequest"},
		"the scope is not allowed": {func(s *simulated) {
			s.healthy(s.shared(func(et *egainv1alpha1.EgainTenantSpec) { et.AllowedScopes = []egainv1alpha1.ScopePattern{"core.*"} }))
		}, "Endpoints", "does not allow the scopes", "see what it allows", "TokenRequest"},
		"the scope is of the wrong kind": {func(s *simulated) {
			s.healthy(func(ec *client) { ec.Spec.Scopes = []egainv1alpha1.Scope{"core.aiservices.use"} })
		}, "TokenRequest", "invalid_scope", "flow ClientCredentials takes application scopes", ""},
		"the name does not exist": {func(s *simulated) {
			s.healthy(func(ec *client) { tokensAt(ec, "https://login.egain.invalid/token") })
		}, "DNS", "login.egain.invalid has no address in DNS", "correct the host", "TLS"},
		"the certificate is not trusted": {func(s *simulated) {
			s.healthy(func(ec *client) { tokensAt(ec, s.sim.Rigel().TokenURL(egainsim.Client)) })
			s.Expect(s.sim.SetCertificate(egainsim.Certificate{Untrusted: true})).To(gomega.Succeed())
		}, "TLS", "is not trusted", "caBundleRef", "TokenRequest"},
		"the certificate has expired": {func(s *simulated) {
			s.healthy(func(ec *client) { tokensAt(ec, s.sim.Rigel().TokenURL(egainsim.Client)) })
			s.Expect(s.sim.SetCertificate(egainsim.Certificate{NotAfter: time.Now().Add(-time.Minute)})).To(gomega.Succeed())
		}, "TLS", "has expired", "have it renewed", "TokenRequest"},
		"there is no metadata document": {func(s *simulated) {
			s.healthy(func(ec *client) { ec.Spec.Tenant.MetadataURL = egainv1alpha1.HTTPSURL(s.sim.LoginURL() + "/nowhere") })
		}, "Metadata", "answered HTTP 404 for the metadata document", "Metadata URL that the eGain console shows", "DNS"},
		"the metadata document names another site": {func(s *simulated) {
			s.sim.SetFault(egainsim.Match{Endpoint: egainsim.MetadataEndpoint}, egainsim.Fault{
				Set: map[string]json.RawMessage{"token_endpoint": json.RawMessage(`"https://login.example.org/token"`)},
			})
			s.healthy()
		}, "Endpoints", "on login.example.org, a host of another site", "set the URL in spec.tenant.endpoints", "DNS"},
		"the client secret is wrong": {func(s *simulated) {
			s.healthy()
			s.change("egain-app", func(secret *corev1.Secret) { secret.Data["client_secret"] = []byte("wrong-secret") })
		}, "TokenRequest", "invalid_client", `key client_secret of Secret "egain-app"`, ""},
		"the target is of another writer": {func(s *simulated) {
			s.create(&corev1.Secret{ObjectMeta: s.named("mine"), StringData: map[string]string{"password": "theirs"}})
			s.healthy()
		}, "Target", "is not the operator's", "spec.target.secretName", "API"},
		"the target was changed": {func(s *simulated) {
			s.healthy()
			s.change("mine", func(secret *corev1.Secret) { secret.Data[target.KeyAccessToken] = []byte("edited") })
		}, "Target", "was changed by another writer", "kubectl egain renew mine", "API"},
		"no user has logged in": {func(s *simulated) {
			s.healthy(withSession("http://127.0.0.1:8765/callback"))
		}, "Session", `Secret "mine-session" in namespace`, "kubectl egain login mine", "TokenRequest"},
		"the API does not accept the token": {func(s *simulated) {
			s.healthy()
			s.sim.SetFault(egainsim.Match{Endpoint: egainsim.UnknownEndpoint}, egainsim.Fault{Status: 401})
		}, "API", "HTTP 401", "kubectl egain renew mine", ""},
		"the operator works elsewhere": {func(s *simulated) {
			s.flags = []string{"--leader-elect=true", "--watch-namespaces=team-a,team-b"}
			s.healthy()
		}, "Flags", "does not watch namespace", "use one of team-a, team-b", ""},
		"the operator takes no inline tenants": {func(s *simulated) {
			s.flags = []string{"--require-tenant-ref"}
			s.healthy()
		}, "Flags", "from EgainTenants only", "spec.tenantRef", ""},
		"the operator may not ask the tenant": {func(s *simulated) {
			s.flags = []string{"--allowed-hosts=*.egain.cloud"}
			s.healthy()
		}, "Flags", "may not send requests to localhost:", "ask an administrator to allow the host", ""},
		"the operator mints no token for the audience": {func(s *simulated) {
			s.flags = []string{"--allowed-audiences=egain"}
			s.healthy(func(ec *client) {
				ec.Spec.Flow, ec.Spec.TokenExchange = egainv1alpha1.FlowTokenExchange, &egainv1alpha1.TokenExchange{
					RegistrationID: "cluster", SubjectToken: egainv1alpha1.SubjectToken{
						ServiceAccountToken: &egainv1alpha1.ServiceAccountToken{Name: "default", Audience: "sts.amazonaws.com"},
					},
				}
			})
		}, "Flags", `for audience "sts.amazonaws.com"`, "ask an administrator to allow the audience", "Endpoints"},
		"there is no such EgainClient": {func(*simulated) {}, "EgainClient", `EgainClient "mine" not found`, "kubectl egain status", "Status"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulated(t)
			tc.breakIt(s)
			report := s.expectBreak(tc.check, tc.said, tc.advised)
			if strings.Contains(tc.said, "does not allow the scopes") {
				s.Expect(finding(report, "Tenant").Message).To(gomega.HaveSuffix("allows the namespace"), "the scopes are compared later")
			}
			if tc.skipped != "" {
				s.Expect(finding(report, tc.skipped).Status).To(gomega.Equal(doctor.Skipped), tc.skipped)
			}
		})
	}
}

// expectBreak runs doctor, and checks that it reports a broken check with a message and advice.
func (s *simulated) expectBreak(check, said, advised string, args ...string) doctor.Report {
	s.t.Helper()
	report, r := s.diagnose(args...)
	s.Expect(r.code).To(gomega.Equal(1))
	s.Expect(report.Break).To(gomega.Equal(check), r.stdout)
	f := finding(report, check)
	s.Expect(f.Message).To(gomega.ContainSubstring(said))
	s.Expect(f.Advice).To(gomega.ContainSubstring(advised))
	s.Expect(r.stderr).To(gomega.ContainSubstring("check " + check))
	return report
}

func TestDoctorWarns(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare       func(s *simulated)
		check         string
		said, advised string
	}{
		"of a clock that is behind": {func(s *simulated) {
			s.healthy()
			s.sim.SetClockSkew(-10 * time.Minute)
		}, "Clock", "behind this machine's", "correct the wrong clock"},
		"of a certificate that ends soon": {func(s *simulated) {
			s.healthy()
			s.Expect(s.sim.SetCertificate(egainsim.Certificate{NotAfter: time.Now().Add(5 * 24 * time.Hour)})).To(gomega.Succeed())
		}, "TLS", "has a trusted certificate until", "have the certificate renewed"},
		"of a workload that never sees a rotation": {func(s *simulated) {
			s.healthy()
			labels := map[string]string{"app": "web"}
			s.create(&appsv1.Deployment{ObjectMeta: s.named("web"), Spec: appsv1.DeploymentSpec{
				Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
					Volumes: []corev1.Volume{{Name: "token", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "mine"}}}},
					Containers: []corev1.Container{{
						Name: "web", Image: "web", VolumeMounts: []corev1.VolumeMount{{Name: "token", MountPath: "/token", SubPath: "access_token"}},
					}},
				}},
			}})
		}, "Workloads", "read the token only at start", "without subPath"},
		"of a certificate that cannot be parsed": {func(s *simulated) {
			s.healthy()
			bundle := &corev1.ConfigMap{}
			s.Expect(admin.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: "egain-ca"}, bundle)).To(gomega.Succeed())
			bundle.Data["ca.crt"] += "\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
			s.Expect(admin.Update(s.t.Context(), bundle)).To(gomega.Succeed())
		}, "CABundle", "block 2 is not a certificate that can be parsed", "the rest of the CA bundle is trusted"},
		"of an EgainClient that is suspended": {func(s *simulated) {
			s.healthy(func(ec *egainv1alpha1.EgainClient) { ec.Spec.Suspend = new(true) })
		}, "EgainClient", "suspended", "kubectl egain resume mine"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulated(t)
			tc.prepare(s)
			report, r := s.diagnose()
			s.Expect(report.Break).To(gomega.BeEmpty(), r.stdout)
			s.Expect(r.code).To(gomega.Equal(0))
			f := finding(report, tc.check)
			s.Expect(f.Status).To(gomega.Equal(doctor.Warning), r.stdout)
			s.Expect(f.Message).To(gomega.ContainSubstring(tc.said))
			s.Expect(f.Advice).To(gomega.ContainSubstring(tc.advised))
		})
	}
}

func TestDoctorReadsCredentialsAsTheOperatorDoes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		stored string
		status doctor.Status
		said   string
	}{
		"as Windows writes text": {"\ufeff" + egainsim.RigelClientSecret + "\r\n", doctor.OK, "contains client_id"},
		"with quotes around":     {`"` + egainsim.RigelClientSecret + `"`, doctor.Warning, `the value of client_secret in Secret "egain-app" starts or ends with a quotation mark or space`},
		"with a space after":     {egainsim.RigelClientSecret + " ", doctor.Warning, "starts or ends with a quotation mark or space"},
		"with a hidden space":    {egainsim.RigelClientSecret + "\u200b", doctor.Broken, `key "client_secret" of Secret "egain-app" contains U+200B (zero-width space)`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulated(t)
			s.healthy()
			s.change("egain-app", func(o *corev1.Secret) { o.Data["client_secret"] = []byte(tc.stored) })
			report, r := s.diagnose("--no-request")
			f := finding(report, "Credentials")
			s.Expect(f.Status).To(gomega.Equal(tc.status), r.stdout)
			s.Expect(f.Message).To(gomega.ContainSubstring(tc.said))
		})
	}
}

// The refresh token serves once and is the operator's: the doctor must not use it up.
func TestDoctorNeverRefreshesASession(t *testing.T) {
	t.Parallel()
	s := newSimulated(t)
	stored := &corev1.Secret{ObjectMeta: s.named("mine-session"), StringData: map[string]string{session.KeyRefreshToken: "precious"}}
	stored.Annotations = map[string]string{session.AnnotationID: "a-login"}
	s.create(stored)
	s.healthy(withSession("http://127.0.0.1:8765/callback"))
	s.sim.ClearRecord()
	report, r := s.diagnose()
	f := finding(report, "TokenRequest")
	s.Expect(f.Status).To(gomega.Equal(doctor.Skipped), r.stdout)
	s.Expect(f.Message).To(gomega.ContainSubstring("would use up the refresh token"))
	s.Expect(s.sim.Count(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, "")).To(gomega.BeZero())
	s.Expect(r.stdout + r.stderr).NotTo(gomega.ContainSubstring("precious"))
}

func TestDoctorForAUserWhoMayReadLittle(t *testing.T) {
	t.Parallel()
	s := newSimulated(t)
	s.healthy()
	s.create(
		&corev1.ServiceAccount{ObjectMeta: s.named("viewer")},
		&rbacv1.Role{ObjectMeta: s.named("viewer"), Rules: []rbacv1.PolicyRule{{APIGroups: []string{"auth.egain.com"}, Resources: []string{"egainclients"}, Verbs: []string{"get"}}}},
		&rbacv1.RoleBinding{
			ObjectMeta: s.named("viewer"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "viewer"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: s.namespace, Name: "viewer"}},
		},
	)
	report, r := s.diagnose("--as", "system:serviceaccount:"+s.namespace+":viewer")
	s.Expect(r.code).To(gomega.Equal(0), "what the user may not read is no fault of the chain: %s", r.stdout)
	for _, check := range []string{"Credentials", "CABundle", "Target", "Operator", "Workloads"} {
		s.Expect(finding(report, check).Status).To(gomega.Equal(doctor.Warning), "%s: %+v", check, finding(report, check))
	}
	s.Expect(finding(report, "Credentials").Message).To(gomega.ContainSubstring("you may not read"))
	s.Expect(finding(report, "Status").Status).To(gomega.Equal(doctor.OK))
	s.Expect(finding(report, "Flags").Status).To(gomega.Equal(doctor.Skipped))
	s.Expect(finding(report, "Flags").Message).To(gomega.ContainSubstring("flags are unknown"))
}

func TestDoctorReadsTheFlagsOfTheOperator(t *testing.T) {
	t.Parallel()
	t.Run("which let it ask hosts, and let no document name other sites", func(t *testing.T) {
		t.Parallel()
		s := newSimulated(t)
		s.sim.SetFault(egainsim.Match{Endpoint: egainsim.MetadataEndpoint}, egainsim.Fault{
			Set: map[string]json.RawMessage{"token_endpoint": json.RawMessage(`"https://login.example.invalid/token"`)},
		})
		s.flags = []string{"--kubeconfig=/etc/kubeconfig", "--allowed-hosts=*.example.invalid,localhost:" + s.port()}
		s.healthy()
		report, r := s.diagnose()
		s.Expect(report.Break).To(gomega.Equal("Endpoints"), r.stdout)
		s.Expect(finding(report, "Flags").Status).To(gomega.Equal(doctor.OK), r.stdout)
	})
	t.Run("which a host that the EgainTenant trusts must be among too", func(t *testing.T) {
		t.Parallel()
		s := newSimulated(t)
		s.sim.SetFault(egainsim.Match{Endpoint: egainsim.MetadataEndpoint}, egainsim.Fault{
			Set: map[string]json.RawMessage{"token_endpoint": json.RawMessage(`"https://login.example.invalid/token"`)},
		})
		s.flags = []string{"--allowed-hosts=*.example.invalid,localhost:" + s.port()}
		s.healthy(s.shared(func(et *egainv1alpha1.EgainTenantSpec) {
			et.TrustedHosts = []egainv1alpha1.HostName{"login.example.invalid"}
		}))
		report, r := s.diagnose()
		s.Expect(report.Break).To(gomega.Equal("DNS"), r.stdout)
		s.Expect(finding(report, "Flags").Status).To(gomega.Equal(doctor.OK), r.stdout)
		s.flags = []string{"--allowed-hosts=localhost:" + s.port()}
		report, _ = s.diagnose()
		s.Expect(report.Break).To(gomega.Equal("Endpoints"))
		s.Expect(finding(report, "Endpoints").Message).To(gomega.ContainSubstring("may not send requests to login.example.invalid (--allowed-hosts)"))
	})
	t.Run("to send labelled Secrets only", func(t *testing.T) {
		t.Parallel()
		s := newSimulated(t)
		s.flags = []string{"--allow-loopback", "--require-application"}
		s.healthy(s.shared(func(*egainv1alpha1.EgainTenantSpec) {}))
		report, r := s.diagnose()
		s.Expect(report.Break).To(gomega.Equal("Credentials"), r.stdout)
		s.Expect(finding(report, "Credentials").Message).To(gomega.ContainSubstring("is not labelled auth.egain.com/subject-token"))
		s.Expect(finding(report, "TokenRequest").Status).To(gomega.Equal(doctor.Skipped))
	})
	t.Run("unless they are of another version", func(t *testing.T) {
		t.Parallel()
		s := newSimulated(t)
		s.flags = []string{"--require-tenant-ref", "--of-the-future"}
		s.healthy()
		report, r := s.diagnose()
		s.Expect(r.code).To(gomega.Equal(0), r.stdout)
		s.Expect(finding(report, "Flags").Status).To(gomega.Equal(doctor.Skipped))
	})
}

func TestDoctorLeavesTheRequestOfAnApplicationToTheOperator(t *testing.T) {
	t.Parallel()
	s := newSimulated(t)
	s.healthy(s.shared(func(spec *egainv1alpha1.EgainTenantSpec) {
		spec.Applications = []egainv1alpha1.Application{{
			Name: "default", AllowedFlows: []egainv1alpha1.Flow{egainv1alpha1.FlowClientCredentials},
			AllowedNamespaces: egainv1alpha1.AllowedNamespaces{Names: []egainv1alpha1.NamespaceName{egainv1alpha1.NamespaceName(s.namespace)}},
			CredentialsSecretRef: egainv1alpha1.ApplicationCredentialsReference{
				Namespace: "platform", Name: "acme-app",
			},
		}}
	}), func(ec *egainv1alpha1.EgainClient) {
		ec.Spec.CredentialsSecretRef, ec.Spec.TenantRef.Application = nil, "default"
	})
	before := s.sim.Count(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, "")
	report, r := s.diagnose()
	s.Expect(r.code).To(gomega.Equal(0), r.stdout)
	request := finding(report, "TokenRequest")
	s.Expect(request.Status).To(gomega.Equal(doctor.Skipped))
	s.Expect(request.Message).To(gomega.ContainSubstring(`only the operator uses the credentials of application "default"`))
	s.Expect(s.sim.Count(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, "")).To(gomega.Equal(before), "nothing is sent")
}

// port is the simulator's.
func (s *simulated) port() string {
	u, err := url.Parse(s.sim.LoginURL())
	s.Expect(err).NotTo(gomega.HaveOccurred())
	return u.Port()
}

func TestDoctorForPeople(t *testing.T) {
	t.Parallel()
	s := newSimulated(t)
	s.healthy()
	s.change("egain-app", func(secret *corev1.Secret) { delete(secret.Data, "client_secret") })
	r := s.run("doctor", "mine")
	s.Expect(r.code).To(gomega.Equal(1))
	s.Expect(r.stdout).To(gomega.MatchRegexp(`(?m)^\+ EgainClient +flow ClientCredentials`))
	s.Expect(r.stdout).To(gomega.MatchRegexp(`(?m)^x Credentials .*<- it breaks here$`))
	s.Expect(r.stdout).To(gomega.MatchRegexp(`(?m)^- TokenRequest +skipped: needs Credentials$`))
	s.Expect(strings.Count(r.stdout, "it breaks here")).To(gomega.Equal(1))

	s.Expect(s.run("doctor", "mine", "-o", "table").code).To(gomega.Equal(2))
	r = s.run("doctor", "mine", "-o", "yaml")
	s.Expect(r.stdout).To(gomega.ContainSubstring("break: Credentials\n"))
}
