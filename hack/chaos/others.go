package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/egain-operator/egain-operator/hack/chaos/internal/tcpproxy"
	"github.com/egain-operator/egain-operator/hack/internal/stage"
)

// firstOther is a number that no lane has, for the names of tenants beside those of the lanes.
const firstOther = 500

// addOthers adds tenants whose clients are not in the audit.
func addOthers(count int) func(context.Context, *lane) error {
	return func(ctx context.Context, l *lane) error {
		clients, tenants := l.clients, l.tenants
		l.clients = nil
		for i := range count {
			namespace := fmt.Sprintf("%s-other-%d", l.prefix, i+1)
			if err := l.addTenant(ctx, tenantConfigs(firstOther + i)[0], namespace, clientsPerTenant); err != nil {
				return err
			}
		}
		err := l.applyClients(ctx)
		l.others = l.tenants[len(tenants):]
		l.clients, l.tenants = clients, tenants
		return err
	}
}

// stallOthers has the networks of the others lose all packets from now on, for one and a half lives.
func stallOthers(ctx context.Context, l *lane) error {
	for _, t := range l.others {
		if err := t.network.Set(tcpproxy.Stall); err != nil {
			return err
		}
	}
	return l.hold(ctx, l.life*3/2)
}

// deleteOthers deletes the namespaces of the others, and waits until nothing is left of them.
func deleteOthers(ctx context.Context, l *lane) error {
	l.struck()
	defer l.repaired()
	for _, t := range l.others {
		if err := l.cluster.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.namespace}}); err != nil {
			return fmt.Errorf("deleting namespace %s: %w", t.namespace, err)
		}
	}
	return stage.Await(ctx, collection, "deleting the namespaces", func(ctx context.Context) (bool, error) {
		for _, t := range l.others {
			err := l.cluster.Get(ctx, client.ObjectKey{Name: t.namespace}, &corev1.Namespace{})
			if err == nil || client.IgnoreNotFound(err) != nil {
				return false, client.IgnoreNotFound(err)
			}
		}
		return true, nil
	})
}
