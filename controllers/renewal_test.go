package controllers

import (
	"errors"
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

// demand asks for a renewal as a user would.
func (f *fixture) demand(ec *egainv1alpha1.EgainClient, when string) {
	f.t.Helper()
	f.update(ec, func() { metav1.SetMetaDataAnnotation(&ec.ObjectMeta, egainv1alpha1.RenewRequestedAtAnnotation, when) })
}

func TestRenewsOncePerRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	token := f.token("sync")

	f.demand(ec, "2030-01-01T00:00:00Z")
	f.run(ec)
	renewed := f.token("sync")
	f.Expect(renewed).NotTo(gomega.Equal(token))
	f.Expect(ec.Status.LastHandledRenewal).To(gomega.Equal("2030-01-01T00:00:00Z"))

	f.run(ec)
	f.restart()
	f.run(ec)
	f.Expect(f.token("sync")).To(gomega.Equal(renewed))
	f.Expect(f.requests()).To(gomega.Equal(2))

	f.demand(ec, "now, please")
	f.run(ec)
	f.Expect(f.token("sync")).NotTo(gomega.Equal(renewed), "any new value will do")
	f.Expect(ec.Status.LastHandledRenewal).To(gomega.Equal("now, please"))
}

func TestAnswersARequestToRenewThatIsThereFromTheStartWithTheFirstToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) {
		ec.Annotations = map[string]string{egainv1alpha1.RenewRequestedAtAnnotation: "first"}
	})

	f.run(ec)
	f.run(ec)
	f.Expect(ec.Status.LastHandledRenewal).To(gomega.Equal("first"))
	f.Expect(f.requests()).To(gomega.Equal(1))
}

func TestKeepsTheTokenWhenTheRequestToRenewIsTakenBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	f.demand(ec, "once")
	f.run(ec)
	token := f.token("sync")

	f.update(ec, func() { ec.Annotations = nil })
	f.run(ec)
	f.Expect(f.token("sync")).To(gomega.Equal(token))
	f.Expect(f.requests()).To(gomega.Equal(2))
}

func TestHandlesARequestToRenewOnceThoughTheStatusCouldNotBeWritten(t *testing.T) {
	t.Parallel()
	for name, between := range map[string]func(*fixture){
		"and goes on":           func(*fixture) {},
		"and then is restarted": (*fixture).restart,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			ec := f.client("sync")
			f.run(ec)
			f.demand(ec, "once")
			f.failStatus(errors.New("no quorum"))

			_, err := f.tryReconcile(ec)
			f.Expect(err).To(gomega.MatchError("no quorum"))
			f.Expect(ec.Status.LastHandledRenewal).To(gomega.BeEmpty())
			token := f.token("sync")

			between(f)
			f.run(ec)
			f.Expect(ec.Status.LastHandledRenewal).To(gomega.Equal("once"))
			f.Expect(f.token("sync")).To(gomega.Equal(token))
			f.Expect(f.requests()).To(gomega.Equal(2))
		})
	}
}

func TestEchoesARequestToRenewOnlyOnceItSucceeded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	f.sim.SetFault(egainsim.Match{}, egainsim.Fault{Status: 503, Times: 1})

	f.demand(ec, "once")
	result := f.run(ec)
	f.Expect(ec.Status.LastHandledRenewal).To(gomega.BeEmpty())
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, ServerUnavailable"))

	f.step(result.RequeueAfter)
	f.run(ec)
	f.Expect(ec.Status.LastHandledRenewal).To(gomega.Equal("once"))
	f.Expect(f.requests()).To(gomega.Equal(3))
}

func TestBoundsWhatIsEchoedOfARequestToRenew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	long := ""
	for range 300 {
		long += "é"
	}

	f.demand(ec, long)
	f.run(ec)
	f.run(ec)
	f.Expect(len(ec.Status.LastHandledRenewal)).To(gomega.And(gomega.BeNumerically(">", 200), gomega.BeNumerically("<=", 256)))
	f.Expect(f.requests()).To(gomega.Equal(2))
}

func TestRenewsWhenTheSpecSays(t *testing.T) {
	t.Parallel()
	const clamped = "so the nearest allowed time is used"
	tests := map[string]struct {
		renewal            *egainv1alpha1.Renewal
		earliest, latest   time.Duration // after the issue of a token that lives an hour
		withinBounds, with bool
	}{
		"by default":                         {renewal: nil, earliest: 34 * time.Minute, latest: 40 * time.Minute, withinBounds: true},
		"at a percentage":                    {renewal: &egainv1alpha1.Renewal{Percent: 80}, earliest: 42 * time.Minute, latest: 48 * time.Minute, withinBounds: true},
		"a while before the expiry":          {renewal: before(15 * time.Minute), earliest: 39 * time.Minute, latest: 45 * time.Minute, withinBounds: true},
		"never before half of the life":      {renewal: before(50 * time.Minute), earliest: 24 * time.Minute, latest: 30 * time.Minute},
		"never before a life longer than it": {renewal: before(720 * time.Hour), earliest: 24 * time.Minute, latest: 30 * time.Minute},
		"never too late for mounted files":   {renewal: before(5 * time.Second), earliest: 52 * time.Minute, latest: 58 * time.Minute},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) { ec.Spec.Renewal = tc.renewal })
			issued := f.clock.Now()

			result := f.run(ec)
			f.Expect(result.RequeueAfter).To(gomega.And(gomega.BeNumerically(">=", tc.earliest), gomega.BeNumerically("<=", tc.latest)))
			f.Expect(ec.Status.Token.RenewalTime.Time).To(gomega.BeTemporally("==", issued.Add(result.RequeueAfter).Truncate(time.Second)))
			if tc.withinBounds {
				f.Expect(message(ec)).NotTo(gomega.ContainSubstring(clamped))
			} else {
				f.Expect(message(ec)).To(gomega.ContainSubstring(clamped))
			}

			f.step(result.RequeueAfter - time.Second)
			f.run(ec)
			f.Expect(f.requests()).To(gomega.Equal(1), "a second too early")
			f.step(time.Second)
			f.run(ec)
			f.Expect(f.requests()).To(gomega.Equal(2))
		})
	}
}

func before(d time.Duration) *egainv1alpha1.Renewal {
	return &egainv1alpha1.Renewal{Before: &metav1.Duration{Duration: d}}
}

func TestRenewsNothingWhileSuspended(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)
	f.update(ec, func() { ec.Spec.Suspend = new(true) })

	result := f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Suspended"))
	f.Expect(result.RequeueAfter).To(gomega.Equal(time.Hour), "it has nothing to do before the token expires")
	secret := f.unchanged(f.secret("sync"))

	f.step(50 * time.Minute)
	f.run(ec)
	f.demand(ec, "now")
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Suspended"))

	f.step(10 * time.Minute)
	result = f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: TokenExpired, Suspended"))
	f.Expect(result.RequeueAfter).To(gomega.BeZero())
	secret()
	f.Expect(f.requests()).To(gomega.Equal(1))

	f.update(ec, func() { ec.Spec.Suspend = new(false) })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.active("sync")).To(gomega.BeTrue())
	f.Expect(ec.Status.LastHandledRenewal).To(gomega.Equal("now"))
	f.Expect(f.requests()).To(gomega.Equal(2))
	f.Expect(reasons(f.sent())).To(gomega.Equal([]string{"Normal Suspended", "Warning TokenExpired", "Normal Issued"}))
}

func TestRepairsNothingWhileSuspended(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", templated("TOKEN", "{{ .AccessToken }}"))
	f.run(ec)
	f.update(ec, func() { ec.Spec.Suspend = new(true); ec.Spec.Target.Template = nil })

	f.run(ec)
	f.Expect(f.keys("sync")).To(gomega.ContainElement("TOKEN"))
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Suspended"))

	f.update(ec, func() { ec.Spec.Target.SecretName = "renamed" })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, Suspended"))
	f.Expect(f.secret("sync")).NotTo(gomega.BeNil(), "the former target is cleaned up once there is a new one")

	f.update(ec, func() { ec.Spec.Suspend = nil })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.secret("sync")).To(gomega.BeNil())
}

func TestIssuesNothingToAClientThatIsSuspendedFromTheStart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", func(ec *egainv1alpha1.EgainClient) { ec.Spec.Suspend = new(true) })

	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: NoToken, Suspended"))
	f.Expect(f.secret("sync")).To(gomega.BeNil())
	f.Expect(f.requests()).To(gomega.BeZero())
}

func TestIsNotReadyOnceTheSpecOfASuspendedClientChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync")
	f.run(ec)

	f.update(ec, func() { ec.Spec.Suspend = new(true); ec.Spec.Scopes = []egainv1alpha1.Scope{"core.aiservices.read"} })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("InProgress: TokenOutdated, Suspended"))
	f.Expect(f.requests()).To(gomega.Equal(1))
}
