package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/view"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/workload"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/target"
)

// storyBarWidth is that of a token's life in a story.
const storyBarWidth = 30

// Facts are what was found out about an EgainClient.
type Facts struct {
	Client *egainv1alpha1.EgainClient
	// Sources are the Secrets that a token is made from.
	Sources []Source
	Target  Secret
	Events  []Event
	Uses    []workload.Use
	// Unread says which parts could not be read and why, by the title of the section.
	Unread map[string][]string
}

// Secret is what is known of a Secret: never a value.
type Secret struct {
	Name string
	// Trouble is why it was not read; empty if it was.
	Trouble string
	// Missing is whether it does not exist.
	Missing bool
	// Keys are those with a value, sorted.
	Keys    []string
	Version string
	// Changed is zero if the Secret does not tell.
	Changed time.Time
	// Claim and Holder say whose it is.
	Claim  target.Claim
	Holder string
}

// Source is a Secret that a token is made from.
type Source struct {
	Secret
	// What it holds, as a title.
	What string
	// Needs are the keys that it must have.
	Needs []string
}

// Event is one that the operator sent.
type Event struct {
	Time                  time.Time
	Type, Reason, Message string
}

// Titles of sections.
const (
	TitleCredentials = "CREDENTIALS"
	TitleTenant      = "TENANT"
	TitleFlow        = "FLOW"
	TitleToken       = "TOKEN"
	TitleTarget      = "TARGET"
	TitleFailure     = "LAST FAILURE"
	TitleConditions  = "CONDITIONS"
	TitleEvents      = "EVENTS"
	TitleWorkloads   = "WORKLOADS"
)

// Story tells all about an EgainClient, section by section, from its credentials to the workloads that use its token.
func Story(f *Facts, style view.Style, now time.Time) []view.Section {
	sections := []view.Section{
		head(f.Client, now),
		{Title: TitleCredentials, Rows: credentials(f, now)},
		{Title: TitleTenant, Rows: tenant(f.Client)},
		{Title: TitleFlow, Rows: flow(f.Client)},
		{Title: TitleToken, Rows: token(f.Client, style, now)},
		{Title: TitleTarget, Rows: targetRows(f, now)},
		{Title: TitleFailure, Rows: failure(f.Client, now)},
		{Title: TitleConditions, Rows: conditions(f.Client, now)},
		{Title: TitleEvents, Rows: events(f.Events, now)},
		{Title: TitleWorkloads, Rows: workloads(f.Uses)},
	}
	for i := range sections {
		for _, trouble := range f.Unread[sections[i].Title] {
			sections[i].Rows = append(sections[i].Rows, []view.Cell{{Text: trouble, Shade: view.Fair}})
		}
	}
	return sections
}

func head(ec *egainv1alpha1.EgainClient, now time.Time) view.Section {
	ready := readyCell(ec, lifeOf(ec, now))
	rows := [][]view.Cell{view.Field("Ready", ready), view.Field("Age", view.Text(duration.HumanDuration(now.Sub(ec.CreationTimestamp.Time))))}
	if reason, message := Problem(ec, now); reason != "" {
		rows = append(rows, view.Field("Problem", view.Cell{Text: joined(": ", reason, message), Shade: view.Bad}))
	}
	if ec.Suspended() {
		rows = append(rows, view.Field("Suspended", view.Cell{Text: "the token is not renewed until kubectl egain resume " + ec.Name, Shade: view.Fair}))
	}
	return view.Section{Title: ec.Namespace + "/" + ec.Name, Rows: rows}
}

func credentials(f *Facts, now time.Time) [][]view.Cell {
	var rows [][]view.Cell
	if name := f.Client.Application(); name != "" {
		rows = append(rows, view.Field("Application", view.Text(name+" of the EgainTenant")))
	}
	for _, source := range f.Sources {
		rows = append(rows, view.Field(source.What, source.cell(now)))
		if source.Trouble != "" || source.Missing {
			continue
		}
		for _, key := range source.Needs {
			state := view.Cell{Text: "present", Shade: view.Good}
			if !slices.Contains(source.Keys, key) {
				state = view.Cell{Text: "missing or empty", Shade: view.Bad}
			}
			rows = append(rows, view.Field("Key "+key, state))
		}
	}
	if len(rows) == 0 {
		return [][]view.Cell{view.Field("Secret", view.Text("not needed"))}
	}
	return rows
}

func (s *Secret) cell(now time.Time) view.Cell {
	switch {
	case s.Trouble != "":
		return view.Cell{Text: s.Name + " (" + s.Trouble + ")", Shade: view.Fair}
	case s.Missing:
		return view.Cell{Text: s.Name + " does not exist", Shade: view.Bad}
	case s.Changed.IsZero():
		return view.Text(fmt.Sprintf("%s, version %s", s.Name, s.Version))
	default:
		return view.Text(fmt.Sprintf("%s, version %s, changed %s ago", s.Name, s.Version, duration.HumanDuration(now.Sub(s.Changed))))
	}
}

func tenant(ec *egainv1alpha1.EgainClient) [][]view.Cell {
	var rows [][]view.Cell
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, view.Field(name, view.Text(value)))
		}
	}
	if ref := ec.Spec.TenantRef; ref != nil {
		add("EgainTenant", string(ref.Name))
	}
	add("ID", ec.Spec.Tenant.ID)
	add("Metadata", string(ec.Spec.Tenant.MetadataURL))
	if ref := ec.Spec.Tenant.CABundleRef; ref != nil {
		add("CA bundle", fmt.Sprintf("%s %s, key %s", ref.Kind, ref.Name, ref.Key))
	}
	endpoints := ec.Status.Endpoints
	if endpoints == nil {
		return append(rows, view.Field("Endpoints", view.Cell{Text: "not known yet", Shade: view.Dim}))
	}
	add("Token URL", endpoints.TokenURL)
	add("API URL", endpoints.APIURL)
	add("Known from", string(endpoints.Source))
	return rows
}

func flow(ec *egainv1alpha1.EgainClient) [][]view.Cell {
	scopes := make([]string, len(ec.Spec.Scopes))
	for i, scope := range ec.Spec.Scopes {
		scopes[i] = string(scope)
	}
	rows := [][]view.Cell{view.Field("Flow", view.Text(string(ec.Spec.Flow))), view.Field("Scopes", view.Text(orNone(scopes)))}
	if granted := ec.Status.Token; granted != nil && !sameElements(granted.Scopes, scopes) {
		rows = append(rows, view.Field("Granted", view.Text(orNone(granted.Scopes))))
	}
	return rows
}

func sameElements(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func orNone(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, " ")
}

func token(ec *egainv1alpha1.EgainClient, style view.Style, now time.Time) [][]view.Cell {
	tok, life := ec.Status.Token, lifeOf(ec, now)
	if !life.known {
		return [][]view.Cell{view.Field("Token", view.Cell{Text: "none", Shade: view.Bad})}
	}
	rows := [][]view.Cell{
		view.Field("Issued", view.Text(when(tok.IssueTime.Time, now))),
		view.Field("Expires", view.Cell{Text: when(tok.ExpirationTime.Time, now), Shade: life.shade()}),
	}
	if tok.RenewalTime != nil && !ec.Suspended() {
		rows = append(rows, view.Field("Renews", view.Text(when(tok.RenewalTime.Time, now))))
	}
	percent := 100 * max(0, min(life.left, life.whole)) / max(life.whole, 1)
	left := fmt.Sprintf("%s %d%% of %s", style.Bar(life.left, life.whole, storyBarWidth), percent, duration.HumanDuration(life.whole))
	return append(rows, view.Field("Left", view.Cell{Text: left, Shade: life.shade()}))
}

// when says a time as clocks show it, and how far it is from now.
func when(t, now time.Time) string {
	if t.After(now) {
		return t.UTC().Format(time.RFC3339) + " (in " + duration.HumanDuration(t.Sub(now)) + ")"
	}
	return t.UTC().Format(time.RFC3339) + " (" + duration.HumanDuration(now.Sub(t)) + " ago)"
}

func targetRows(f *Facts, now time.Time) [][]view.Cell {
	policy := view.Field("Policy", view.Text(fmt.Sprintf("creationPolicy %s, deletionPolicy %s", f.Client.Spec.Target.CreationPolicy, f.Client.Spec.Target.DeletionPolicy)))
	rows := [][]view.Cell{view.Field("Secret", f.Target.cell(now))}
	if f.Target.Trouble != "" || f.Target.Missing {
		return append(rows, policy)
	}
	return append(rows, view.Field("Keys", view.Text(orNone(f.Target.Keys))), view.Field("Belongs to", f.Target.claimCell()), policy)
}

func (s *Secret) claimCell() view.Cell {
	switch s.Claim {
	case target.ClaimOurs:
		return view.Cell{Text: "this EgainClient", Shade: view.Good}
	case target.ClaimOther:
		return view.Cell{Text: "EgainClient " + s.Holder, Shade: view.Bad}
	case target.ClaimLeaving:
		return view.Cell{Text: "a deleted EgainClient of this name; it is being deleted too", Shade: view.Fair}
	case target.ClaimNone:
		fallthrough
	default:
		return view.Cell{Text: "no EgainClient, so the operator does not overwrite it", Shade: view.Bad}
	}
}

func failure(ec *egainv1alpha1.EgainClient, now time.Time) [][]view.Cell {
	last := ec.Status.LastFailure
	if last == nil {
		return nil
	}
	rows := [][]view.Cell{view.Field("Why", view.Cell{Text: joined(": ", last.Reason, last.Message), Shade: view.Bad})}
	if last.Time != nil {
		rows = append(rows, view.Field("When", view.Text(fmt.Sprintf("%s, %d in a row", when(last.Time.Time, now), ec.Status.ConsecutiveFailures))))
	}
	return append(rows, view.Field("Next try", view.Text(NextTry(last, now))))
}

// NextTry says when the operator tries again after a failure.
func NextTry(last *egainv1alpha1.FailureStatus, now time.Time) string {
	switch {
	case last.RetryTime == nil && last.Reason == fault.ReasonAPIServerFailed:
		return "within 30 seconds"
	case last.RetryTime == nil && last.Reason == fault.ReasonApplicationFailing:
		return "when the Secret of the application changes, or another EgainClient succeeds"
	case last.RetryTime == nil && fault.PassesByItself(last.Reason):
		return "when the endpoint recovers (circuit open: probing every few seconds)"
	case last.RetryTime == nil:
		return "when the spec or an object that it names changes"
	}
	return when(last.RetryTime.Time, now)
}

func joined(separator string, words ...string) string {
	return strings.Join(slices.DeleteFunc(words, func(word string) bool { return word == "" }), separator)
}

func conditions(ec *egainv1alpha1.EgainClient, now time.Time) [][]view.Cell {
	var rows [][]view.Cell
	for _, c := range ec.Status.Conditions {
		rows = append(rows, []view.Cell{
			{Text: c.Type, Shade: view.Dim},
			{Text: string(c.Status), Shade: conditionShade(c)},
			view.Text(sinceText(c.LastTransitionTime, now)),
			view.Text(joined(": ", c.Reason, c.Message)),
		})
	}
	if meta.FindStatusCondition(ec.Status.Conditions, egainv1alpha1.ConditionReady) == nil {
		rows = append(rows, []view.Cell{{Text: "the operator has not reconciled it yet", Shade: view.Fair}})
	}
	return rows
}

func sinceText(t metav1.Time, now time.Time) string {
	return "for " + duration.HumanDuration(max(0, now.Sub(t.Time)))
}

func events(list []Event, now time.Time) [][]view.Cell {
	var rows [][]view.Cell
	for _, event := range list {
		shade := view.Plain
		if event.Type != "Normal" {
			shade = view.Fair
		}
		rows = append(rows, []view.Cell{
			{Text: duration.HumanDuration(max(0, now.Sub(event.Time))) + " ago", Shade: view.Dim},
			{Text: event.Reason, Shade: shade},
			view.Text(event.Message),
		})
	}
	return rows
}

func workloads(uses []workload.Use) [][]view.Cell {
	var rows [][]view.Cell
	for _, use := range uses {
		verdict := view.Cell{Text: "sees every renewal", Shade: view.Good}
		if !use.How.Follows() {
			verdict = view.Cell{Text: "WARN: sees no renewal until it restarts; mount the Secret as a volume without subPath", Shade: view.Bad}
		}
		rows = append(rows, []view.Cell{
			view.Text(use.Kind + "/" + use.Name), view.Text("container " + use.Container),
			view.Text(joined(" ", string(use.How), use.Where)), verdict,
		})
	}
	if len(rows) == 0 {
		return [][]view.Cell{{{Text: "no workload uses the target", Shade: view.Dim}}}
	}
	return rows
}
