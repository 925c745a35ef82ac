package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/hack/chaos/internal/audit"
	"github.com/egain-operator/egain-operator/hack/chaos/internal/tcpproxy"
	"github.com/egain-operator/egain-operator/hack/internal/stage"
	"github.com/egain-operator/egain-operator/internal/egainsim"
)

const (
	// clientsPerTenant times tenants makes 51 clients.
	clientsPerTenant = 17
	// caConfigMap holds the simulator's CA in each namespace.
	caConfigMap = "egain-ca"
	// auditInterval is the time between two looks at a client, a hundredth or less of what its token lives. Each change
	// is audited too.
	auditInterval = 250 * time.Millisecond
	// settling bounds the time until every client has its first token.
	settling = time.Minute
)

// lane is where a scenario takes place: a simulator of its own with three tenants, each with a network that can be broken and
// a namespace of clients.
type lane struct {
	*harness
	life     time.Duration
	prefix   string
	sim      *stage.Simulator
	provider *audit.Provider
	tenants  []*tenant
	clients  []*tokenClient
	audit    *audit.Audit
	// others are tenants whose clients are not in the audit, since they have trouble of their own.
	others []*tenant

	// strikes counts the faults; healed is when the last one ended.
	strikes int
	healed  time.Time
	// attempts were made at networks while they were broken.
	attempts int
	// stops undo what was started, last things first.
	laneStops []func() error
}

// tenant is a tenant of the simulator.
type tenant struct {
	egainsim.TenantDescription
	namespace string
	network   *tcpproxy.Proxy
	tokenURL  string
	scope     string
}

// tokenClient is an EgainClient with a client application of its own.
type tokenClient struct {
	types.NamespacedName
	tenant     *tenant
	id, secret string
}

func (c *tokenClient) target() types.NamespacedName {
	return types.NamespacedName{Namespace: c.Namespace, Name: c.Name + "-token"}
}

func (c *tokenClient) credentials() types.NamespacedName {
	return types.NamespacedName{Namespace: c.Namespace, Name: c.Name + "-app"}
}

// openLane starts a simulator and applies the clients. Whatever it started is stopped by close, also if it fails.
func (h *harness) openLane(ctx context.Context, number int, s scenario) (*lane, error) {
	l := &lane{harness: h, life: s.life, prefix: fmt.Sprintf("chaos-%03d", number)}
	sim, err := stage.StartSimulator(ctx, filepath.Join(h.binaries, "egainsim"), filepath.Join(h.dir, l.prefix+".json"),
		stage.LogFile(h.logs, l.prefix+"-egainsim"), s.life)
	if err != nil {
		return l, err
	}
	l.sim = sim
	l.laneStops = append(l.laneStops, sim.Process.Stop)
	asking, err := trusting([]byte(sim.Description.CABundle), egainsim.AdminServerName)
	if err != nil {
		return l, err
	}
	asking.Timeout = 5 * time.Second
	l.provider = audit.NewProvider(sim.Description.LoginURL, sim.Description.AdminToken, asking)
	configs, clients := tenantConfigs(number), clientsPerTenant
	if s.crowd > 0 {
		configs, clients = configs[:1], s.crowd
	}
	for i, config := range configs {
		if err := l.addTenant(ctx, config, fmt.Sprintf("%s-%c", l.prefix, 'a'+i), clients); err != nil {
			return l, err
		}
	}
	if s.arrange != nil {
		if err := s.arrange(ctx, l); err != nil {
			return l, err
		}
	}
	return l, l.applyClients(ctx)
}

// tenantConfigs are two tenants on the self-service platform and one on the commercial one.
func tenantConfigs(number int) []egainsim.TenantConfig {
	id := func(letter byte) string { return fmt.Sprintf("TMCHAOS%c%03d", letter, number) }
	return []egainsim.TenantConfig{
		{ID: id('A'), Platform: egainsim.Rigel},
		{ID: id('B'), Platform: egainsim.Rigel},
		{ID: id('C'), Platform: egainsim.Commercial, GatewayID: fmt.Sprintf("chaos-gateway-%d", number)},
	}
}

// addTenant adds a tenant with its client applications to the simulator, and its namespace to the cluster.
func (l *lane) addTenant(ctx context.Context, config egainsim.TenantConfig, namespace string, size int) error {
	var clients []*tokenClient
	for i := range size {
		name := types.NamespacedName{Namespace: namespace, Name: fmt.Sprintf("client-%02d", i+1)}
		c := &tokenClient{NamespacedName: name, id: namespace + "-" + name.Name, secret: "first-secret-of-" + namespace + "-" + name.Name}
		config.Clients = append(config.Clients, egainsim.ClientApp{ID: c.id, Secrets: []string{c.secret}})
		clients = append(clients, c)
	}
	description, err := l.sim.AddTenant(ctx, config)
	if err != nil {
		return err
	}
	t := &tenant{TenantDescription: description, namespace: namespace, scope: "knowledge.portalmgr.manage"}
	if err := l.connect(t); err != nil {
		return err
	}
	for _, c := range clients {
		c.tenant = t
	}
	l.tenants, l.clients = append(l.tenants, t), append(l.clients, clients...)
	if err := l.cluster.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		return fmt.Errorf("creating namespace %s: %w", namespace, err)
	}
	return l.create(ctx, l.caBundle(namespace))
}

func (l *lane) caBundle(namespace string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: caConfigMap},
		Data:       map[string]string{"ca.crt": l.sim.Description.CABundle},
	}
}

// connect puts a network between the operator and a tenant.
func (l *lane) connect(t *tenant) error {
	direct, err := url.Parse(t.TokenURLs[egainsim.Client])
	if err != nil {
		return fmt.Errorf("reading the token URL: %w", err)
	}
	if t.network, err = tcpproxy.Start("127.0.0.1:" + direct.Port()); err != nil {
		return err
	}
	l.laneStops = append(l.laneStops, t.network.Close)
	through, err := url.Parse("https://" + t.network.Address())
	if err != nil {
		return fmt.Errorf("reading the network's address: %w", err)
	}
	direct.Host = "localhost:" + through.Port()
	t.tokenURL = direct.String()
	return nil
}

// create creates an object.
func (l *lane) create(ctx context.Context, object client.Object) error {
	if err := l.cluster.Create(ctx, object); err != nil {
		return fmt.Errorf("creating %s: %w", client.ObjectKeyFromObject(object), err)
	}
	return nil
}

// applyClients creates the credentials and EgainClients, some at a time.
func (l *lane) applyClients(ctx context.Context) error {
	return l.each(ctx, func(ctx context.Context, c *tokenClient) error {
		return errors.Join(l.create(ctx, credentialsOf(c)), l.create(ctx, egainClientOf(c)))
	})
}

// each does something to every client, some at a time.
func (l *lane) each(ctx context.Context, do func(context.Context, *tokenClient) error) error {
	some, ctx := errgroup.WithContext(ctx)
	some.SetLimit(8)
	for _, c := range l.clients {
		some.Go(func() error { return do(ctx, c) })
	}
	return some.Wait()
}

func credentialsOf(c *tokenClient) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.credentials().Name},
		StringData: map[string]string{"client_id": c.id, "client_secret": c.secret},
	}
}

func egainClientOf(c *tokenClient) *egainv1alpha1.EgainClient {
	ec := &egainv1alpha1.EgainClient{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.Name}}
	ec.Spec.Tenant.Endpoints = &egainv1alpha1.Endpoints{TokenURL: egainv1alpha1.HTTPSURL(c.tenant.tokenURL)}
	ec.Spec.Tenant.ScopePrefix = c.tenant.ScopePrefix
	ec.Spec.Tenant.CABundleRef = &egainv1alpha1.CABundleReference{Kind: "ConfigMap", Name: caConfigMap, Key: "ca.crt"}
	ec.Spec.CredentialsSecretRef = &egainv1alpha1.CredentialsSecretReference{Name: egainv1alpha1.SecretName(c.credentials().Name)}
	ec.Spec.Scopes = []egainv1alpha1.Scope{egainv1alpha1.Scope(c.tenant.scope)}
	ec.Spec.Target.SecretName = egainv1alpha1.SecretName(c.target().Name)
	return ec
}

// watch begins an audit of all clients.
func (l *lane) watch(ctx context.Context) *audit.Audit {
	targets := make([]audit.Target, 0, len(l.clients))
	for _, c := range l.clients {
		targets = append(targets, audit.Target{Key: audit.Key(c.target()), ClientID: c.id, Provider: l.provider})
	}
	return audit.Begin(ctx, l.secrets, auditInterval, targets)
}

// settle waits until every client has a token.
func (l *lane) settle(ctx context.Context) error {
	watching := l.watch(ctx)
	defer watching.End()
	return stage.Await(ctx, settling, "the first tokens of all clients", func(context.Context) (bool, error) { return watching.Invalid() == 0, nil })
}

// egainClients are the EgainClients of the lane.
func (l *lane) egainClients(ctx context.Context) ([]egainv1alpha1.EgainClient, error) {
	var all []egainv1alpha1.EgainClient
	for _, t := range l.tenants {
		var list egainv1alpha1.EgainClientList
		if err := l.cluster.List(ctx, &list, client.InNamespace(t.namespace)); err != nil {
			return nil, fmt.Errorf("listing EgainClients: %w", err)
		}
		all = append(all, list.Items...)
	}
	return all, nil
}

// hold lets time pass.
func (l *lane) hold(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// struck notes that a fault begins, and repaired that the last one has ended.
func (l *lane) struck() { l.strikes++ }

func (l *lane) repaired() { l.healed = time.Now() }

// stopAll stops simulator and networks.
func (l *lane) stopAll() error {
	var errs []error
	for _, stop := range slices.Backward(l.laneStops) {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}
