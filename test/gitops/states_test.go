package gitops_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/test/testbed"
)

// Healths of Argo CD, from the worst that an application takes over from its resources to the best.
const (
	degraded    = "Degraded"
	progressing = "Progressing"
	suspended   = "Suspended"
	healthy     = "Healthy"
)

// expectation is what tools are to make of a state.
type expectation struct {
	// reasons are those of the conditions by which the state is known to be reached.
	reasons string
	kstatus status.Status
	health  string
	// says is a part of the message that Argo CD shows.
	says string
}

// clientState is how an EgainClient comes into a state.
type clientState struct {
	expectation
	// first is done before the client is applied; by default its credentials are.
	first func(w *world, ec *egainv1alpha1.EgainClient)
	// then is done once it has a token; absent if it is not to get one.
	then func(w *world, ec *egainv1alpha1.EgainClient)
	// last is done when all other clients are in their states, since it concerns them too.
	last func(w *world, ec *egainv1alpha1.EgainClient)
	// offline is done when the operator has stopped.
	offline func(w *world, ec *egainv1alpha1.EgainClient)
}

const (
	ready = "TokenValid, Issued"
	// short is a life of tokens that ends while the test waits for it, and not shorter than renewal can keep up with.
	short = "12"
)

var clientStates = map[string]clientState{
	"ready": {
		expectation: expectation{ready, status.CurrentStatus, healthy, "holds an unexpired token"},
	},
	"ready and the renewal fails": {
		then:        func(w *world, ec *egainv1alpha1.EgainClient) { w.fault(ec, down); w.renew(ec) },
		expectation: expectation{"TokenValid, ServerUnavailable", status.CurrentStatus, healthy, "temporarily_unavailable"},
	},
	"ready and the renewal is rejected": {
		then:        func(w *world, ec *egainv1alpha1.EgainClient) { w.fault(ec, rejecting); w.renew(ec) },
		expectation: expectation{"TokenValid, ClientRejected", status.CurrentStatus, healthy, "invalid_client"},
	},
	"ready and the clocks differ": {
		last: func(w *world, ec *egainv1alpha1.EgainClient) {
			w.sim.SetClockSkew(2 * time.Minute)
			w.renew(ec)
		},
		expectation: expectation{ready + ", ClockAhead", status.CurrentStatus, healthy, "holds an unexpired token"},
	},
	"suspended with a token": {
		then:        func(w *world, ec *egainv1alpha1.EgainClient) { w.suspend(ec) },
		expectation: expectation{"TokenValid, Suspended", status.CurrentStatus, healthy, "spec.suspend is set"},
	},
	"suspended without a token": {
		first:       func(w *world, ec *egainv1alpha1.EgainClient) { w.credentials(ec); ec.Spec.Suspend = new(true) },
		expectation: expectation{"NoToken, Suspended", status.InProgressStatus, suspended, "spec.suspend is set"},
	},
	"suspended with an expired token": {
		first: func(w *world, ec *egainv1alpha1.EgainClient) { w.credentials(ec); w.fault(ec, living(short, 0)) },
		then: func(w *world, ec *egainv1alpha1.EgainClient) {
			w.suspend(ec)
			w.await(ec, "TokenExpired, Suspended")
		},
		expectation: expectation{"TokenExpired, Suspended", status.InProgressStatus, suspended, "has expired"},
	},
	"waiting for its credentials": {
		first:       func(*world, *egainv1alpha1.EgainClient) {},
		expectation: expectation{"NoToken, CredentialsNotFound", status.InProgressStatus, progressing, "-app"},
	},
	"waiting for an EgainTenant": {
		first: func(w *world, ec *egainv1alpha1.EgainClient) {
			w.credentials(ec)
			ec.Spec.Tenant, ec.Spec.TenantRef = egainv1alpha1.Tenant{}, &egainv1alpha1.TenantReference{Name: "not-there-yet"}
		},
		expectation: expectation{"NoToken, TenantNotFound", status.InProgressStatus, progressing, "not-there-yet"},
	},
	"waiting for a login": {
		first: func(w *world, ec *egainv1alpha1.EgainClient) {
			w.credentials(ec)
			ec.Spec.Flow = egainv1alpha1.FlowAuthorizationCode
			ec.Spec.AuthorizationCode = &egainv1alpha1.AuthorizationCode{SessionSecretRef: egainv1alpha1.SessionSecretReference{Name: "nobody-yet"}}
		},
		expectation: expectation{"NoToken, SessionNotFound", status.InProgressStatus, suspended, "kubectl egain login"},
	},
	"the session has ended": {
		first: func(w *world, ec *egainv1alpha1.EgainClient) {
			w.credentials(ec)
			login := testbed.Named("ended-session")
			login.Annotations = map[string]string{session.AnnotationID: "a-login", session.AnnotationClient: client.ObjectKeyFromObject(ec).String()}
			w.apply(&corev1.Secret{ObjectMeta: login, StringData: map[string]string{"refresh_token": "of another time"}})
			ec.Spec.Flow = egainv1alpha1.FlowAuthorizationCode
			ec.Spec.AuthorizationCode = &egainv1alpha1.AuthorizationCode{SessionSecretRef: egainv1alpha1.SessionSecretReference{Name: "ended-session"}}
		},
		expectation: expectation{"NoToken, ReauthorizationRequired", status.FailedStatus, degraded, "log in again"},
	},
	"the credentials lack a key": {
		first: func(w *world, ec *egainv1alpha1.EgainClient) {
			w.apply(&corev1.Secret{ObjectMeta: testbed.Named(ec.Name + "-app"), StringData: map[string]string{"client_id": ec.Name}})
		},
		expectation: expectation{"NoToken, CredentialsInvalid", status.FailedStatus, degraded, "client_secret"},
	},
	"eGain rejects the client": {
		first:       func(w *world, ec *egainv1alpha1.EgainClient) { w.credentials(ec); w.fault(ec, rejecting) },
		expectation: expectation{"NoToken, ClientRejected", status.FailedStatus, degraded, "invalid_client"},
	},
	"eGain cannot be reached": {
		first:       func(w *world, ec *egainv1alpha1.EgainClient) { w.credentials(ec); w.fault(ec, down) },
		expectation: expectation{"NoToken, ServerUnavailable", status.InProgressStatus, progressing, "temporarily_unavailable"},
	},
	"eGain asks for fewer requests": {
		first: func(w *world, ec *egainv1alpha1.EgainClient) {
			w.credentials(ec)
			w.fault(ec, egainsim.Fault{Status: http.StatusTooManyRequests, RetryAfter: time.Minute})
		},
		expectation: expectation{"NoToken, RateLimited", status.InProgressStatus, progressing, "HTTP 429"},
	},
	"the token has expired and eGain cannot be reached": {
		first: func(w *world, ec *egainv1alpha1.EgainClient) {
			w.credentials(ec)
			w.fault(ec, living(short, 1))
			w.fault(ec, down)
		},
		expectation: expectation{"TokenExpired, ServerUnavailable", status.InProgressStatus, degraded, "has expired"},
	},
	"the token has expired and eGain rejects the client": {
		first: func(w *world, ec *egainv1alpha1.EgainClient) {
			w.credentials(ec)
			w.fault(ec, living(short, 1))
			w.fault(ec, rejecting)
		},
		expectation: expectation{"TokenExpired, ClientRejected", status.FailedStatus, degraded, "has expired"},
	},
	"the spec changed and eGain cannot be reached": {
		then: func(w *world, ec *egainv1alpha1.EgainClient) {
			w.fault(ec, down)
			w.rescope(ec, "core.aiservices.read")
		},
		expectation: expectation{"TokenOutdated, ServerUnavailable", status.InProgressStatus, progressing, "for an earlier spec"},
	},
	"the spec changed to scopes that are refused": {
		then:        func(w *world, ec *egainv1alpha1.EgainClient) { w.rescope(ec, "no.such.scope") },
		expectation: expectation{"TokenOutdated, ScopeRejected", status.FailedStatus, degraded, "invalid_scope"},
	},
	"the target belongs to somebody else": {
		first: func(w *world, ec *egainv1alpha1.EgainClient) {
			w.credentials(ec)
			w.apply(&corev1.Secret{ObjectMeta: testbed.Named(ec.TargetName()), StringData: map[string]string{"password": "theirs"}})
		},
		expectation: expectation{"NoToken, TargetNotOwned", status.FailedStatus, degraded, "creationPolicy"},
	},
	"the token is added to a Secret in Git": {
		first: func(w *world, ec *egainv1alpha1.EgainClient) {
			w.credentials(ec)
			w.apply(&corev1.Secret{ObjectMeta: testbed.Named(ec.TargetName()), StringData: map[string]string{"password": "theirs"}})
			ec.Spec.Target.CreationPolicy = egainv1alpha1.CreationPolicyMerge
		},
		expectation: expectation{ready, status.CurrentStatus, healthy, "holds an unexpired token"},
	},
	"being deleted": {
		first: func(w *world, ec *egainv1alpha1.EgainClient) {
			w.credentials(ec)
			ec.Spec.RevokeOnDelete = new(true)
			ec.Spec.Tenant.Endpoints.RevocationURL = egainv1alpha1.HTTPSURL(w.sim.Tenant(ec.Name).RevocationURL(egainsim.Client))
			w.sim.SetFault(egainsim.Match{Endpoint: egainsim.RevocationEndpoint}, down)
		},
		offline: func(w *world, ec *egainv1alpha1.EgainClient) { w.delete(ec) },
		// Argo CD itself says so of what is being deleted; a deletion is a new generation besides.
		expectation: expectation{ready, status.TerminatingStatus, progressing, "has not looked"},
	},
	"changed and not seen by the operator": {
		offline:     func(w *world, ec *egainv1alpha1.EgainClient) { w.rescope(ec, "core.aiservices.read") },
		expectation: expectation{"", status.InProgressStatus, progressing, "has not looked"},
	},
	"new and not seen by the operator": {
		offline: func(w *world, ec *egainv1alpha1.EgainClient) {
			w.delete(ec)
			ec.ObjectMeta = testbed.Named(ec.Name)
			w.apply(ec)
		},
		expectation: expectation{"", status.InProgressStatus, progressing, "has not looked"},
	},
}

var (
	down      = egainsim.Fault{Status: http.StatusServiceUnavailable}
	rejecting = egainsim.Fault{Error: "invalid_client"}
)

// living gives tokens a life, in seconds. Zero times stands for always.
func living(seconds string, times int) egainsim.Fault {
	return egainsim.Fault{Times: times, Set: map[string]json.RawMessage{"expires_in": json.RawMessage(seconds)}}
}

// renew asks for a renewal as a person does, not by Git.
func (w *world) renew(ec *egainv1alpha1.EgainClient) {
	before := ec.DeepCopy()
	metav1.SetMetaDataAnnotation(&ec.ObjectMeta, "auth.egain.com/renew-requested-at", "now")
	w.Expect(w.admin.Patch(w.t.Context(), ec, client.MergeFrom(before))).To(gomega.Succeed())
}

func (w *world) suspend(ec *egainv1alpha1.EgainClient) {
	w.change(ec, func(git *egainv1alpha1.EgainClient) { git.Spec.Suspend = new(true) })
}

func (w *world) rescope(ec *egainv1alpha1.EgainClient, scopes ...egainv1alpha1.Scope) {
	w.change(ec, func(git *egainv1alpha1.EgainClient) { git.Spec.Scopes = scopes })
}

// change edits an EgainClient in Git.
func (w *world) change(ec *egainv1alpha1.EgainClient, edit func(git *egainv1alpha1.EgainClient)) {
	git := &egainv1alpha1.EgainClient{ObjectMeta: testbed.Named(ec.Name), Spec: *ec.Spec.DeepCopy()}
	edit(git)
	w.apply(git)
}

func (w *world) delete(o client.Object) {
	w.Expect(w.admin.Delete(w.t.Context(), o, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(gomega.Succeed())
}

// tenantState is how an EgainTenant comes into a state.
type tenantState struct {
	expectation
	spec func(w *world) egainv1alpha1.EgainTenantSpec
	// offline is done when the operator has stopped.
	offline func(w *world, et *egainv1alpha1.EgainTenant)
}

var tenantStates = map[string]tenantState{
	"known": {
		spec:        byConsole(egainsim.ConsoleFlatCamel),
		expectation: expectation{"EndpointsKnown", status.CurrentStatus, healthy, "are known"},
	},
	"the document cannot be read": {
		spec: func(w *world) egainv1alpha1.EgainTenantSpec {
			spec := byConsole(egainsim.ConsoleFlatCamel)(w)
			spec.MetadataURL = egainv1alpha1.HTTPSURL(w.sim.LoginURL() + "/no/such/document")
			return spec
		},
		expectation: expectation{"MetadataUnavailable", status.InProgressStatus, progressing, "HTTP 404"},
	},
	"the endpoints are refused": {
		spec: func(w *world) egainv1alpha1.EgainTenantSpec {
			spec := byConsole(egainsim.ConsoleFlatCamel)(w)
			spec.MetadataURL = "https://169.254.169.254/metadata"
			return spec
		},
		expectation: expectation{"EndpointRefused", status.FailedStatus, degraded, "resolves to an address that is never allowed"},
	},
	"changed and not seen by the operator": {
		spec: byConsole(egainsim.ConsoleFlatCamel),
		offline: func(w *world, et *egainv1alpha1.EgainTenant) {
			w.apply(&egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: et.Name}, Spec: byConsole(egainsim.ConsoleNestedSnake)(w)})
		},
		expectation: expectation{"", status.InProgressStatus, progressing, "has not looked"},
	},
	"new and not seen by the operator": {
		spec: byConsole(egainsim.ConsoleFlatCamel),
		offline: func(w *world, et *egainv1alpha1.EgainTenant) {
			w.delete(et)
			et.ObjectMeta = metav1.ObjectMeta{Name: et.Name}
			w.apply(et)
		},
		expectation: expectation{"", status.InProgressStatus, progressing, "has not looked"},
	},
}

// byConsole has a tenant found by what the eGain console shows.
func byConsole(form egainsim.MetadataForm) func(w *world) egainv1alpha1.EgainTenantSpec {
	return func(w *world) egainv1alpha1.EgainTenantSpec {
		return egainv1alpha1.EgainTenantSpec{
			TenantLocation: egainv1alpha1.TenantLocation{MetadataURL: egainv1alpha1.HTTPSURL(w.sim.Rigel().MetadataURL(form, egainsim.Client))},
			CABundleRef: &egainv1alpha1.NamespacedCABundleReference{
				CABundleReference: egainv1alpha1.CABundleReference{Name: "egain-ca"}, Namespace: metav1.NamespaceDefault,
			},
		}
	}
}

// state is an object in a state, as it is in the cluster and in Git.
type state struct {
	expectation
	name           string
	live, manifest *unstructured.Unstructured
}

// play brings about every state and stops the operator, so that all of them last.
func (w *world) play() []state {
	w.t.Helper()
	operator := w.operator.Start(w.t)
	clients, tenants := map[string]*egainv1alpha1.EgainClient{}, map[string]*egainv1alpha1.EgainTenant{}
	for sentence, s := range clientStates {
		ec := w.client(slug(sentence))
		if s.first == nil {
			w.credentials(ec)
		} else {
			s.first(w, ec)
		}
		w.apply(ec)
		clients[sentence] = ec
	}
	for sentence, s := range tenantStates {
		et := &egainv1alpha1.EgainTenant{ObjectMeta: metav1.ObjectMeta{Name: slug(sentence)}, Spec: s.spec(w)}
		w.apply(et)
		tenants[sentence] = et
	}
	for sentence, s := range clientStates {
		if s.then != nil {
			w.await(clients[sentence], ready)
			s.then(w, clients[sentence])
		}
	}
	for sentence, s := range clientStates {
		if s.last == nil {
			w.await(clients[sentence], s.reasons)
		}
	}
	for sentence, s := range tenantStates {
		w.await(tenants[sentence], s.reasons)
	}
	for sentence, s := range clientStates {
		if s.last != nil {
			w.await(clients[sentence], ready)
			s.last(w, clients[sentence])
			w.await(clients[sentence], s.reasons)
		}
	}
	testbed.Stop(w.t, operator)
	for sentence, s := range clientStates {
		if s.offline != nil {
			s.offline(w, clients[sentence])
		}
	}
	for sentence, s := range tenantStates {
		if s.offline != nil {
			s.offline(w, tenants[sentence])
		}
	}
	return w.states()
}

func (w *world) states() []state {
	w.t.Helper()
	var all []state
	add := func(kind, sentence string, e expectation) {
		manifest := w.manifests[kind+" "+slug(sentence)]
		all = append(all, state{expectation: e, name: kind + " " + sentence, live: w.live(manifest), manifest: manifest})
	}
	for _, sentence := range slices.Sorted(maps.Keys(clientStates)) {
		add("EgainClient", sentence, clientStates[sentence].expectation)
	}
	for _, sentence := range slices.Sorted(maps.Keys(tenantStates)) {
		add("EgainTenant", sentence, tenantStates[sentence].expectation)
	}
	return all
}

// slug makes the name of an object from a sentence.
func slug(sentence string) string { return strings.ReplaceAll(strings.ToLower(sentence), " ", "-") }

func TestWhatGitOpsToolsMakeOfEveryState(t *testing.T) {
	w := newWorld(t)
	states, expressions := w.play(), fluxExpressions(t)
	for _, s := range states {
		t.Run(s.name, func(t *testing.T) {
			computed, err := status.Compute(s.live)
			if err != nil {
				t.Fatal(err)
			}
			if computed.Status != s.kstatus {
				t.Errorf("kstatus computes %s (%s), want %s", computed.Status, computed.Message, s.kstatus)
			}
			s.expectHealthOfFlux(t, expressions)
			health, message := argoHealth(t, healthScript(t, s.live.GetKind()), s.live)
			if health != s.health || !strings.Contains(message, s.says) {
				t.Errorf("Argo CD shows %s: %s, want %s with %q", health, message, s.health, s.says)
			}
		})
	}
	for name, manifest := range w.manifests {
		t.Run("drift of "+name, func(t *testing.T) { w.expectNoDrift(t, manifest) })
	}
	w.expectNoDriftOfSamples(states)
}

func TestStatesOfEveryClassOfFailure(t *testing.T) {
	t.Parallel()
	seen := map[bool]bool{}
	for _, s := range clientStates {
		_, issued, _ := strings.Cut(s.reasons, ", ")
		if s.kstatus == status.FailedStatus {
			seen[fault.IsRejection(issued)] = true
		}
		if fault.PassesByItself(issued) && s.kstatus == status.FailedStatus {
			t.Errorf("%s passes by itself, and tools are told that somebody must act", issued)
		}
	}
	if len(seen) != 2 {
		t.Error("there must be states in which somebody must act at eGain and in the cluster")
	}
}
