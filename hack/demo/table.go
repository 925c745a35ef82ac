package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// width is what every line keeps within.
const width = 120

// row is what the table says of an EgainClient.
type row struct {
	client, flow, platform, endpoints string
	ready                             bool
	// left and life are of the token in the target; life is 0 if there is none.
	left, life time.Duration
	// mounted is false for a client that no workload of the demo belongs to.
	mounted bool
	usage   usage
	// fresh tells that the token was replaced just now.
	fresh bool
	// problem is why the last attempt failed; empty if it did not.
	problem string
}

// freshness is how long a rotation stands out.
const freshness = 3 * time.Second

// rowOf describes an EgainClient at a time. The usage is nil unless a workload mounts its target. byURL are the EgainTenants
// with spec.url.
func rowOf(ec *egainv1alpha1.EgainClient, u *usage, byURL map[string]bool, now time.Time) row {
	r := row{
		client:    ec.Namespace + "/" + ec.Name,
		flow:      flowOf(ec),
		endpoints: endpointsOf(ec, byURL),
		platform:  platformOf(ec),
		ready:     meta.IsStatusConditionTrue(ec.Status.Conditions, egainv1alpha1.ConditionReady),
	}
	if tok := ec.Status.Token; tok != nil && tok.IssueTime != nil && tok.ExpirationTime != nil {
		r.life = tok.ExpirationTime.Sub(tok.IssueTime.Time)
		r.left = max(0, tok.ExpirationTime.Sub(now))
	}
	if u != nil {
		r.mounted, r.usage = true, *u
		r.fresh = u.rotations() > 0 && now.Sub(u.lastAt) < freshness
	}
	issued := meta.FindStatusCondition(ec.Status.Conditions, egainv1alpha1.ConditionTokenIssued)
	if issued != nil && issued.Status == metav1.ConditionFalse {
		r.problem = issued.Reason + ": " + issued.Message
	}
	return r
}

func flowOf(ec *egainv1alpha1.EgainClient) string {
	flow := string(ec.Spec.Flow)
	switch {
	case ec.Spec.OnBehalfOf != nil:
		return flow + " " + identified(ec.Spec.OnBehalfOf)
	case ec.Spec.TokenExchange != nil:
		return flow + " " + exchanged(ec.Spec.TokenExchange.SubjectToken)
	case ec.Spec.AuthorizationCode != nil:
		return "AuthCode " + strings.ToLower(string(ec.Spec.AuthorizationCode.Actor))
	default:
		return flow
	}
}

// identified is by what a user is named.
func identified(who *egainv1alpha1.OnBehalfOf) string {
	switch {
	case who.Username != "":
		return "username"
	case who.UserID != "":
		return "userID"
	default:
		return "email"
	}
}

// exchanged is where a subject token comes from.
func exchanged(token egainv1alpha1.SubjectToken) string {
	switch {
	case token.ServiceAccountToken != nil:
		return "SA"
	case token.EgainClientRef != nil:
		return "client"
	default:
		return "Secret"
	}
}

// endpointsOf is where the endpoints come from. The operator says which source it used, the metadata URL which form the
// document has.
func endpointsOf(ec *egainv1alpha1.EgainClient, byURL map[string]bool) string {
	url := string(ec.Spec.Tenant.MetadataURL)
	switch {
	case ec.Status.Endpoints == nil:
		return ""
	case ec.Spec.TenantRef != nil && byURL[string(ec.Spec.TenantRef.Name)]:
		return "url"
	case ec.Spec.TenantRef != nil:
		return "tenantRef"
	case ec.Status.Endpoints.Source == egainv1alpha1.EndpointSourceSpec:
		return "spec"
	case strings.Contains(url, "/.well-known/oauth-authorization-server"):
		return "RFC 8414"
	case strings.Contains(url, "/.well-known/openid-configuration"):
		return "OpenID"
	case url != "":
		return "console"
	default:
		return "tenant id"
	}
}

// platformOf tells the platforms by the paths that eGain documents for their token endpoints.
func platformOf(ec *egainv1alpha1.EgainClient) string {
	switch endpoints := ec.Status.Endpoints; {
	case endpoints == nil:
		return ec.Labels[platformLabel]
	case strings.Contains(endpoints.TokenURL, "/system/auth/"), strings.Contains(endpoints.TokenURL, "/core/authmgr/v3/"):
		return "Rigel"
	default:
		return "Commercial"
	}
}

// totals is what the header says.
type totals struct {
	requests, operatorPID, restarts int
	uptime, tokenLife               time.Duration
}

// cell is a text in a colour of the palette.
type cell struct {
	text  string
	shade shade
}

type column[R any] struct {
	title string
	width int
	right bool
	// spare is when a narrow screen has no room for it: 1 gives way first; 0 never.
	spare int
	cell  func(R) cell
}

var clientColumns = []column[row]{
	{title: "CLIENT", width: 20, cell: func(r row) cell { return cell{text: r.client} }},
	{title: "FLOW", width: 20, spare: 3, cell: func(r row) cell { return cell{text: r.flow} }},
	{title: "PLATFORM", width: 10, spare: 2, cell: func(r row) cell { return cell{text: dash(r.platform)} }},
	{title: "ENDPOINTS", width: 9, spare: 1, cell: func(r row) cell { return cell{text: dash(r.endpoints)} }},
	{title: "READY", width: 5, cell: readyCell},
	{title: "EXPIRES IN", width: barWidth + 5, cell: expiryCell},
	{title: "ROTATED", width: 7, right: true, cell: rotatedCell},
	{title: "CALL", width: 4, right: true, cell: callCell},
	{title: "OK", width: 5, right: true, cell: func(r row) cell { return cell{text: counted(r, r.usage.ok)} }},
	{title: "FAILED", width: 6, right: true, cell: failedCell},
}

func dash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

func readyCell(r row) cell { return tick(r.ready) }

func tick(ready bool) cell {
	if ready {
		return cell{"✓", good}
	}
	return cell{"✗", bad}
}

func rotatedCell(r row) cell {
	c := cell{text: counted(r, r.usage.rotations())}
	if r.fresh {
		c.shade = bold
	}
	return c
}

func callCell(r row) cell {
	switch {
	case !r.mounted || r.usage.ok+r.usage.failed == 0:
		return cell{text: dash("")}
	case r.usage.status == http.StatusOK:
		return cell{"200", good}
	case r.usage.status == 0:
		return cell{"none", bad}
	default:
		return cell{strconv.Itoa(r.usage.status), bad}
	}
}

func failedCell(r row) cell {
	c := cell{text: counted(r, r.usage.failed)}
	if r.usage.failed > 0 {
		c.shade = bad
	}
	return c
}

func counted(r row, n int) string {
	if !r.mounted {
		return dash("")
	}
	return strconv.Itoa(n)
}

func expiryCell(r row) cell {
	if r.life <= 0 {
		return cell{text: dash("")}
	}
	share := float64(r.left) / float64(r.life)
	c := cell{text: fmt.Sprintf("%s %4s", bar(share), brief(r.left)), shade: good}
	switch {
	case share < 1.0/6:
		c.shade = bad
	case share < 1.0/3:
		c.shade = fair
	}
	return c
}

// barWidth is the length of a bar in characters, each of which has eight steps.
const barWidth = 9

// bar draws a share from 0 to 1.
func bar(share float64) string {
	const steps = 8
	filled := int(min(max(share, 0), 1)*barWidth*steps + 0.5)
	text := strings.Repeat("█", filled/steps)
	if part := filled % steps; part > 0 {
		text += string([]rune(" ▏▎▍▌▋▊▉")[part])
	}
	return pad(text, barWidth, false)
}

// brief spells a duration in at most four characters.
func brief(d time.Duration) string {
	switch {
	case d < 100*time.Second:
		return strconv.Itoa(int(d/time.Second)) + "s"
	case d < 100*time.Minute:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	case d < 100*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	default:
		return strconv.Itoa(int(min(d/(24*time.Hour), 999))) + "d"
	}
}

// span spells a duration without units that are zero at its end, as in 1m.
func span(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// pad brings a text to a width.
func pad(text string, width int, right bool) string {
	length := utf8.RuneCountInString(text)
	if length > width {
		return string([]rune(text)[:width-1]) + "…"
	}
	fill := strings.Repeat(" ", width-length)
	if right {
		return fill + text
	}
	return text + fill
}

// clientTable renders EgainClients, problems below them, with the columns that a screen has room for.
func clientTable(rows []row, screen int, p palette) []string {
	return append(table(fitting(clientColumns, screen), rows, p), problems(rows, p)...)
}

// fitting are the columns that a screen has room for.
func fitting[R any](columns []column[R], screen int) []column[R] {
	for spare := 1; spare <= len(columns) && widthOf(columns) > screen; spare++ {
		columns = slices.DeleteFunc(slices.Clone(columns), func(c column[R]) bool { return c.spare == spare })
	}
	return columns
}

func widthOf[R any](columns []column[R]) int {
	total := 2 * (len(columns) - 1)
	for _, c := range columns {
		total += c.width
	}
	return total
}

func table[R any](columns []column[R], rows []R, p palette) []string {
	lines := []string{p.paint(dim, line(columns, func(c column[R]) string { return pad(c.title, c.width, c.right) }))}
	for _, r := range rows {
		lines = append(lines, line(columns, func(c column[R]) string {
			content := c.cell(r)
			return p.paint(content.shade, pad(content.text, c.width, c.right))
		}))
	}
	return lines
}

func line[R any](columns []column[R], text func(column[R]) string) string {
	var cells []string
	for _, c := range columns {
		cells = append(cells, text(c))
	}
	return strings.TrimRight(strings.Join(cells, "  "), " ")
}

// maxProblems is how many problems are told; the rest is for kubectl.
const maxProblems = 4

// problems are what is wrong with clients and with the calls of their workloads.
func problems(rows []row, p palette) []string {
	var lines []string
	for _, r := range rows {
		if r.problem != "" {
			lines = append(lines, p.paint(bad, pad("! "+r.client+": "+r.problem, width, false)))
		}
		if r.usage.problem != "" && r.usage.status != http.StatusOK {
			lines = append(lines, p.paint(bad, pad("! "+r.client+": the API said: "+r.usage.problem, width, false)))
		}
	}
	if len(lines) > maxProblems {
		lines = append(lines[:maxProblems], p.paint(bad, fmt.Sprintf("! … and %d more", len(lines)-maxProblems)))
	}
	if len(lines) > 0 {
		lines = slices.Insert(lines, 0, "")
	}
	return lines
}

// header sums rows up.
func header(rows []row, t totals, p palette) []string {
	var rotations, calls, failed, ready int
	for _, r := range rows {
		rotations += r.usage.rotations()
		calls += r.usage.ok + r.usage.failed
		failed += r.usage.failed
		if r.ready {
			ready++
		}
	}
	failures := fmt.Sprintf("%d failed", failed)
	if failed > 0 {
		failures = p.paint(bad, failures)
	}
	title := fmt.Sprintf("up %s · tokens live %s · operator pid %d", span(t.uptime.Round(time.Second)), span(t.tokenLife), t.operatorPID)
	if t.restarts > 0 {
		title += fmt.Sprintf(", restarted %d×", t.restarts)
	}
	return []string{
		p.paint(bold, "egain-operator demo") + "  " + title,
		fmt.Sprintf("%d of %d clients ready · %d token requests at the simulator · %d rotations · %d API calls, %s",
			ready, len(rows), t.requests, rotations, calls, failures),
		"",
	}
}
