package egainsim

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// transactionLifetime is how long a person may look at a page before acting on it.
const transactionLifetime = 10 * time.Minute

// transaction is a page that waits for a person. Its id is good for one form.
type transaction struct {
	*authorization
	// subject is who has logged in, if a user has yet.
	subject   string
	expiresAt time.Time
}

func (t *transaction) expired(now time.Time) bool { return !now.Before(t.expiresAt) }

// transactions are the pages that wait, by id.
type transactions struct {
	mu   sync.Mutex
	open expiring[*transaction]
}

func newTransactions() *transactions {
	return &transactions{open: newExpiring[*transaction]()}
}

func (t *transactions) begin(asked *authorization, subject string, now time.Time) string {
	id := rand.Text()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open.add(id, &transaction{authorization: asked, subject: subject, expiresAt: now.Add(transactionLifetime)}, now)
	return id
}

// look is a transaction that stays open, or nil.
func (t *transactions) look(id string, now time.Time) *transaction {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, _ := t.open.find(id, now)
	return found
}

// take is a transaction, which it ends. It must be of the route, and a user must have logged in or no one yet.
func (t *transactions) take(c *call, id string, loggedIn bool) (*transaction, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, ok := t.open.find(id, c.now)
	if !ok || found.tenant != c.route.tenant || found.actor != c.route.actor || (found.subject != "") != loggedIn {
		return nil, refuse(invalidRequest, "the page was used already, or has expired")
	}
	t.open.remove(id)
	return found, nil
}

// showLogin shows the login page, with what was wrong the last time.
func (s *Simulator) showLogin(c *call, asked *authorization, status int, problem string) answer {
	p := page{
		Name: "login", Title: "Log in", Tenant: asked.tenant.config.ID, ClientID: asked.client.id, Problem: problem,
		Action: asked.tenant.oauthPath(asked.actor, "login"), Transaction: s.transactions.begin(asked, "", c.now),
		NameLabel: "User name",
	}
	if asked.actor == Customer {
		p.NameLabel = "Email address"
	}
	outcome := OutcomeOK
	if problem != "" {
		outcome = accessDenied
	}
	return p.answer(status, outcome)
}

// answerLogin answers to the login page's form, with the consent page. Users log in where users do, and customers where
// customers do.
func (s *Simulator) answerLogin(c *call) answer {
	form, err := c.pageForm("username", "password")
	if err != nil {
		return answerProblem(c.route.tenant, err)
	}
	open, err := s.transactions.take(c, form.Get("transaction"), false)
	if err != nil {
		return answerProblem(c.route.tenant, err)
	}
	knows := func(subject Subject) bool { return subject.logsInAs(form.Get("username"), form.Get("password")) }
	if subject, ok := open.tenant.find(open.actor, knows); ok {
		a := s.showConsent(c, open.authorization, subject.Name())
		a.subject = subject.Name()
		return a
	}
	if _, ok := open.tenant.find(open.actor.other(), knows); ok {
		return s.showLogin(c, open.authorization, http.StatusForbidden,
			"You are a "+string(open.actor.other())+". Only a "+string(open.actor)+" can log in here.")
	}
	return s.showLogin(c, open.authorization, http.StatusForbidden, "The name or the password is wrong.")
}

// other is the other kind of person.
func (a Actor) other() Actor {
	if a == Customer {
		return User
	}
	return Customer
}

func (s *Simulator) showConsent(c *call, asked *authorization, subject string) answer {
	p := page{
		Name: "consent", Title: "Allow access?", Tenant: asked.tenant.config.ID, ClientID: asked.client.id,
		Action: asked.tenant.oauthPath(asked.actor, "consent"), Transaction: s.transactions.begin(asked, subject, c.now),
		Subject: subject, Destination: originOf(asked.redirectURI),
	}
	for _, scope := range asked.scopes {
		p.Scopes = append(p.Scopes, asked.tenant.ScopeFor(asked.actor, scope))
	}
	return p.answer(http.StatusOK, OutcomeOK)
}

// answerConsent answers to the consent page's form, and sends the browser back to the application. It does so with 303,
// which unlike 307 makes no browser send the form on (RFC 9700 section 4.12).
func (s *Simulator) answerConsent(c *call) answer {
	form, err := c.pageForm("decision")
	if err != nil {
		return answerProblem(c.route.tenant, err)
	}
	decision := form.Get("decision")
	if decision != "allow" && decision != "deny" {
		return answerProblem(c.route.tenant, refuse(invalidRequest, "the decision is neither to allow nor to deny"))
	}
	open, err := s.transactions.take(c, form.Get("transaction"), true)
	if err != nil {
		return answerProblem(c.route.tenant, err)
	}
	if decision == "deny" {
		return answerRedirectedError(http.StatusSeeOther, open.redirectURI, open.state,
			refuse(accessDenied, "the access was denied at the consent page"))
	}
	code := s.sessions.addCode(open.authorization, open.subject, c.now)
	a := answerRedirect(http.StatusSeeOther, open.redirectURI, url.Values{"code": {code}, "state": {open.state}}, OutcomeOK)
	a.subject = open.subject
	return a
}

// pageForm reads the form of a page: its transaction and its other fields.
func (c *call) pageForm(fields ...string) (url.Values, error) {
	form, err := c.form()
	if err != nil {
		return nil, err
	}
	if err := c.checkQuery(); err != nil {
		return nil, err
	}
	return form, c.checkParameters(form, []string{"transaction"}, fields)
}
