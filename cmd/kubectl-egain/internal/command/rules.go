package command

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/pflag"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/installation"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/view"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/options"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// skipRules is the flag by which a user goes without the operator's rules.
const skipRules = "insecure-skip-operator-rules"

// rulesTimeout bounds the look for the operator: a manifest can be made without a cluster.
const rulesTimeout = 10 * time.Second

// rules are those of the plugin's requests: the operator's, as far as its flags are known.
type rules struct {
	transport.Options
	// found is what was seen of the operator, and flags are its; nil if they are not known, for the reason unknown.
	found   installation.Found
	flags   *options.Options
	unknown string
	// skipped says that the user goes without.
	skipped bool
}

// http makes a client for the requests of a tenant, without a name for one that is described where it is used. It trusts the PEM
// certificates of a bundle, or the system's. A request may take a time, from the dial to the last byte.
func (e *environment) http(r rules, tenant string, bundle []byte, timeout time.Duration) (*http.Client, error) {
	r.Timeout = timeout
	return e.newClient(r.Options, tenant, bundle)
}

// labelled reports whether only labelled Secrets may be sent.
func (r rules) labelled() bool {
	return !r.skipped && (r.flags == nil || r.flags.RequireApplication)
}

// forAPI are the rules of requests to eGain's API, which --allowed-hosts is not about.
func (r rules) forAPI() rules {
	r.AllowedHosts, r.MaxBody = nil, maxAnswer
	return r
}

func (e *environment) addRulesFlag(flags *pflag.FlagSet) {
	flags.BoolVar(&e.skipRules, skipRules, false, "also send requests that the operator's flags forbid: to private addresses, loopback, any host, for any tenant")
}

// rules finds the flags of the operator that works in a namespace, and says if requests are held to others. Every command calls
// it before it reads a credential or a token.
func (e *environment) rules(ctx context.Context, namespace string) rules {
	r := e.read(ctx, namespace)
	if !r.skipped && r.flags == nil {
		e.paragraph("The operator's flags are unknown: " + r.unknown + ". The strictest are assumed: no private address, no loopback, " +
			"--require-application. --allowed-hosts is not applied.")
	}
	return r
}

// creationRules are those of reading documents for a manifest, at URLs that the user gives. No credential goes with them, and no
// cluster is needed, so that an EgainClient may describe its tenant while the operator's flags are not known.
func (e *environment) creationRules(ctx context.Context, namespace string) rules {
	r := e.read(ctx, namespace)
	if !r.skipped && r.flags == nil {
		r.Unnamed = nil
		e.paragraph("The operator's flags are unknown: " + r.unknown + ". No request is sent to private and loopback addresses. " +
			"--allowed-hosts and --require-tenant-ref are not applied.")
	}
	return r
}

// read finds the flags, and applies them, or the strictest if they are not known, or none if the user goes without.
func (e *environment) read(ctx context.Context, namespace string) rules {
	ctx, cancel := context.WithTimeout(ctx, rulesTimeout)
	defer cancel()
	r := rules{skipped: e.skipRules, unknown: "no cluster is reachable"}
	if c, err := e.cluster(); err == nil {
		r.found = installation.Find(ctx, c, namespace)
		r.flags, r.unknown = r.found.Flags()
	}
	switch {
	case r.skipped:
		r.Options = transport.Options{AllowLoopback: true, AllowPrivate: true}
		e.paragraph("Warning: --" + skipRules + " is set. The operator's rules about tenants, hosts and addresses are not applied.")
	case r.flags == nil:
		r.Options = transport.Options{Unnamed: unnamedUnknown()}
	default:
		r.Options = transport.Options{AllowLoopback: r.flags.AllowLoopback, AllowPrivate: r.flags.AllowPrivate, AllowedHosts: r.flags.AllowedHosts}
		if r.flags.RequiresTenantRef() {
			r.Unnamed = request.TenantRefRequired()
		}
	}
	return r
}

// unnamedUnknown is why nothing is sent for a tenant that an EgainClient describes, while the operator's flags are not known.
func unnamedUnknown() *fault.Error {
	return fault.New(fault.Terminal, egainv1alpha1.ReasonTenantRefRequired,
		"the operator's flags are unknown and may include --require-tenant-ref: no request is sent for a tenant in spec.tenant")
}

// ruleAdvice is what to do about a request that a rule refuses; "" for any other failure.
func ruleAdvice(f *fault.Error) string {
	if f == nil {
		return ""
	}
	switch f.Reason {
	case egainv1alpha1.ReasonTenantRefRequired, fault.ReasonEndpointRefused:
		return "correct the tenant, or run this as a user who may read the operator's Deployment and Lease, or pass --" + skipRules
	default:
		return ""
	}
}

// paragraph writes a text to standard error, in lines that fit a terminal.
func (e *environment) paragraph(text string) {
	for _, line := range view.Wrap(strings.TrimSpace(text), columns) {
		e.notef("%s\n", line)
	}
}
