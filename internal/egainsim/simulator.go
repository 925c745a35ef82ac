package egainsim

import (
	"crypto/rand"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"
)

const (
	// defaultLifetime is the hour that public clients assume when a token response names no lifetime.
	defaultLifetime = time.Hour
	// defaultRefreshLifetime is the simulator's own: eGain's is not public.
	defaultRefreshLifetime = 24 * time.Hour
)

// Config describes a Simulator. Its zero value is useful: an hour-long life for tokens and DefaultTenants.
type Config struct {
	// Clock dates tokens, answers and records. The default is the real clock.
	Clock clock.PassiveClock
	// Timer times delays and slow answers. It is apart from Clock, so that a test which freezes the life of tokens still
	// meets delays in real time. The default is the real clock.
	Timer clock.Clock
	// TokenLifetime is the life of the access tokens of every tenant without one of its own. The default is an hour.
	TokenLifetime time.Duration
	// RefreshTokenLifetime is the life of the refresh tokens of every tenant without one of its own, from the login or the
	// refresh that gave it. The default is a day.
	RefreshTokenLifetime time.Duration
	// Tenants are served from the start. The default is DefaultTenants.
	Tenants []TenantConfig
	// AdminToken is the bearer token of the administration endpoints. The default is random.
	AdminToken string
	// LogSize bounds the log of requests; the oldest are dropped. The default is 4096.
	LogSize int
}

// Simulator is one eGain: an authorization server and an API for any number of tenants. It is an http.Handler, and all
// of its methods are safe for concurrent use.
type Simulator struct {
	clock        clock.PassiveClock
	timer        clock.Clock
	adminToken   string
	signer       *tokenSigner
	authority    *authority
	ledger       *ledger
	transactions *transactions
	sessions     *sessionBook
	faults       *faultList
	recorder     *recorder
	server       listener
	skew         atomic.Int64

	mu               sync.RWMutex
	tenants          map[string]*Tenant
	order            []string
	deployments      []*Tenant
	clients          map[string]*clientState
	routes           map[string]*route
	providers        map[string]provider
	externalNames    map[string]string
	accessLifetimes  *lifetimes
	refreshLifetimes *lifetimes
}

// New makes a Simulator, which answers through ServeHTTP at once and on the network after Start.
func New(config Config) (*Simulator, error) {
	config = config.withDefaults()
	for _, lifetime := range []time.Duration{config.TokenLifetime, config.RefreshTokenLifetime} {
		if err := checkLifetime(lifetime); err != nil {
			return nil, err
		}
	}
	signer, err := newTokenSigner()
	if err != nil {
		return nil, err
	}
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	s := &Simulator{
		clock:            config.Clock,
		timer:            config.Timer,
		adminToken:       config.AdminToken,
		signer:           signer,
		authority:        ca,
		ledger:           newLedger(),
		transactions:     newTransactions(),
		sessions:         newSessionBook(),
		faults:           &faultList{},
		recorder:         newRecorder(config.LogSize),
		tenants:          map[string]*Tenant{},
		clients:          map[string]*clientState{},
		routes:           sharedRoutes(),
		providers:        map[string]provider{},
		externalNames:    map[string]string{},
		accessLifetimes:  newLifetimes(config.TokenLifetime),
		refreshLifetimes: newLifetimes(config.RefreshTokenLifetime),
	}
	for _, tenant := range config.Tenants {
		if _, err := s.AddTenant(tenant); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = clock.RealClock{}
	}
	if c.Timer == nil {
		c.Timer = clock.RealClock{}
	}
	if c.TokenLifetime == 0 {
		c.TokenLifetime = defaultLifetime
	}
	if c.RefreshTokenLifetime == 0 {
		c.RefreshTokenLifetime = defaultRefreshLifetime
	}
	if c.Tenants == nil {
		c.Tenants = DefaultTenants()
	}
	if c.AdminToken == "" {
		c.AdminToken = rand.Text()
	}
	if c.LogSize <= 0 {
		c.LogSize = 4096
	}
	return c
}

// now is the time by the simulator's clock, which may be set wrong on purpose.
func (s *Simulator) now() time.Time {
	return s.clock.Now().Add(time.Duration(s.skew.Load()))
}

// SetClockSkew makes the simulator's clock run ahead of the true time, or behind it if skew is negative.
func (s *Simulator) SetClockSkew(skew time.Duration) {
	s.skew.Store(int64(skew))
}

// AdminToken is the bearer token of the administration endpoints.
func (s *Simulator) AdminToken() string { return s.adminToken }

// ServeHTTP answers one request. The name that the request asks for decides between the login host and the API host.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.server.current(r) {
		w.Header().Set("Connection", "close")
	}
	if s.isAdmin(r) {
		s.serveAdmin(w, r)
		return
	}
	c := s.receive(r)
	s.recorder.begin(c.labels.Endpoint)
	defer s.recorder.end(c.labels.Endpoint)
	s.serve(r.Context(), w, c)
}
