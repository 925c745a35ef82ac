package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/client-go/rest"

	"github.com/egain-operator/egain-operator/hack/chaos/internal/tcpproxy"
	"github.com/egain-operator/egain-operator/hack/internal/stage"
	"github.com/egain-operator/egain-operator/test/controlplane"
)

// operators are the replicas of the operator, each of which reaches the API server through a proxy of its own.
type operators struct {
	cluster   *stage.Cluster
	namespace string
	replicas  []*replica
	// names is nil if nothing can be done about names.
	names *names
}

// replica is one operator.
type replica struct {
	*stage.Operator
	network *tcpproxy.Proxy
}

// startOperators starts the replicas under the operator's ServiceAccount.
func startOperators(ctx context.Context, h *harness) (*operators, error) {
	config, err := h.cluster.ActAs(ctx, h.background, h.account)
	if err != nil {
		return nil, err
	}
	all := &operators{cluster: h.cluster, namespace: h.account.Namespace}
	if all.names, err = newNames(ctx, h.dir); err != nil {
		return nil, err
	}
	command := all.names.command(filepath.Join(h.binaries, "egain-operator"))
	for i := range replicas {
		r, err := startReplica(ctx, h, command, rest.CopyConfig(config), fmt.Sprintf("egain-operator-%d", i+1))
		if err != nil {
			return nil, err
		}
		all.replicas = append(all.replicas, r)
	}
	return all, nil
}

func startReplica(ctx context.Context, h *harness, command []string, config *rest.Config, name string) (*replica, error) {
	network, err := tcpproxy.Start(h.cluster.Address())
	if err != nil {
		return nil, err
	}
	h.stops = append(h.stops, network.Close)
	config.Host = "https://" + network.Address()
	kubeconfig := filepath.Join(h.dir, name+".kubeconfig")
	if err := controlplane.WriteKubeconfig(kubeconfig, config); err != nil {
		return nil, err
	}
	operator, err := stage.NewOperator(ctx, command, stage.LogFile(h.logs, name), kubeconfig, h.account.Namespace,
		"--metrics-secure=false") // they are read while the API server, which would be asked who may, is away
	if err != nil {
		return nil, err
	}
	h.stops = append(h.stops, operator.Stop)
	if err := operator.Start(ctx); err != nil {
		return nil, err
	}
	h.background(func() { operator.Supervise(ctx, func(err error) { h.say("%s: %v", name, err) }) })
	return &replica{Operator: operator, network: network}, nil
}

// leader is the replica that says that it leads, or nil.
func (o *operators) leader(ctx context.Context) *replica {
	i := slices.IndexFunc(o.replicas, func(r *replica) bool { return r.leads(ctx) })
	if i < 0 {
		return nil
	}
	return o.replicas[i]
}

// leads asks a replica's metrics whether it leads.
func (r *replica) leads(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.Metrics+"/metrics", http.NoBody)
	if err != nil {
		return false
	}
	response, err := (&http.Client{Timeout: time.Second}).Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	metrics, err := io.ReadAll(response.Body)
	return err == nil && stage.SumSeries(string(metrics), "leader_election_master_status", "") == 1
}

// awaitLeader waits until one of the replicas leads.
func (o *operators) awaitLeader(ctx context.Context) (*replica, error) {
	var leader *replica
	err := stage.Await(ctx, stage.OperatorStart, "electing a leader", func(ctx context.Context) (bool, error) {
		leader = o.leader(ctx)
		return leader != nil, nil
	})
	return leader, err
}
