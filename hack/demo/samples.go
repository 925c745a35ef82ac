package main

import (
	"bytes"
	"context"
	_ "embed" // the samples
	"encoding/json"
	"fmt"
	"text/template"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/hack/internal/stage"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/test/controlplane"
)

//go:embed samples.yaml
var samplesTemplate string

// What samples.yaml and the code agree on.
const (
	platformLabel       = "demo.example.com/platform"
	caConfigMap         = "egain-ca"
	platformNamespace   = "platform"
	lentNamespace       = "insights"
	lendingTenant       = "commercial"
	subjectSecretKey    = "token"
	addressTenant       = "acme"
	exchangeTenant      = "self-service-demo"
	clusterRegistration = "cluster-demo"
	clusterAudience     = "egain"
	clusterSubject      = "system:serviceaccount:partners:ci"
)

// subjectSecret is where the token of the company's identity provider is.
var subjectSecret = types.NamespacedName{Namespace: "partners", Name: "okta-token"}

// sample is an EgainClient of the demo.
type sample struct {
	types.NamespacedName
	manifest *unstructured.Unstructured
	target   types.NamespacedName
	// credentials is empty for a client without any.
	credentials types.NamespacedName
	// session is where a login is kept; empty for a client that no one logs in for.
	session types.NamespacedName
	// actor is who logs in. In the demo, customers do so at public client applications and users at confidential ones.
	actor       egainv1alpha1.Actor
	redirectURL string
	platform    egainsim.Platform
	// tenantID is the tenant that the simulator counts its requests for.
	tenantID string
	// clientID is its client application; empty for a client without credentials. See countedID.
	clientID string
	// began is when there was all that it takes to issue a token: the sample was applied, or a user had logged in.
	began time.Time
}

// secrets are the client secrets of the sample's client application. Two are valid at a time, as at eGain, so that one can
// be replaced by the other.
func (s sample) secrets() []string { return []string{s.Name + "-secret-1", s.Name + "-secret-2"} }

// unknownID stands for every client id that the simulator does not know. The operator sends such a placeholder for anonymous
// customers without credentials.
const unknownID = "(unknown)"

// countedID is the client id that the simulator counts the sample's requests under.
func (s sample) countedID() string {
	if s.clientID == "" {
		return unknownID
	}
	return s.clientID
}

// app is the sample's client application.
func (s sample) app() egainsim.ClientApp {
	app := egainsim.ClientApp{ID: s.clientID}
	if s.redirectURL != "" {
		app.RedirectURIs = []string{s.redirectURL}
	}
	if app.Public = s.actor == egainv1alpha1.ActorCustomer; !app.Public {
		app.Secrets = s.secrets()
	}
	return app
}

// samples reads samples.yaml for a simulator: the EgainClients, and what else is in it.
func samples(sim *simulator) ([]sample, []*unstructured.Unstructured, error) {
	rendered, err := renderSamples(sim)
	if err != nil {
		return nil, nil, err
	}
	objects, err := controlplane.Decode(rendered)
	if err != nil {
		return nil, nil, err
	}
	var all []sample
	var others []*unstructured.Unstructured
	for _, object := range objects {
		if object.GetKind() != "EgainClient" {
			others = append(others, object)
			continue
		}
		s, err := sampleOf(object, sim)
		if err != nil {
			return nil, nil, fmt.Errorf("reading sample %s: %w", object.GetName(), err)
		}
		all = append(all, s)
	}
	return all, others, nil
}

// renderSamples fills in what the simulator's description says, under the names that it has there.
func renderSamples(sim *simulator) ([]byte, error) {
	data := map[string]any{"apiURL": sim.Description.APIURL}
	for name, find := range map[string]func() (egainsim.TenantDescription, error){
		"rigel":      func() (egainsim.TenantDescription, error) { return sim.tenant(egainsim.Rigel) },
		"commercial": func() (egainsim.TenantDescription, error) { return sim.tenant(egainsim.Commercial) },
		"address":    sim.deployed,
	} {
		tenant, err := find()
		if err != nil {
			return nil, err
		}
		fields, err := fieldsOf(tenant)
		if err != nil {
			return nil, err
		}
		data[name] = fields
	}
	parsed, err := template.New("samples").Delims("[[", "]]").Option("missingkey=error").Parse(samplesTemplate)
	if err != nil {
		return nil, fmt.Errorf("parsing the samples: %w", err)
	}
	var rendered bytes.Buffer
	if err := parsed.Execute(&rendered, data); err != nil {
		return nil, fmt.Errorf("filling in the samples: %w", err)
	}
	return rendered.Bytes(), nil
}

func fieldsOf(tenant egainsim.TenantDescription) (map[string]any, error) {
	encoded, err := json.Marshal(tenant)
	if err != nil {
		return nil, fmt.Errorf("encoding a tenant: %w", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(encoded, &fields); err != nil {
		return nil, fmt.Errorf("decoding a tenant: %w", err)
	}
	return fields, nil
}

func sampleOf(manifest *unstructured.Unstructured, sim *simulator) (sample, error) {
	var ec egainv1alpha1.EgainClient
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(manifest.Object, &ec, true); err != nil {
		return sample{}, err
	}
	s := sample{
		NamespacedName: types.NamespacedName{Namespace: ec.Namespace, Name: ec.Name},
		manifest:       manifest,
		target:         types.NamespacedName{Namespace: ec.Namespace, Name: ec.TargetName()},
		platform:       egainsim.Platform(ec.Labels[platformLabel]),
	}
	tenant, err := sim.tenant(s.platform)
	if ref := ec.Spec.TenantRef; ref != nil && ref.Name == addressTenant {
		tenant, err = sim.deployed()
	}
	if err != nil {
		return s, err
	}
	s.tenantID = tenant.ID
	if ref := ec.Spec.CredentialsSecretRef; ref != nil {
		s.clientID = ec.Name
		s.credentials = types.NamespacedName{Namespace: ec.Namespace, Name: string(ref.Name)}
	}
	if ec.Application() != "" {
		s.clientID = ec.Name
		s.credentials = types.NamespacedName{Namespace: platformNamespace, Name: ec.Name + "-app"}
	}
	if code := ec.Spec.AuthorizationCode; code != nil {
		s.session = types.NamespacedName{Namespace: ec.Namespace, Name: string(code.SessionSecretRef.Name)}
		s.actor, s.redirectURL = code.Actor, string(code.RedirectURL)
	}
	return s, nil
}

// prepare makes what the samples need: their client applications and identity providers at the simulator, their namespaces,
// credentials and CA in the cluster.
func (d *demo) prepare(ctx context.Context, others []*unstructured.Unstructured) error {
	for _, namespace := range append(namespacesOf(d.samples), platformNamespace) {
		bundle := map[string]any{"data": map[string]any{"ca.crt": d.sim.Description.CABundle}}
		err := controlplane.Apply(ctx, d.cluster, stage.Object("v1", "Namespace", "", namespace, nil),
			stage.Object("v1", "ConfigMap", namespace, caConfigMap, bundle))
		if err != nil {
			return err
		}
	}
	for _, s := range d.samples {
		if err := d.enroll(ctx, s); err != nil {
			return err
		}
	}
	if err := controlplane.Apply(ctx, d.cluster, others...); err != nil {
		return err
	}
	return d.federate(ctx)
}

// enroll registers the client application of a sample, if it has one, and writes its credentials.
func (d *demo) enroll(ctx context.Context, s sample) error {
	if s.clientID == "" {
		return nil
	}
	app := s.app()
	if err := d.sim.AddClient(ctx, s.tenantID, app); err != nil {
		return fmt.Errorf("registering client application %s: %w", s.clientID, err)
	}
	credentials := map[string]any{"client_id": s.clientID}
	if !app.Public {
		credentials["client_secret"] = app.Secrets[0]
	}
	return controlplane.Apply(ctx, d.cluster, secretOf(s.credentials, credentials))
}

// federate registers the identity providers: the company's, the cluster itself, and one tenant of eGain's with the other.
func (d *demo) federate(ctx context.Context) error {
	subjects := map[string]string{providerSubject: "agent.smith"}
	err := d.sim.RegisterProvider(ctx, providerRegistration, providerIssuer, providerAudience, d.provider.public, subjects)
	if err != nil {
		return fmt.Errorf("registering the company's identity provider: %w", err)
	}
	if err := d.provider.write(ctx, d.cluster, subjectSecret, subjectSecretKey); err != nil {
		return err
	}
	if err := d.sim.trustTenant(ctx, exchangeTenant, egainsim.Rigel); err != nil {
		return err
	}
	return d.sim.trustCluster(ctx, d.cluster, clusterRegistration, clusterAudience, map[string]string{clusterSubject: "agent.jones"})
}

// namespacesOf are the namespaces of samples, in their order.
func namespacesOf(all []sample) []string {
	var namespaces []string
	seen := map[string]bool{}
	for _, s := range all {
		if !seen[s.Namespace] {
			namespaces, seen[s.Namespace] = append(namespaces, s.Namespace), true
		}
	}
	return namespaces
}

func secretOf(name types.NamespacedName, stringData map[string]any) *unstructured.Unstructured {
	return stage.Object("v1", "Secret", name.Namespace, name.Name, map[string]any{"stringData": stringData})
}
