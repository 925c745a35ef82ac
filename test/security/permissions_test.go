package security_test

import (
	"bufio"
	"cmp"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// permission is one thing that may be done to one kind of thing, in one namespace, or everywhere if that is empty.
type permission struct {
	Namespace, Group, Resource, Verb string
}

// covers reports whether who has p may do what q says.
func (p permission) covers(q permission) bool {
	if p.Namespace == "" {
		q.Namespace = ""
	}
	return p == q
}

func TestTheOperatorUsesAllThatItMayDoAndTriesNothingElse(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		overlay, kustomization string
		flags                  []string
		// failing are the flows that lack a permission, with their reason.
		failing map[string]string
		refused []permission
	}{
		"in the whole cluster": {overlay: "everything", kustomization: everything},
		"in some namespaces": {
			overlay: "namespaced", flags: []string{"--watch-namespaces=" + team},
			failing: map[string]string{"exchange-of-a-service-account": egainv1alpha1.ReasonSubjectTokenForbidden},
			refused: []permission{{team, "", "serviceaccounts/token", "create"}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tc.overlay, tc.kustomization, tc.flags...)
			w.useEverything(tc.failing)
			used, refused := w.did()
			for _, p := range w.may() {
				if !slices.ContainsFunc(used, p.covers) && !p.seldom() {
					t.Errorf("it may %+v, and had no use for it", p)
				}
			}
			if diff := gocmp.Diff(tc.refused, refused); diff != "" {
				t.Errorf("what it was to be refused (-) and was (+):\n%s", diff)
			}
		})
	}
}

// seldom reports whether p is patch on events. Client-go counts an event by it that comes twice while its object has not
// changed, as when a cache lags behind the operator's own write, which nothing can bring about at will.
func (p permission) seldom() bool {
	return p.Group == eventsv1.GroupName && p.Resource == "events" && p.Verb == "patch"
}

func sorted(permissions map[permission]bool) []permission {
	var list []permission
	for p := range permissions {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b permission) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Group, b.Group), strings.Compare(a.Resource, b.Resource), strings.Compare(a.Verb, b.Verb))
	})
	return list
}

// may is what the roles allow that the installation binds to the operator's ServiceAccount.
func (w *world) may() []permission {
	w.t.Helper()
	rules := map[string][]rbacv1.PolicyRule{}
	for _, o := range w.installed {
		if kind := o.GetKind(); kind == "Role" || kind == "ClusterRole" {
			role := &rbacv1.ClusterRole{}
			w.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, role)).To(gomega.Succeed())
			rules[kind+"/"+o.GetNamespace()+"/"+o.GetName()] = role.Rules
		}
	}
	permissions := map[permission]bool{}
	for _, o := range w.installed {
		if kind := o.GetKind(); kind != "RoleBinding" && kind != "ClusterRoleBinding" {
			continue
		}
		binding := &rbacv1.RoleBinding{}
		w.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, binding)).To(gomega.Succeed())
		if !slices.ContainsFunc(binding.Subjects, func(s rbacv1.Subject) bool { return s.Namespace == system && s.Name == account }) {
			continue
		}
		role := binding.RoleRef.Kind + "/" + binding.Namespace + "/" + binding.RoleRef.Name
		w.Expect(rules).To(gomega.HaveKey(role))
		for _, rule := range rules[role] {
			allow(permissions, binding.Namespace, rule)
		}
	}
	return sorted(permissions)
}

func allow(permissions map[permission]bool, namespace string, rule rbacv1.PolicyRule) {
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				permissions[permission{namespace, group, resource, verb}] = true
			}
		}
	}
}

// did is what the audit log of the API server says of the operator: what it did, and what it was refused. What everybody may
// do, such as to ask which kinds there are, is about no object and left out.
func (w *world) did() (used, refused []permission) {
	w.t.Helper()
	file, err := os.Open(w.audit)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	defer file.Close() //nolint:errcheck // it is read only
	allowed, forbidden := map[permission]bool{}, map[permission]bool{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Verb      string
			ObjectRef *struct{ Namespace, APIGroup, Resource, Subresource string }
			Response  struct{ Code int } `json:"responseStatus"`
		}
		w.Expect(json.Unmarshal(lines.Bytes(), &event)).To(gomega.Succeed())
		if event.ObjectRef == nil {
			continue
		}
		p := permission{event.ObjectRef.Namespace, event.ObjectRef.APIGroup, event.ObjectRef.Resource, event.Verb}
		if event.ObjectRef.Subresource != "" {
			p.Resource += "/" + event.ObjectRef.Subresource
		}
		if event.Response.Code == http.StatusForbidden {
			forbidden[p] = true
			continue
		}
		allowed[p] = true
		// A server-side apply of what is not there needs the permission to create it as well.
		if event.Verb == "patch" && event.Response.Code == http.StatusCreated {
			allowed[permission{p.Namespace, p.Group, p.Resource, "create"}] = true
		}
	}
	w.Expect(lines.Err()).NotTo(gomega.HaveOccurred())
	return sorted(allowed), sorted(forbidden)
}
