package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/egain-operator/egain-operator/hack/internal/stage"
)

// mirror stands in for the kubelet, which a machine without nodes does not have: it keeps directories of files as the
// Secrets are. It does so at once, where a kubelet may take a minute or two; the operator leaves time for that when tokens
// live long enough for it. Its ServiceAccount may watch the targets of the samples and nothing else.
type mirror struct {
	client  kubernetes.Interface
	trouble func(error)
}

// allowMirror lets a ServiceAccount watch the targets of samples.
func allowMirror(ctx context.Context, c *stage.Cluster, account types.NamespacedName, all []sample) error {
	if err := c.ServiceAccount(ctx, account); err != nil {
		return err
	}
	for _, namespace := range namespacesOf(all) {
		var targets []string
		for _, s := range all {
			if s.Namespace == namespace {
				targets = append(targets, s.target.Name)
			}
		}
		meta := metav1.ObjectMeta{Namespace: namespace, Name: account.Name}
		role := &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: targets, Verbs: []string{"watch"},
		}}}
		binding := &rbacv1.RoleBinding{
			ObjectMeta: meta,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.Namespace, Name: account.Name}},
		}
		if err := errors.Join(c.Create(ctx, role), c.Create(ctx, binding)); err != nil {
			return fmt.Errorf("letting the mirror watch the targets in %s: %w", namespace, err)
		}
	}
	return nil
}

// follow keeps the volume of a workload as its Secret is, until the context ends.
func (m *mirror) follow(ctx context.Context, w *workload) {
	stage.Repeat(ctx, time.Second, func() {
		if err := m.watch(ctx, w); err != nil && ctx.Err() == nil {
			m.trouble(fmt.Errorf("mirroring Secret %s: %w", w.target, err))
		}
	})
}

// watch follows one Secret until the API server ends the watch. Without a resourceVersion it begins with the Secret as it
// is, so that nothing needs to be read beforehand.
func (m *mirror) watch(ctx context.Context, w *workload) error {
	watcher, err := m.client.CoreV1().Secrets(w.target.Namespace).Watch(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("metadata.name", w.target.Name).String(),
	})
	if err != nil {
		return err
	}
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		switch event.Type {
		case watch.Added, watch.Modified:
			secret, ok := event.Object.(*corev1.Secret)
			if !ok {
				return fmt.Errorf("the API server sent a %T", event.Object)
			}
			if err := w.mount(secret.Data); err != nil {
				return err
			}
		case watch.Error:
			return apierrors.FromObject(event.Object)
		case watch.Deleted, watch.Bookmark:
			// The kubelet leaves the files of a running pod as they are when their Secret is deleted.
		}
	}
	return nil
}

// The entries of a volume that are not keys, by the kubelet's names.
const (
	currentLink = "..data"
	nextLink    = "..data_tmp"
)

// writeVolume lays out a Secret's keys as the kubelet does: the files are in a directory of their own, a link says which
// directory is current, and replacing that link changes all of them in one step.
func writeVolume(dir string, data map[string][]byte) error {
	previous, err := os.Readlink(filepath.Join(dir, currentLink))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the current version: %w", err)
	}
	version, err := os.MkdirTemp(dir, time.Now().UTC().Format("..2006_01_02_15_04_05.*"))
	if err != nil {
		return fmt.Errorf("making a version: %w", err)
	}
	for key, value := range data {
		if err := os.WriteFile(filepath.Join(version, key), value, 0o600); err != nil {
			return fmt.Errorf("writing key %s: %w", key, err)
		}
	}
	if err := switchTo(dir, filepath.Base(version)); err != nil {
		return err
	}
	if err := linkKeys(dir, data); err != nil {
		return err
	}
	if previous == "" {
		return nil
	}
	return os.RemoveAll(filepath.Join(dir, previous))
}

// switchTo makes a version the current one.
func switchTo(dir, version string) error {
	next := filepath.Join(dir, nextLink)
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing what an interruption left: %w", err)
	}
	if err := os.Symlink(version, next); err != nil {
		return fmt.Errorf("linking the next version: %w", err)
	}
	if err := os.Rename(next, filepath.Join(dir, currentLink)); err != nil {
		return fmt.Errorf("switching to the next version: %w", err)
	}
	return nil
}

// linkKeys makes the links that a workload opens, and removes those of keys that are gone.
func linkKeys(dir string, data map[string][]byte) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("listing the volume: %w", err)
	}
	missing := maps.Clone(data)
	for _, entry := range entries {
		_, wanted := data[entry.Name()]
		delete(missing, entry.Name())
		if wanted || entry.Type()&fs.ModeSymlink == 0 || entry.Name() == currentLink {
			continue
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("removing key %s: %w", entry.Name(), err)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(missing)) {
		if err := os.Symlink(filepath.Join(currentLink, key), filepath.Join(dir, key)); err != nil {
			return fmt.Errorf("linking key %s: %w", key, err)
		}
	}
	return nil
}
