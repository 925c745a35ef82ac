package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/gate"
	"github.com/egain-operator/egain-operator/internal/journal"
	"github.com/egain-operator/egain-operator/internal/tracing"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// answered has the simulator's token responses changed.
func answered(set map[string]string, omit ...string) egainsim.Fault {
	fault := egainsim.Fault{Omit: omit, Set: map[string]json.RawMessage{}}
	for name, value := range set {
		fault.Set[name] = json.RawMessage(value)
	}
	return fault
}

func TestReportsWhatTheProviderDoesWrong(t *testing.T) {
	t.Parallel()
	const soon, rarely = 3 * time.Second, 31 * time.Minute
	tests := map[string]struct {
		fault  egainsim.Fault
		state  string // without a token
		says   string
		within time.Duration // of the first failure is the retry
	}{
		"the client is rejected":          {egainsim.Fault{Error: "invalid_client"}, "Failed: NoToken, ClientRejected", "check the client id and secret", rarely},
		"the client may not use the flow": {egainsim.Fault{Error: "unauthorized_client"}, "Failed: NoToken, ClientRejected", "allow this flow", rarely},
		"the scope is refused":            {egainsim.Fault{Error: "invalid_scope"}, "Failed: NoToken, ScopeRejected", "check spec.scopes", rarely},
		"the grant is refused":            {egainsim.Fault{Error: "invalid_grant"}, "Failed: NoToken, SubjectRejected", "check the client id and secret, spec.flow and the token URL", rarely},
		"the request is refused":          {egainsim.Fault{Error: "invalid_request"}, "Failed: NoToken, RequestRejected", "spec.parameters", rarely},
		"the code is unknown":             {egainsim.Fault{Status: 400, Error: "made_up"}, "Failed: NoToken, RequestRejected", "HTTP 400", rarely},
		"there is no such endpoint":       {egainsim.Fault{Status: 404, Body: egainsim.HTMLBody}, "Failed: NoToken, RequestRejected", "an HTML page, not an OAuth error", rarely},
		"a gateway wants a login":         {egainsim.Fault{Status: 403, Text: "no"}, "Failed: NoToken, ClientRejected", "HTTP 403", rarely},
		"it redirects":                    {egainsim.Fault{Location: "https://elsewhere.example.com/token"}, "Failed: NoToken, RequestRejected", "redirects are not followed", rarely},
		"it is overloaded":                {egainsim.Fault{Error: "temporarily_unavailable"}, "InProgress: NoToken, ServerUnavailable", "overloaded", soon},
		"it fails":                        {egainsim.Fault{Status: 500, Text: "stack trace"}, "InProgress: NoToken, ServerUnavailable", "HTTP 500", soon},
		"a gateway finds no server":       {egainsim.Fault{Status: 503, Body: egainsim.HTMLBody}, "InProgress: NoToken, ServerUnavailable", "HTTP 503", soon},
		"it hangs up":                     {egainsim.Fault{Drop: true}, "InProgress: NoToken, ServerUnavailable", "closed the connection before its answer was complete", soon},
		"it is asked too often":           {egainsim.Fault{Status: 429}, "InProgress: NoToken, RateLimited", "the server limits requests", soon},
		"it answers with a page":          {egainsim.Fault{Body: egainsim.HTMLBody}, "InProgress: NoToken, ResponseInvalid", "check the token URL, and whether a proxy or gateway", soon},
		"it answers with nothing":         {egainsim.Fault{Body: egainsim.EmptyBody}, "InProgress: NoToken, ResponseInvalid", "token response", soon},
		"it answers with half of JSON":    {egainsim.Fault{Body: egainsim.MalformedBody}, "InProgress: NoToken, ResponseInvalid", "token response", soon},
		"it answers at length":            {egainsim.Fault{Body: egainsim.HugeBody}, "InProgress: NoToken, ResponseInvalid", "larger than", soon},
		"it breaks off":                   {egainsim.Fault{Body: egainsim.TruncatedBody}, "InProgress: NoToken, ServerUnavailable", "closed the connection before its answer was complete", soon},
		"the token is of another type":    {answered(map[string]string{"token_type": `"MAC"`}), "InProgress: NoToken, TokenInvalid", "not Bearer", soon},
		"there is no token":               {answered(nil, "access_token"), "InProgress: NoToken, TokenInvalid", "no access_token", soon},
		"the token is empty":              {answered(map[string]string{"access_token": `""`}), "InProgress: NoToken, TokenInvalid", "access_token", soon},
		"the token breaks a header":       {answered(map[string]string{"access_token": `"a\r\nSet-Cookie: b"`}), "InProgress: NoToken, TokenInvalid", "not safe in an HTTP header", soon},
		"the token has a space":           {answered(map[string]string{"access_token": `"a b"`}), "InProgress: NoToken, TokenInvalid", "not safe in an HTTP header", soon},
		"the life is nothing":             {answered(map[string]string{"expires_in": `0`}), "InProgress: NoToken, LifetimeInvalid", "a lifetime of less than a second", soon},
		"the life is negative":            {answered(map[string]string{"expires_in": `-1`}), "InProgress: NoToken, LifetimeInvalid", "a lifetime of less than a second", soon},
		"the life is a fraction":          {answered(map[string]string{"expires_in": `1.5`}), "InProgress: NoToken, LifetimeInvalid", "not a whole number", soon},
		"the life is no number":           {answered(map[string]string{"expires_in": `"abc"`}), "InProgress: NoToken, LifetimeInvalid", "not a whole number", soon},
		"the life is absurd":              {answered(map[string]string{"expires_in": `1e30`}), "InProgress: NoToken, LifetimeInvalid", "expires_in", soon},
		"the life is that of a century":   {answered(map[string]string{"expires_in": `3155760000`}), "InProgress: NoToken, LifetimeInvalid", "366 days", soon},
	}
	last := func(state string) string { return state[strings.LastIndex(state, " ")+1:] }
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			f.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, tc.fault)
			ec := f.client("sync")

			result := f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal(tc.state))
			f.Expect(message(ec)).To(gomega.ContainSubstring(tc.says))
			f.Expect(result.RequeueAfter).To(gomega.And(gomega.BeNumerically(">=", 2*time.Second), gomega.BeNumerically("<=", tc.within)))
			f.Expect(ec.Status.LastFailure.Message).To(gomega.Equal(message(ec)))
			f.Expect(f.secret("sync")).To(gomega.BeNil())
			f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Warning " + condition(ec, egainv1alpha1.ConditionTokenIssued).Reason}))

			// Woken early, restarted or not, it waits for its time.
			object := f.unchanged(ec)
			f.run(ec)
			f.restart()
			f.step(result.RequeueAfter - time.Second)
			f.Expect(f.run(ec).RequeueAfter).To(gomega.BeNumerically("~", time.Second, time.Second))
			object()
			f.Expect(f.requests()).To(gomega.Equal(1))

			f.step(2 * time.Second)
			f.run(ec)
			f.Expect(ec.Status.ConsecutiveFailures).To(gomega.Equal(int32(2)))
			f.Expect(f.requests()).To(gomega.Equal(2))
			f.Expect(f.sent()).To(gomega.BeEmpty(), "the same again is no news")

			f.sim.ClearFaults()
			f.step(ec.Status.LastFailure.RetryTime.Sub(f.clock.Now()))
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			f.Expect(f.active("sync")).To(gomega.BeTrue())
			f.Expect(ec.Status.LastFailure).To(gomega.BeNil())
			ends := []string{"Normal Issued"}
			if fault.PassesByItself(last(tc.state)) {
				ends = nil // no one had to fix it
			}
			f.Expect(reasons(f.sent())).To(gomega.ConsistOf(ends))
		})

		t.Run(name+" at a renewal", func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			ec := f.client("sync")
			f.step(f.run(ec).RequeueAfter)
			unchanged := f.unchanged(f.secret("sync"))
			f.sim.SetFault(egainsim.Match{Endpoint: egainsim.TokenEndpoint}, tc.fault)

			f.run(ec)
			reason := last(tc.state)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, " + reason))
			unchanged()
			f.step(ec.Status.Token.ExpirationTime.Sub(f.clock.Now()))
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal(strings.Replace(tc.state, "NoToken", "TokenExpired", 1)))
			unchanged()
			f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Warning " + reason, "Warning TokenExpired"}))
		})
	}
}

func TestReadsTheLifetimeOfATokenFromTheAnswer(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault egainsim.Fault
		life  time.Duration
	}{
		"a string":                {answered(map[string]string{"expires_in": `"1800"`}), 30 * time.Minute},
		"the token itself":        {answered(nil, "expires_in"), time.Hour},
		"convention":              {answered(map[string]string{"access_token": `"opaque"`}, "expires_in"), time.Hour},
		"a life of three minutes": {answered(map[string]string{"expires_in": `180`}), 3 * time.Minute},
		"a life of ten seconds":   {answered(map[string]string{"expires_in": `10`}), 10 * time.Second},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			f.sim.SetFault(egainsim.Match{}, tc.fault)
			ec := f.client("sync")

			result := f.run(ec)
			f.Expect(ec.Status.Token.ExpirationTime.Time).To(gomega.BeTemporally("==", f.clock.Now().Add(tc.life)))
			f.Expect(result.RequeueAfter).To(gomega.BeNumerically("<", tc.life))
			f.Expect(f.value("sync", "expires_at")).To(gomega.Equal(f.clock.Now().Add(tc.life).UTC().Format(time.RFC3339)))
		})
	}
}

func TestLeavesAServerAloneForAsLongAsItAsks(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault            egainsim.Fault
		earliest, latest time.Duration
	}{
		"in seconds":                 {egainsim.Fault{Status: 429, RetryAfter: 5 * time.Minute}, 5 * time.Minute, 5*time.Minute + 31*time.Second},
		"by a date":                  {egainsim.Fault{Status: 429, RetryAfter: 5 * time.Minute, RetryAfterDate: true}, 5 * time.Minute, 5*time.Minute + 31*time.Second},
		"of a server that is down":   {egainsim.Fault{Status: 503, RetryAfter: 2 * time.Minute}, 2 * time.Minute, 2*time.Minute + 13*time.Second},
		"but no longer than an hour": {egainsim.Fault{Status: 429, RetryAfter: 300 * time.Hour}, time.Hour, 66*time.Minute + time.Second},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			f.sim.SetFault(egainsim.Match{}, tc.fault)
			ec := f.client("sync")

			result := f.run(ec)
			f.Expect(result.RequeueAfter).To(gomega.And(gomega.BeNumerically(">=", tc.earliest), gomega.BeNumerically("<=", tc.latest)))
			f.Expect(ec.Status.LastFailure.RetryTime.Time).To(gomega.BeTemporally("==", f.clock.Now().Add(result.RequeueAfter)))

			f.restart()
			f.step(tc.earliest - time.Second)
			f.run(ec)
			f.Expect(f.requests()).To(gomega.Equal(1), "a restart is no excuse")
			f.step(result.RequeueAfter - tc.earliest + time.Second)
			f.run(ec)
			f.Expect(f.requests()).To(gomega.Equal(2))
		})
	}
}

func TestTriesARejectedClientAgainAtOnceWhenItsSecretChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(&corev1.Secret{ObjectMeta: f.named("egain-app"), StringData: map[string]string{"client_id": egainsim.RigelClientID, "client_secret": "wrong"}})
	ec := f.client("sync")
	result := f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, ClientRejected"))
	f.Expect(result.RequeueAfter).To(gomega.And(gomega.BeNumerically(">=", 27*time.Minute), gomega.BeNumerically("<=", 30*time.Minute+time.Second)))

	f.change("egain-app", func(s *corev1.Secret) { s.Data["client_secret"] = []byte("wrong, too") })
	f.run(ec)
	f.Expect(f.requests()).To(gomega.Equal(2))
	f.change("egain-app", func(s *corev1.Secret) { s.Data["client_secret"] = []byte(egainsim.RigelClientSecret) })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

func TestTriesAgainAtOnceWhenTheSpecChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", scoped("knowledge.portalmgr.read"))
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, ScopeRejected"), "a delegated scope is not for client credentials")

	f.update(ec, func() { ec.Spec.Scopes = []egainv1alpha1.Scope{"knowledge.portalmgr.manage"} })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

func TestRetriesImmediatelyOnARenewalRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.sim.SetFault(egainsim.Match{}, egainsim.Fault{Error: "invalid_client", Times: 1})
	ec := f.client("sync")
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, ClientRejected"))

	f.demand(ec, "it is allowed now")
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

func TestReportsAnUntrustedCertificateAndRetriesWhenTheBundleChanges(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*fixture, *egainv1alpha1.EgainClient){
		"in its ConfigMap": func(f *fixture, _ *egainv1alpha1.EgainClient) {
			bundle := &corev1.ConfigMap{ObjectMeta: f.named("corp")}
			bundle.Data = map[string]string{"ca.crt": string(f.sim.CABundle())}
			f.Expect(admin.Update(f.t.Context(), bundle)).To(gomega.Succeed())
		},
		"for another": func(f *fixture, ec *egainv1alpha1.EgainClient) {
			f.update(ec, func() { ec.Spec.Tenant.CABundleRef.Name = "egain-ca" })
		},
	}
	for name, repair := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			stranger := startSimulator(t, egainsim.Config{Clock: f.clock})
			f.create(&corev1.ConfigMap{ObjectMeta: f.named("corp"), Data: map[string]string{"ca.crt": string(stranger.CABundle())}})
			ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) { ec.Spec.Tenant.CABundleRef.Name = "corp" })

			for range 5 {
				f.step(f.run(ec).RequeueAfter)
			}
			f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, TLSFailed"))
			f.Expect(message(ec)).To(gomega.ContainSubstring("caBundleRef"))
			f.Expect(f.requests()).To(gomega.BeZero(), "credentials are not sent to a stranger")
			f.run(ec)
			unchanged := f.unchanged(ec)
			f.run(ec)
			f.restart()
			f.run(ec)
			unchanged()

			repair(f, ec)
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			f.Expect(f.requests()).To(gomega.Equal(1))
		})
	}
}

func TestAsksForNothingWhenOnlyTheCABundleChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	f.create(&corev1.ConfigMap{ObjectMeta: f.named("corp"), Data: map[string]string{"ca.crt": string(f.sim.CABundle())}})

	f.update(ec, func() { ec.Spec.Tenant.CABundleRef.Name = "corp" })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestRefusesToSendCredentialsToTheMachineItself(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.reach(1, transport.Options{Timeout: time.Second})
	ec := f.client("sync")

	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, EndpointRefused"))
	f.Expect(f.requests()).To(gomega.BeZero())
}

func TestASlowServerIsGivenUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	f.reach(1, transport.Options{Timeout: 200 * time.Millisecond, AllowLoopback: true})
	f.sim.SetFault(egainsim.Match{}, egainsim.Fault{Hang: true})
	ec := f.client("sync")

	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, ServerUnavailable"))
	f.Expect(message(ec)).To(gomega.ContainSubstring("did not answer in time"))
}

// occupy takes every slot of the simulator's host, until the test ends or release is called.
func (f *fixture) occupy() (release func()) {
	f.t.Helper()
	f.reach(1, transport.Options{Timeout: time.Minute, AllowLoopback: true})
	host := f.sim.Rigel().TokenURL(egainsim.Client)
	permit, queued := f.r.Providers.Gate.Ask(gate.Client{Key: "other/client", Namespace: "other", Endpoint: gate.Endpoint{URL: host, Host: tracing.HostOf(host)}})
	if queued != nil {
		f.t.Fatal(queued)
	}
	done, ended := make(chan struct{}), make(chan struct{})
	sent := make(chan struct{})
	go func() {
		defer close(ended)
		_ = permit.Do(context.Background(), func(context.Context) error { close(sent); <-done; return nil })
	}()
	<-sent
	release = sync.OnceFunc(func() { close(done); <-ended })
	f.t.Cleanup(release)
	return release
}

func TestAClientWithoutASlotIsWokenWithTopPriority(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	release := f.occupy()
	q := priorityqueue.New[reconcile.Request]("woken")
	t.Cleanup(q.ShutDown)
	f.Expect(f.r.wakeups.clients.Start(t.Context(), q)).To(gomega.Succeed())

	_, err := f.tryReconcile(ec)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	f.Expect(q.Len()).To(gomega.BeZero())
	release()
	request, priority, _ := q.GetWithPriority()
	f.Expect(request.NamespacedName).To(gomega.Equal(journal.Name(ec)))
	f.Expect(priority).To(gomega.Equal(priorityWoken))
	result := f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(*result.Priority).To(gomega.BeNumerically("<", priorityFirst), "its next reconcile does not have top priority")
}

func TestABusyHostIsNoFailure(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	registry := f.measured()
	f.credentials()
	ec := f.client("sync")
	f.occupy()

	later := f.clock.Now()
	f.clock.SetTime(ec.CreationTimestamp.Add(9 * time.Second))
	_, err := f.tryReconcile(ec)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	f.Expect(ec.Status.Conditions).To(gomega.BeEmpty(), "that a new client is queued is not worth a write")
	f.Expect(ec.Status.ObservedGeneration).To(gomega.Equal(int64(-1)), "and kstatus takes it to be in progress")

	f.clock.SetTime(later)
	result, err := f.tryReconcile(ec)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	f.Expect(result.RequeueAfter).To(gomega.And(gomega.BeNumerically(">", 50*time.Second), gomega.BeNumerically("<=", time.Minute)), "it is woken")
	f.Expect(ec.Status.LastFailure).To(gomega.BeNil())
	f.Expect(f.sent()).To(gomega.BeEmpty())
	f.Expect(f.requests()).To(gomega.BeZero())
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, "))
	f.Expect(condition(ec, egainv1alpha1.ConditionReconciling).Message).To(gomega.ContainSubstring("queued: all request slots"))
	unchanged := f.unchanged(ec)
	f.step(time.Minute)
	_, err = f.tryReconcile(ec)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	unchanged()
	f.Expect(f.counted(registry, "egain_token_rotations_total")).To(gomega.BeZero())
	f.Expect(f.counted(registry, "egain_token_request_duration_seconds")).To(gomega.BeZero())
}

func TestABusyHostDoesNotHideTheExpiry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	f.occupy()

	f.step(59 * time.Minute)
	_, err := f.tryReconcile(ec)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))

	f.step(time.Minute)
	_, err = f.tryReconcile(ec)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"), "the request may be sent any moment, and its outcome is reported")

	f.step(10 * time.Second)
	_, err = f.tryReconcile(ec)
	f.Expect(err).NotTo(gomega.HaveOccurred())
	f.Expect(state(ec)).To(gomega.Equal("InProgress: TokenExpired, Issued"))
	f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Warning TokenExpired"}))
}

func TestAnErrorOfTheAPIServerDoesNotHideTheExpiry(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*fixture){
		"the target cannot be written": func(f *fixture) {
			f.failApply(apierrors.NewInternalError(errors.New("a webhook does not answer")))
		},
		"the target cannot be read": func(f *fixture) {
			f.through(interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
				if _, isSecret := obj.(*corev1.Secret); isSecret {
					return apierrors.NewForbidden(corev1.Resource("secrets"), key.Name, errors.New("no such role"))
				}
				return c.Get(ctx, key, obj, opts...)
			}})
		},
	}
	for name, fail := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			ec := f.client("sync")
			f.run(ec)
			f.step(time.Hour)
			fail(f)

			_, err := f.tryReconcile(ec)
			f.Expect(err).To(gomega.HaveOccurred())
			f.Expect(state(ec)).To(gomega.Equal("InProgress: TokenExpired, Issued"))
			f.restart()
			f.intercept = interceptor.Funcs{}
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
		})
	}
}

func TestAnErrorOfTheAPIServerIsReturned(t *testing.T) {
	t.Parallel()
	broken := apierrors.NewInternalError(errors.New("no leader"))
	secrets := func(name string) func(client.ObjectKey, client.Object) bool {
		return func(key client.ObjectKey, o client.Object) bool {
			_, is := o.(*corev1.Secret)
			return is && key.Name == name
		}
	}
	tests := map[string]struct {
		fails func(client.ObjectKey, client.Object) bool
		want  string
	}{
		"reading the object": {
			func(_ client.ObjectKey, o client.Object) bool { _, is := o.(*egainv1alpha1.EgainClient); return is },
			"reading the EgainClient",
		},
		"reading the target":      {secrets("sync"), `reading Secret "sync"`},
		"reading the credentials": {secrets("egain-app"), `reading Secret "egain-app"`},
		"reading the CA bundle": {
			func(_ client.ObjectKey, o client.Object) bool { _, is := o.(*corev1.ConfigMap); return is },
			`reading ConfigMap "egain-ca"`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			ec := f.client("sync")
			f.step(f.run(ec).RequeueAfter)
			f.restart()
			f.through(interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
				if tc.fails(key, obj) {
					return broken
				}
				return c.Get(ctx, key, obj, opts...)
			}})

			_, err := f.tryReconcile(ec)
			f.Expect(err).To(gomega.MatchError(gomega.And(gomega.ContainSubstring(tc.want), gomega.ContainSubstring("no leader"))))
			f.Expect(ec.Status.LastFailure).To(gomega.BeNil(), "the queue's own backoff is for these")
			f.Expect(f.requests()).To(gomega.Equal(1), "the first token's")
		})
	}
}

func TestAnErrorOfTheCacheIsReturned(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	for name, cache := range map[string]client.Reader{
		"a look-up": brokenCache{f.r.Cache, true, false}, "a list": brokenCache{f.r.Cache, false, true},
	} {
		f.r.Cache, f.r.Tokens.Reader.Cache = cache, clients{cache}
		_, err := f.tryReconcile(ec)
		f.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("the cache has not started")), name)
		f.restart()
	}
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
}

type brokenCache struct {
	client.Reader
	get, list bool
}

var errCache = errors.New("the cache has not started")

func (b brokenCache) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if b.get {
		return errCache
	}
	return b.Reader.Get(ctx, key, obj, opts...)
}

func (b brokenCache) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if b.list {
		return errCache
	}
	return b.Reader.List(ctx, list, opts...)
}
