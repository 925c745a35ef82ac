package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/manifest"
)

// ask asks for what no flag says, except for the name, in the order in which people know the answers.
func (c *createClient) ask(ctx context.Context) error {
	for _, question := range []func(context.Context) error{c.askFlow, c.askTenant, c.askCredentials, c.askFlowPart, c.askScopes, c.askTarget} {
		if err := question(ctx); err != nil {
			return err
		}
	}
	return nil
}

// agree shows the manifest and asks whether to create it.
func (c *createClient) agree(ctx context.Context, object *unstructured.Unstructured) (bool, error) {
	text, err := yaml.Marshal(object.Object)
	if err != nil {
		return false, err
	}
	if c.dryRun == dryRunClient {
		return true, nil
	}
	namespace, err := c.env.namespace()
	if err != nil {
		return false, err
	}
	c.env.notef("\n%s\n", text)
	agreed, err := c.prompter.confirm(ctx, fmt.Sprintf("Create it in namespace %s?", namespace))
	if err == nil && !agreed {
		c.env.notef("Nothing was created. Pass --dry-run=client -o yaml to print the manifest.\n")
	}
	return agreed, err
}

// accept keeps an answer if the rules of the API have nothing against the fields that it is about.
func (c *createClient) accept(ctx context.Context, to *string, paths ...string) func(string) error {
	return func(answer string) error {
		before := *to
		*to = answer
		if err := c.objection(ctx, paths...); err != nil {
			*to = before
			return err
		}
		return nil
	}
}

// required is accept for what must not be empty.
func (c *createClient) required(ctx context.Context, to *string, paths ...string) func(string) error {
	accept := c.accept(ctx, to, paths...)
	return func(answer string) error {
		if answer == "" {
			return errors.New("a value is required")
		}
		return accept(answer)
	}
}

func (c *createClient) objection(ctx context.Context, paths ...string) error {
	ec, err := c.client.Build()
	if err != nil {
		return err
	}
	schema := manifest.ClientSchema()
	return firstUnder(schema.Check(ctx, schema.Encode(ec)), paths...)
}

func (c *createClient) askName(ctx context.Context) error {
	if c.client.Name != "" {
		return nil
	}
	return c.prompter.ask(ctx, "Name of the EgainClient", "", c.required(ctx, &c.client.Name, "metadata.name"))
}

// meanings of the flows, in the order of manifest.Flows.
var meanings = map[egainv1alpha1.Flow]string{
	egainv1alpha1.FlowClientCredentials: "a server acts as itself",
	egainv1alpha1.FlowAnonymousCustomer: "a customer who is not logged in",
	egainv1alpha1.FlowOnBehalfOf:        "a server acts for a user or a customer",
	egainv1alpha1.FlowTokenExchange:     "exchange a token of another identity provider",
	egainv1alpha1.FlowAuthorizationCode: "a person logs in once in a browser",
}

func (c *createClient) askFlow(ctx context.Context) error {
	if ec, err := c.client.Build(); err != nil || c.client.Flow != "" || ec.Spec.Flow != egainv1alpha1.FlowClientCredentials {
		return err // a flag says it
	}
	choices := make([]choice, 0, len(manifest.Flows))
	for _, flow := range manifest.Flows {
		choices = append(choices, choice{string(flow), meanings[flow]})
	}
	chosen, err := c.prompter.choose(ctx, "Who is the token for?", choices)
	c.client.Flow = string(manifest.Flows[chosen])
	return err
}

func (c *createClient) is(flow egainv1alpha1.Flow) bool {
	ec, err := c.client.Build()
	return err == nil && ec.Spec.Flow == flow
}

func (c *createClient) askTenant(ctx context.Context) error {
	if c.client.TenantRef != "" || c.client.Location != (manifest.Location{}) {
		return nil
	}
	ways := []struct {
		choice
		ask func(context.Context) error
	}{
		{choice{"EgainTenant", "an object of this cluster"}, func(ctx context.Context) error {
			return c.prompter.ask(ctx, "Name of the EgainTenant", "", c.required(ctx, &c.client.TenantRef, "spec.tenantRef"))
		}},
		{choice{"Metadata URL", "the eGain console shows it for the client application"}, c.askMetadata},
		{choice{"Tenant id", "of the self-service platform, such as TMPRODB88619984"}, c.askTenantID},
		{choice{"Token URL", "the endpoint itself"}, c.askEndpoints},
	}
	choices := make([]choice, len(ways))
	for i, way := range ways {
		choices[i] = way.choice
	}
	chosen, err := c.prompter.choose(ctx, "How is the tenant defined?", choices)
	if err != nil {
		return err
	}
	return ways[chosen].ask(ctx)
}

func (c *createClient) askTenantID(ctx context.Context) error {
	return c.prompter.ask(ctx, "Tenant id", "", c.required(ctx, &c.client.ID, "spec.tenant.id"))
}

// metadata asks for the URL of a document until one serves the flow.
func (c *createClient) askMetadata(ctx context.Context) error {
	if c.is(egainv1alpha1.FlowAnonymousCustomer) {
		if err := c.askTenantID(ctx); err != nil {
			return err
		}
	}
	accept := c.required(ctx, &c.client.MetadataURL, "spec.tenant.metadataURL")
	return c.prompter.ask(ctx, "Metadata URL", "", func(answer string) error {
		if err := accept(answer); err != nil {
			return err
		}
		if err := c.discover(ctx, answer, nil); err != nil {
			return err
		}
		return c.resolve(ctx)
	})
}

func (c *createClient) askEndpoints(ctx context.Context) error {
	if err := c.prompter.ask(ctx, "Token URL", "", c.required(ctx, &c.client.TokenURL, "spec.tenant.endpoints.tokenURL")); err != nil {
		return err
	}
	return c.prompter.ask(ctx, "Base URL of API calls (optional)", "", c.accept(ctx, &c.client.APIURL, "spec.tenant.endpoints.apiURL"))
}

func (c *createClient) askCredentials(ctx context.Context) error {
	if c.client.Credentials != "" || c.client.Application != "" {
		return nil
	}
	if c.client.TenantRef != "" && !c.is(egainv1alpha1.FlowAuthorizationCode) && !c.is(egainv1alpha1.FlowAnonymousCustomer) {
		err := c.prompter.ask(ctx, "Application of the EgainTenant (optional, instead of a Secret)", "", c.accept(ctx, &c.client.Application, "spec.tenantRef"))
		if err != nil || c.client.Application != "" {
			return err
		}
	}
	question, accept := "Secret with the client id and client secret (SECRET or SECRET:ID_KEY:SECRET_KEY)", c.required
	if c.is(egainv1alpha1.FlowAnonymousCustomer) {
		question, accept = question+", optional", c.accept
	}
	return c.prompter.ask(ctx, question, "", accept(ctx, &c.client.Credentials, "spec.credentialsSecretRef"))
}

// flowPart asks what only one flow needs.
func (c *createClient) askFlowPart(ctx context.Context) error {
	switch {
	case c.is(egainv1alpha1.FlowOnBehalfOf) && c.client.OnBehalfOf == (egainv1alpha1.OnBehalfOf{}):
		return c.askOnBehalfOf(ctx)
	case c.is(egainv1alpha1.FlowTokenExchange):
		return c.askExchange(ctx)
	case c.is(egainv1alpha1.FlowAuthorizationCode) && c.client.Session.Actor == "":
		actors := []choice{{string(egainv1alpha1.ActorUser), "an agent"}, {string(egainv1alpha1.ActorCustomer), "a person who is no agent"}}
		chosen, err := c.prompter.choose(ctx, "Who logs in?", actors)
		c.client.Session.Actor = actors[chosen].name
		return err
	default:
		return nil
	}
}

func (c *createClient) askOnBehalfOf(ctx context.Context) error {
	who := &c.client.OnBehalfOf
	fields := []*string{&who.Username, &who.UserID, &who.Email}
	chosen, err := c.prompter.choose(ctx, "How is the person identified?", []choice{
		{"User name", "of a user; the fastest for eGain"}, {"User id", "of a user"}, {"E-mail address", "of a customer"},
	})
	if err != nil {
		return err
	}
	return c.prompter.ask(ctx, "Person to act for", "", c.required(ctx, fields[chosen], "spec.onBehalfOf"))
}

func (c *createClient) askExchange(ctx context.Context) error {
	x := &c.client.Exchange
	if x.RegistrationID == "" {
		if err := c.prompter.ask(ctx, "Registration id of the identity provider at eGain", "", c.required(ctx, &x.RegistrationID, "spec.tokenExchange.registrationID")); err != nil {
			return err
		}
	}
	if x.Secret != "" || x.ServiceAccount != "" || x.Client != "" {
		return nil
	}
	chosen, err := c.prompter.choose(ctx, "Where does the subject token come from?", []choice{
		{"Secret", "stored by another tool"},
		{"ServiceAccount", "a token is minted for each exchange"},
		{"EgainClient", "the token of another EgainClient of this namespace"},
	})
	switch {
	case err != nil:
		return err
	case chosen == 0:
		return c.prompter.ask(ctx, "Secret of the subject token (SECRET:KEY)", "", c.required(ctx, &x.Secret, "spec.tokenExchange.subjectToken"))
	case chosen == 2:
		return c.prompter.ask(ctx, "Name of the other EgainClient", "", c.required(ctx, &x.Client, "spec.tokenExchange.subjectToken"))
	}
	if err := c.prompter.ask(ctx, "Audience of the minted token, as registered at eGain", "", c.required(ctx, &x.Audience, "spec.tokenExchange.subjectToken.serviceAccountToken.audience")); err != nil {
		return err
	}
	return c.prompter.ask(ctx, "Name of the ServiceAccount", "", c.required(ctx, &x.ServiceAccount, "spec.tokenExchange.subjectToken"))
}

func (c *createClient) askScopes(ctx context.Context) error {
	if len(c.client.Scopes) > 0 {
		return nil
	}
	optional := c.is(egainv1alpha1.FlowTokenExchange)
	question := "Scopes, separated by spaces"
	if optional {
		question += " (optional)"
	}
	return c.prompter.ask(ctx, question, "", func(answer string) error {
		if answer == "" && !optional {
			return errors.New("at least one scope is required: use only those that the workload needs")
		}
		c.client.Scopes = strings.Fields(answer)
		if err := c.objection(ctx, "spec.scopes"); err != nil {
			c.client.Scopes = nil
			return err
		}
		return nil
	})
}

// target is the last question, so that all rules must hold then.
func (c *createClient) askTarget(ctx context.Context) error {
	if c.client.Target.Secret != "" {
		return nil
	}
	return c.prompter.ask(ctx, "Secret for the token", c.client.Name, c.accept(ctx, &c.client.Target.Secret))
}
