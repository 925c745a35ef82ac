package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/transport"

	"github.com/egain-operator/egain-operator/hack/internal/stage"
)

// metricsReader is the ClusterRole that config/default has for those who read metrics.
const metricsReader = "egain-operator-metrics-reader"

// scraper reads the operator's metrics, as Prometheus would: with the token of a ServiceAccount.
type scraper struct {
	url                  string
	authorized, stranger *http.Client
}

// newScraper makes a scraper for a token file; without the token, stranger is who it would be.
func newScraper(address, tokenFile string) (*scraper, error) {
	// The operator has signed its certificate itself, since no one gave it one.
	plain := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // It is on this machine.
	bearer, err := transport.NewBearerAuthWithRefreshRoundTripper("", tokenFile, plain)
	if err != nil {
		return nil, fmt.Errorf("reading the scraper's token: %w", err)
	}
	return &scraper{
		url:        "https://" + address + "/metrics",
		authorized: &http.Client{Transport: bearer, Timeout: 5 * time.Second},
		stranger:   &http.Client{Transport: plain, Timeout: 5 * time.Second},
	}, nil
}

// allowScraper lets a ServiceAccount read the operator's metrics.
func allowScraper(ctx context.Context, c *stage.Cluster, account types.NamespacedName) error {
	if err := c.ServiceAccount(ctx, account); err != nil {
		return err
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: account.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: metricsReader},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.Namespace, Name: account.Name}},
	}
	if err := c.Create(ctx, binding); err != nil {
		return fmt.Errorf("letting the scraper read metrics: %w", err)
	}
	return nil
}

// scrape returns the metrics in the text format.
func (s *scraper) scrape(ctx context.Context, client *http.Client) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, http.NoBody)
	if err != nil {
		return "", fmt.Errorf("making the request: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("reading metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return "", statusError(response.StatusCode)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("reading metrics: %w", err)
	}
	return string(body), nil
}

// statusError is an answer other than 200.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("the metrics endpoint answered %d", int(e)) }

// refusesStrangers reports whether the endpoint asks for a token.
func (s *scraper) refusesStrangers(ctx context.Context) bool {
	_, err := s.scrape(ctx, s.stranger)
	var status statusError
	return errors.As(err, &status) && int(status) == http.StatusUnauthorized
}

// leads reports whether the operator is the leader and has reconciled a number of objects by each controller, with no
// worker busy.
func leads(metrics string, objects map[string]int) bool {
	for controller, count := range objects {
		label := fmt.Sprintf("controller=%q", controller)
		if stage.SumSeries(metrics, "controller_runtime_reconcile_total", label) < float64(count) ||
			stage.SumSeries(metrics, "controller_runtime_active_workers", label) != 0 {
			return false
		}
	}
	return stage.SumSeries(metrics, "leader_election_master_status", "") == 1
}
