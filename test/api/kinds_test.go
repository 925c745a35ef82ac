package api_test

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// kind is a kind of the API, with the tables that try its schema.
type kind struct {
	name, crdFile string
	// typed makes an empty object in Go.
	typed func() client.Object
	// resource is its name in URLs.
	resource   string
	namespaced bool
	// bases are the specs of valid objects, by their names, that a test changes in one place; base is the one that the
	// tables mean where they name none.
	bases map[string]string
	base  string

	bounds    map[string]bound
	enums     map[string][]string
	required  map[string]string
	listTypes map[string]string
	rules     map[string]rule
	variants  map[string]variant
	// longestKeys of maps, by their paths.
	longestKeys map[string]int
	// foreign are the parts of the schema that are Kubernetes' own, and tested where they come from.
	foreign []string
}

// kinds are all kinds of the API.
var kinds = []*kind{&clients, &tenants}

var clients = kind{
	name: "EgainClient", crdFile: crdDirectory + "/auth.egain.com_egainclients.yaml", resource: "egainclients", namespaced: true,
	typed: func() client.Object { return &egainv1alpha1.EgainClient{} },
	bases: clientBases, base: clientCredentials,
	bounds: clientBounds, enums: clientEnums, required: clientRequired, listTypes: clientListTypes, rules: clientRules(),
	variants: clientVariants,
	longestKeys: map[string]int{
		"spec.parameters":                           64,
		"spec.target.template.data":                 253,
		"spec.target.template.metadata.labels":      253 + 1 + 63,
		"spec.target.template.metadata.annotations": 253 + 1 + 63,
	},
	foreign: []string{"status.conditions[*]"},
}

var tenants = kind{
	name: "EgainTenant", crdFile: crdDirectory + "/auth.egain.com_egaintenants.yaml", resource: "egaintenants",
	typed: func() client.Object { return &egainv1alpha1.EgainTenant{} },
	bases: tenantBases, base: sharedTenant,
	bounds: together(tenantBounds, applicationBounds), enums: tenantEnums, required: together(tenantRequired, applicationRequired),
	listTypes: together(tenantListTypes, applicationListTypes), rules: tenantKindRules(),
	variants: tenantVariants,
	foreign:  []string{"status.conditions[*]", "spec.allowedNamespaces.selector.", "spec.applications[*].allowedNamespaces.selector."},
}

// kindNamed is the kind of a name; nil if it is not one of the API.
func kindNamed(name string) *kind {
	i := slices.IndexFunc(kinds, func(k *kind) bool { return k.name == name })
	if i < 0 {
		return nil
	}
	return kinds[i]
}

// kindOf is the kind of a base.
func kindOf(base string) *kind {
	i := slices.IndexFunc(kinds, func(k *kind) bool { _, has := k.bases[base]; return has })
	return kinds[i]
}

// object of the kind, with nothing in it.
func (k *kind) object() *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetGroupVersionKind(egainv1alpha1.SchemeGroupVersion.WithKind(k.name))
	return object
}

func (k *kind) isForeign(path string) bool {
	return slices.ContainsFunc(k.foreign, func(part string) bool { return strings.HasPrefix(path, part) })
}

// The names of bases of EgainClients.
const (
	clientCredentials      = "client-credentials"
	anonymousCustomer      = "anonymous-customer"
	onBehalfOf             = "on-behalf-of"
	secretExchange         = "secret-exchange"
	serviceAccountExchange = "service-account-exchange"
	clientExchange         = "client-exchange"
	authorizationCode      = "authorization-code"
	tenantReference        = "tenant-reference"
	applicationReference   = "application-reference"
)

var clientBases = map[string]string{
	clientCredentials: `
tenant: {id: TMPRODB88619984, caBundleRef: {name: corp-ca}}
credentialsSecretRef: {name: egain-app}
scopes: [knowledge.portalmgr.manage]
`,
	anonymousCustomer: `
flow: AnonymousCustomer
tenant: {id: TMPRODB88619984}
scopes: [knowledge.portalmgr.read]
`,
	onBehalfOf: `
flow: OnBehalfOf
tenant: {id: TMPRODB88619984}
credentialsSecretRef: {name: egain-app}
onBehalfOf: {username: agent.smith}
scopes: [knowledge.portalmgr.onbehalfof.manage]
`,
	secretExchange: `
flow: TokenExchange
tenant: {id: TMPRODB88619984}
credentialsSecretRef: {name: egain-app}
tokenExchange: {registrationID: okta-prod, subjectToken: {secretKeyRef: {name: okta-token, key: token}}}
`,
	serviceAccountExchange: `
flow: TokenExchange
tenant: {id: TMPRODB88619984}
credentialsSecretRef: {name: egain-app}
tokenExchange: {registrationID: cluster, subjectToken: {serviceAccountToken: {name: sync, audience: egain}}}
`,
	clientExchange: `
flow: TokenExchange
tenant: {id: TMPRODB88619984}
credentialsSecretRef: {name: egain-app}
tokenExchange: {registrationID: okta-prod, subjectToken: {egainClientRef: {name: upstream}}}
`,
	authorizationCode: `
flow: AuthorizationCode
tenant: {id: TMPRODB88619984}
credentialsSecretRef: {name: egain-app}
authorizationCode: {sessionSecretRef: {name: agent-session}}
scopes: [knowledge.portalmgr.read]
`,
	tenantReference: `
tenantRef: {name: production}
credentialsSecretRef: {name: egain-app}
scopes: [knowledge.portalmgr.manage]
`,
	applicationReference: `
tenantRef: {name: production, application: default}
scopes: [knowledge.portalmgr.manage]
`,
}

// The names of bases of EgainTenants.
const (
	sharedTenant    = "shared-tenant"
	unlimitedTenant = "unlimited-tenant"
	lendingTenant   = "lending-tenant"
)

var tenantBases = map[string]string{
	sharedTenant: `
id: TMPRODB88619984
caBundleRef: {name: corp-ca, namespace: platform}
allowedNamespaces: {names: [team-a], selector: {matchLabels: {egain: "true"}}}
allowedScopes: [knowledge.*]
requestLimits: {concurrent: 8, perSecond: 20}
`,
	lendingTenant: `
id: TMPRODB88619984
applications:
- name: default
  credentialsSecretRef: {namespace: platform, name: acme-app}
  allowedNamespaces: {selector: {matchLabels: {egain: "true"}}}
  allowedFlows: [ClientCredentials]
`,
	unlimitedTenant: `
metadataURL: https://login.egain.cloud/metadata
`,
}
