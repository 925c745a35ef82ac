package egainsim

import (
	"encoding/json"
	"fmt"
	"os"
)

// Description is all that another process needs to use a simulator and to drive it. It holds secrets.
type Description struct {
	LoginURL   string `json:"loginURL"`
	APIURL     string `json:"apiURL"`
	AdminToken string `json:"adminToken"`
	// CABundle is the certificate of the simulator's authority, in PEM.
	CABundle string              `json:"caBundle"`
	Tenants  []TenantDescription `json:"tenants"`
}

// TenantDescription is a tenant and its URLs by actor.
type TenantDescription struct {
	TenantConfig
	// URL is the customer's eGain address, and what follows it is at the tenant's own host. They are empty without a
	// Deployment.
	URL                   string `json:"url,omitempty"`
	DomainHint            string `json:"domainHint,omitempty"`
	DeploymentInfoURL     string `json:"deploymentInfoURL,omitempty"`
	MetadataDocumentURL   string `json:"metadataDocumentURL,omitempty"`
	DeploymentMetadataURL string `json:"deploymentMetadataURL,omitempty"`
	// APIURL is the base URL of the tenant's API.
	APIURL string `json:"apiURL"`
	// Prefixes are put before the scopes of each actor. They are empty on Rigel.
	Prefixes          map[Actor]string `json:"prefixes"`
	TokenURLs         map[Actor]string `json:"tokenURLs"`
	OnBehalfOfURLs    map[Actor]string `json:"onBehalfOfURLs"`
	AnonymousTokenURL string           `json:"anonymousTokenURL"`
	AuthorizationURLs map[Actor]string `json:"authorizationURLs"`
	RevocationURLs    map[Actor]string `json:"revocationURLs"`
	// MetadataURLs are by form and then by actor.
	MetadataURLs map[MetadataForm]map[Actor]string `json:"metadataURLs"`
}

// Describe describes the simulator as it stands. Clients, secrets and subjects are those that its tenants began with.
func (s *Simulator) Describe() Description {
	d := Description{
		LoginURL: s.LoginURL(), APIURL: s.APIURL(), AdminToken: s.adminToken, CABundle: string(s.CABundle()),
	}
	for _, t := range s.Tenants() {
		d.Tenants = append(d.Tenants, t.describe())
	}
	return d
}

func (t *Tenant) describe() TenantDescription {
	d := TenantDescription{
		TenantConfig: t.config,
		URL:          t.URL(), DomainHint: t.DomainHint(), DeploymentInfoURL: t.DeploymentInfoURL(),
		MetadataDocumentURL: t.MetadataDocumentURL(), DeploymentMetadataURL: t.DeploymentMetadataURL(),
		APIURL: t.APIURL(), Prefixes: byActor(t.prefixFor, User, Customer, Client),
		TokenURLs:         byActor(t.TokenURL, User, Customer, Client),
		OnBehalfOfURLs:    byActor(t.OnBehalfOfTokenURL, User, Customer),
		AnonymousTokenURL: t.AnonymousTokenURL(),
		AuthorizationURLs: byActor(t.AuthorizationURL, User, Customer),
		RevocationURLs:    byActor(t.RevocationURL, User, Customer, Client),
		MetadataURLs:      map[MetadataForm]map[Actor]string{},
	}
	forms := []MetadataForm{OAuthMetadata, ConsoleFlatCamel, ConsoleFlatSnake, ConsoleNestedCamel, ConsoleNestedSnake}
	for _, form := range forms {
		d.MetadataURLs[form] = byActor(func(a Actor) string { return t.MetadataURL(form, a) }, User, Customer, Client)
	}
	if t.config.Platform == Commercial {
		openID := func(a Actor) string { return t.MetadataURL(OpenIDMetadata, a) }
		d.MetadataURLs[OpenIDMetadata] = byActor(openID, User, Customer)
	}
	return d
}

func byActor(url func(Actor) string, actors ...Actor) map[Actor]string {
	urls := make(map[Actor]string, len(actors))
	for _, actor := range actors {
		urls[actor] = url(actor)
	}
	return urls
}

// ReadDescription reads a description from the file that the binary writes once it is ready.
func ReadDescription(file string) (Description, error) {
	var d Description
	content, err := os.ReadFile(file) //nolint:gosec // The caller names the file.
	if err != nil {
		return d, fmt.Errorf("reading the description: %w", err)
	}
	if err := json.Unmarshal(content, &d); err != nil {
		return d, fmt.Errorf("reading the description: %w", err)
	}
	return d, nil
}
