// Package doctor examines the chain from an EgainClient to the workloads that use its token, a check for each link, and says
// where it breaks and what to do. It reads the cluster and asks eGain as the user who runs it; how a report looks is not its
// business. No value of a Secret is in a report.
package doctor

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/installation"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/workload"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/request"
)

// Status is how a link of the chain is.
type Status string

// The ways a link can be.
const (
	// OK holds.
	OK Status = "OK"
	// Warning holds, or could not be looked at, and a user should know.
	Warning Status = "Warning"
	// Broken does not hold.
	Broken Status = "Broken"
	// Skipped was not looked at.
	Skipped Status = "Skipped"
)

// Finding is what a check found.
type Finding struct {
	// Check is its name.
	Check  string `json:"check"`
	Status Status `json:"status"`
	// Message says what was found, Advice what to do about it, without a full stop.
	Message string `json:"message"`
	Advice  string `json:"advice,omitempty"`
	// Details are lines to look at, such as the request that was sent, with its secrets masked.
	Details []string `json:"details,omitempty"`

	// unseen says that those who need the link cannot go on, although it may hold.
	unseen bool
}

// Report is what all checks found, in the order of the chain.
type Report struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Break is the check where the chain breaks first; empty if it holds.
	Break    string    `json:"break,omitempty"`
	Findings []Finding `json:"findings"`
}

// HTTPMaker makes the client of a tenant, without a name for one that an EgainClient describes itself. A request may take a time.
type HTTPMaker func(tenant string, caBundle []byte, timeout time.Duration) (*http.Client, error)

// Patient says what to examine, and with what.
type Patient struct {
	Namespace, Name string
	Cluster         client.Client
	// HTTP makes the client for requests to the authorization server, and API that for requests to eGain's API, by the rules of the
	// operator. They trust the PEM certificates of a bundle, or the system's.
	HTTP, API HTTPMaker
	// Installation is what is known of the operator.
	Installation installation.Found
	// RulesSkipped says that requests are sent although the operator's flags refuse them.
	RulesSkipped bool
	Clock        clock.PassiveClock
	// Workloads lists what uses a Secret, and the kinds that the user may not list.
	Workloads func(ctx context.Context, namespace, secret string) (uses []workload.Use, unread []string)
	// Path and query of the API to call with the token.
	Path *url.URL
	// NoRequest leaves out the token request.
	NoRequest bool
}

// examination is what is known of a patient so far. A check fills in what those after it need.
type examination struct {
	Patient
	client    *egainv1alpha1.EgainClient
	tenant    request.Tenant
	draft     request.Draft
	addressed request.Addressed
	secrets   request.Secrets
	http      *http.Client
	bundle    []byte
	endpoints oauth.Endpoints
	// root is the answer of the server's root, once it was asked for.
	root   *rootAnswer
	target *corev1.Secret
	// chain is what the documents say, once they were asked for.
	chain *chain
}

// check looks at one link.
type check struct {
	name string
	// needs are the checks without which this one makes no sense.
	needs []string
	// applies is nil if the link is in every chain.
	applies func(*examination) bool
	run     func(*examination, context.Context) Finding
}

// Names of the checks.
const (
	checkObject      = "EgainClient"
	checkTenant      = "Tenant"
	checkCredentials = "Credentials"
	checkSession     = "Session"
	checkSubject     = "SubjectToken"
	checkCABundle    = "CABundle"
	checkAddress     = "Address"
	checkMetadata    = "Metadata"
	checkEndpoints   = "Endpoints"
	checkDNS         = "DNS"
	checkTLS         = "TLS"
	checkClock       = "Clock"
	checkRequest     = "TokenRequest"
	checkTarget      = "Target"
	checkOperator    = "Operator"
	checkFlags       = "Flags"
	checkAccess      = "Access"
	checkStatus      = "Status"
	checkAPI         = "API"
	checkWorkloads   = "Workloads"
)

// checks are in the order of the chain: what a token is made from, the way to eGain, who asks for it, where it is kept and who
// uses it. What the operator's flags refuse is not sent, so that they come before all that is.
func checks() []check {
	return []check{
		{name: checkObject, run: (*examination).object},
		{name: checkTenant, needs: []string{checkObject}, run: (*examination).tenancy},
		{name: checkFlags, needs: []string{checkTenant}, run: (*examination).flags},
		{name: checkCredentials, needs: []string{checkObject}, applies: hasCredentials, run: (*examination).credentials},
		{name: checkSession, needs: []string{checkObject}, applies: hasSession, run: (*examination).session},
		{name: checkSubject, needs: []string{checkObject}, applies: hasSubject, run: (*examination).subject},
		{name: checkCABundle, needs: []string{checkTenant}, run: (*examination).caBundle},
		{name: checkAddress, needs: []string{checkFlags, checkCABundle}, applies: hasAddress, run: (*examination).address},
		{name: checkMetadata, needs: []string{checkFlags, checkCABundle, checkAddress}, applies: hasDocuments, run: (*examination).metadata},
		{name: checkEndpoints, needs: []string{checkFlags, checkCABundle, checkMetadata}, run: (*examination).resolve},
		{name: checkDNS, needs: []string{checkEndpoints}, run: (*examination).dns},
		{name: checkTLS, needs: []string{checkDNS}, run: (*examination).tls},
		{name: checkClock, needs: []string{checkTLS}, run: (*examination).skew},
		{name: checkRequest, needs: []string{checkTLS, checkCredentials, checkSession, checkSubject}, run: (*examination).tokenRequest},
		{name: checkOperator, run: (*examination).operator},
		{name: checkAccess, needs: []string{checkObject, checkOperator}, run: (*examination).access},
		{name: checkTarget, needs: []string{checkObject}, run: (*examination).targetSecret},
		{name: checkStatus, needs: []string{checkObject}, run: (*examination).status},
		{name: checkAPI, needs: []string{checkFlags, checkTarget, checkCABundle}, run: (*examination).api},
		{name: checkWorkloads, needs: []string{checkObject}, run: (*examination).workloads},
	}
}

// Examine makes all checks. It fails for none: what cannot be looked at is a finding too.
func Examine(ctx context.Context, p Patient) Report {
	e := &examination{Patient: p}
	report := Report{Namespace: p.Namespace, Name: p.Name}
	lost := map[string]bool{}
	for _, c := range checks() {
		if c.applies != nil && (e.client == nil || !c.applies(e)) {
			continue
		}
		f := e.make(ctx, c, lost)
		f.Check = c.name
		lost[c.name] = f.Status == Broken || f.unseen
		if f.Status == Broken && report.Break == "" {
			report.Break = c.name
		}
		report.Findings = append(report.Findings, f)
	}
	return report
}

func (e *examination) make(ctx context.Context, c check, lost map[string]bool) Finding {
	missing := slices.DeleteFunc(slices.Clone(c.needs), func(name string) bool {
		return !lost[name] || (name == checkFlags && e.RulesSkipped)
	})
	if len(missing) > 0 {
		return Finding{Status: Skipped, Message: "skipped: needs " + strings.Join(missing, " and "), unseen: true}
	}
	return c.run(e, ctx)
}

func ok(message string) Finding { return Finding{Status: OK, Message: message} }

func broken(message, advice string) Finding {
	return Finding{Status: Broken, Message: message, Advice: advice}
}

func warning(message, advice string) Finding {
	return Finding{Status: Warning, Message: message, Advice: advice}
}
