package oauth

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/plain"
)

// Kind says what a document is.
type Kind int

// The kinds of documents.
const (
	// MetadataAtURL is a metadata document whose URL is in the spec.
	MetadataAtURL Kind = iota
	// DiscoveredMetadata is a metadata document that the address of the customer's eGain leads to.
	DiscoveredMetadata
	// DeploymentInfoDocument is the document at the address itself.
	DeploymentInfoDocument
)

// Place is where a document is, and what it is.
type Place struct {
	URL  string
	Kind Kind
}

// Document is one that was read. Exactly one of Metadata and Deployment is set.
type Document struct {
	Metadata   *Metadata
	Deployment *DeploymentInfo
	// ReadTime is when a Directory read it from the server.
	ReadTime time.Time
}

// DeploymentInfo is what the address of a customer's eGain says of itself. Every field may be empty. The client ids in it
// are of eGain's own pages, and are not read.
type DeploymentInfo struct {
	APIDomain, TenantID, DomainHint string
}

// ParseDeploymentInfo reads the document at /system/deploymentInfo of a host. Members of other types count as missing.
func ParseDeploymentInfo(document []byte, host string) (*DeploymentInfo, error) {
	fields, err := parseObject(document, host, DeploymentInfoDocument.String())
	if err != nil {
		return nil, err
	}
	info := &DeploymentInfo{APIDomain: textOf(fields["apiDomain"]), TenantID: textOf(fields["tenantId"]), DomainHint: textOf(fields["domainHint"])}
	if !hostAndPort.MatchString(info.DomainHint) {
		info.DomainHint = "" // it goes into the address that a person opens
	}
	return info, nil
}

// hostAndPort is a host and, perhaps, a port (RFC 1123 section 2.1).
var hostAndPort = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[0-9]{1,5})?$`)

// tenantIDPattern is what a tenant id looks like, as the API has it.
var tenantIDPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// The paths of eGain's documents (in the code of its own clients). None asks for a login.
const (
	deploymentInfoPath     = "/system/deploymentInfo"
	tenantMetadataPath     = "/core/authmgr/v3/metadata/tenant/"
	deploymentMetadataPath = "/core/authmgr/v3/metadata/deployment"
)

// DeploymentInfoPlace is where the document of a customer's eGain is.
func DeploymentInfoPlace(address string) Place {
	return Place{URL: strings.TrimSuffix(address, "/") + deploymentInfoPath, Kind: DeploymentInfoDocument}
}

// Discovery is what the documents of a tenant say. The zero value is that of a tenant without any.
type Discovery struct {
	// Metadata decides; nil if none was read.
	Metadata *Metadata
	// MetadataURL is where it was read.
	MetadataURL string
	// Anonymous is the deployment's document, of which only the entry of anonymous customers is taken, since the tenant's has
	// none; nil if it was not needed, or could not be read for AnonymousFault.
	Anonymous      *Metadata
	AnonymousFault error
	// APIURL, TenantID and DomainHint are what the address of the customer's eGain says; empty if it was not asked, or does
	// not say.
	APIURL, TenantID, DomainHint string
	// RefusedAPIURL is what the address names as API domain on a host of another site that is not trusted; empty otherwise.
	RefusedAPIURL string
	// ReadTime is when the oldest of the documents was read; zero if there are none.
	ReadTime time.Time
}

// Reader reads a document, or has it from before.
type Reader func(ctx context.Context, at Place) (*Document, error)

// Discover reads the documents that lead to the endpoints of actors, each after the one that names it. Errors are
// *fault.Error, and what was found until then is returned with them, to be shown and not used; one about the entry of
// anonymous customers only is in the Discovery.
func (t Tenant) Discover(ctx context.Context, read Reader, actors ...Actor) (Discovery, error) {
	var d Discovery
	if t.URL != "" {
		err := t.readDeploymentInfo(ctx, read, &d)
		if err != nil && !t.doesWithout(err) {
			return d, err
		}
	}
	at, err := t.metadataPlace(&d)
	if err != nil {
		return d, err
	}
	document, err := read(ctx, at)
	if err != nil {
		return d, advised(err, metadataAdvice[at.Kind])
	}
	d.Metadata, d.MetadataURL = document.Metadata, at.URL
	d.note(document)
	if document.Metadata.Native {
		d.servedBy(at.URL)
	}
	if slices.Contains(actors, ActorAnonymousCustomer) {
		t.readAnonymous(ctx, read, at, &d)
	}
	return d, nil
}

// doesWithout reports whether what the address says wrong matters to nothing, since metadataURL says where the document is. One
// that cannot be read now may say something else later.
func (t Tenant) doesWithout(err error) bool {
	f := fault.Of(err)
	return t.MetadataURL != "" && f != nil && (f.Reason == fault.ReasonEndpointInvalid || f.Reason == fault.ReasonEndpointRefused)
}

// metadataAdvice is what to do about a metadata document that is not what it should be.
var metadataAdvice = map[Kind]string{
	MetadataAtURL:      "check spec.tenant.metadataURL, or set spec.tenant.endpoints.tokenURL",
	DiscoveredMetadata: "check EgainTenant.spec.url and EgainTenant.spec.id, or set EgainTenant.spec.metadataURL",
}

const deploymentInfoAdvice = "check that EgainTenant.spec.url is the address at which people open eGain, or set EgainTenant.spec.metadataURL"

func (t Tenant) readDeploymentInfo(ctx context.Context, read Reader, d *Discovery) error {
	if err := filled(t.URL, "a url"); err != nil {
		return err
	}
	document, err := read(ctx, DeploymentInfoPlace(t.URL))
	if err != nil {
		return advised(err, deploymentInfoAdvice)
	}
	d.note(document)
	info, address := document.Deployment, host(t.URL)
	switch {
	case info.TenantID != "" && !tenantIDPattern.MatchString(info.TenantID):
		return metadataInvalid("the tenantId that %s names is not the id of a tenant: set EgainTenant.spec.metadataURL", address)
	case t.ID != "" && info.TenantID != "" && t.ID != info.TenantID:
		return fault.New(fault.Rejected, fault.ReasonTenantMismatch, "%s is the address of another tenant than EgainTenant.spec.id: correct EgainTenant.spec.url or the id, or remove the id", address)
	}
	d.TenantID, d.DomainHint = info.TenantID, info.DomainHint
	if t.APIURL != "" {
		return nil
	}
	api, err := t.apiOf(info.APIDomain, address)
	if err != nil {
		d.RefusedAPIURL = api
		return err
	}
	d.APIURL = api
	return nil
}

// apiOf is the API URL of an apiDomain, which is a host with or without https before it. One on a host of another site comes
// with its refusal.
func (t Tenant) apiOf(domain, address string) (string, error) {
	if domain == "" {
		return "", metadataInvalid("%s names no apiDomain: set EgainTenant.spec.endpoints.apiURL", address)
	}
	api, start := plainHost(domain), plainHost(t.URL)
	if api == nil || start == nil || port(api) != port(start) {
		return "", metadataInvalid("the apiDomain that %s names is not an https host of the same port: set EgainTenant.spec.endpoints.apiURL", address)
	}
	if !(boundary{t.URL, t.TrustedHosts}).within(api.Hostname()) {
		return api.String(), fault.New(fault.Rejected, fault.ReasonEndpointRefused,
			"%s names the apiDomain %s, a host of another site: if it is right, add it to EgainTenant.spec.trustedHosts, or set EgainTenant.spec.endpoints.apiURL", address, shownHost(api.Hostname()))
	}
	return api.String(), nil
}

// plainHost is the https URL of a host and port, given with or without the scheme; nil for anything else.
func plainHost(raw string) *url.URL {
	if !strings.Contains(raw, "://") {
		raw = scheme + raw
	}
	raw = strings.TrimSuffix(strings.TrimSuffix(raw, "/"), ".")
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || !plain.IsHost(u.Hostname()) || !strings.EqualFold(raw, scheme+u.Host) || !printable(raw) || placeholderIn(raw) != "" {
		return nil
	}
	return u
}

func port(u *url.URL) string { return first(u.Port(), "443") }

// metadataPlace is where the document that decides is: the spec's, else the tenant's own, else the deployment's.
func (t Tenant) metadataPlace(d *Discovery) (Place, error) {
	if t.MetadataURL != "" {
		id, known := tenantMetadataID(t.MetadataURL), first(t.ID, d.TenantID)
		switch {
		case known == "":
			d.TenantID = id
		case id != "" && id != known:
			return Place{}, fault.New(fault.Rejected, fault.ReasonTenantMismatch, "spec.tenant.metadataURL is the document of another tenant than the id or url: correct the one that is wrong")
		}
		return Place{t.MetadataURL, MetadataAtURL}, filled(t.MetadataURL, "a metadataURL")
	}
	api, err := url.Parse(first(t.APIURL, d.APIURL))
	if err != nil || api.Host == "" {
		return Place{}, endpointFault("spec.tenant.endpoints.apiURL is not a URL: correct it")
	}
	base := scheme + api.Host
	if id := first(t.ID, d.TenantID); id != "" {
		return Place{base + tenantMetadataPath + url.PathEscape(id), DiscoveredMetadata}, nil
	}
	return Place{base + deploymentMetadataPath, DiscoveredMetadata}, nil
}

// tenantMetadataID is the tenant's id in the URL of its own document; "" for others.
func tenantMetadataID(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	if id, found := strings.CutPrefix(u.Path, tenantMetadataPath); found && tenantIDPattern.MatchString(id) {
		return id
	}
	return ""
}

// readAnonymous reads the deployment's document if the tenant's own has no entry for anonymous customers. Trouble with it is
// theirs alone.
func (t Tenant) readAnonymous(ctx context.Context, read Reader, from Place, d *Discovery) {
	base, found := strings.CutSuffix(from.URL, tenantMetadataPath+tenantMetadataID(from.URL))
	if !found || tenantMetadataID(from.URL) == "" || d.listed(ActorAnonymousCustomer) != "" || !d.Metadata.Native {
		return
	}
	document, err := read(ctx, Place{base + deploymentMetadataPath, DiscoveredMetadata})
	if err != nil {
		d.AnonymousFault = advised(err, "check that the deployment serves anonymous customers, or set spec.tenant.endpoints.tokenURL")
		return
	}
	d.Anonymous = document.Metadata
	d.note(document)
}

// servedBy takes the API URL from where a document of eGain's shape was read.
func (d *Discovery) servedBy(address string) {
	if u, err := url.Parse(address); err == nil && d.APIURL == "" && d.Metadata.Any.APIURL == "" {
		d.APIURL = scheme + u.Host
	}
}

func (d *Discovery) note(document *Document) {
	if d.ReadTime.IsZero() || document.ReadTime.Before(d.ReadTime) {
		d.ReadTime = document.ReadTime
	}
}

// about is what the documents say for an actor. The console's forms and the standards list persons: an actor without an
// entry there has what holds for the person.
func (d Discovery) about(a Actor) ActorMetadata {
	switch {
	case d.Metadata == nil:
		return ActorMetadata{}
	case d.Metadata.Native || a == ActorClient:
		return d.Metadata.EndpointsOf(a)
	default:
		return d.Metadata.EndpointsOf(a.person())
	}
}

// listed is the token URL of an entry that is about nothing but the flow of an actor, which is taken as it is; "" if there
// is none.
func (d Discovery) listed(a Actor) string {
	if !a.hasFlowOfItsOwn() {
		return ""
	}
	for _, m := range []*Metadata{d.Metadata, d.Anonymous} {
		if m != nil && m.Actors[a].TokenURL != "" && (m == d.Metadata || a == ActorAnonymousCustomer) {
			return m.Actors[a].TokenURL
		}
	}
	return ""
}

// candidate is a token URL that an actor's own may be, or be derived from.
type candidate struct {
	url string
	// another says that it is listed for another actor.
	another bool
}

// candidates are the token URLs that lead to an actor's: first that of its entry, or of its person's, or of all. In eGain's
// shape those of other actors follow; the console's forms list each actor, so that a missing one has none.
func (d Discovery) candidates(a Actor) []candidate {
	if d.Metadata == nil {
		return nil
	}
	holder := a
	if a != ActorClient {
		holder = a.person()
	}
	all := []candidate{{url: d.Metadata.EndpointsOf(holder).TokenURL}}
	if d.Metadata.Native {
		for _, other := range a.derivedFrom() {
			all = append(all, candidate{d.Metadata.EndpointsOf(other).TokenURL, true})
		}
	}
	return slices.DeleteFunc(all, func(c candidate) bool { return c.url == "" })
}

// advised adds what to do to a failure to read a document. One of the network says so itself, after a colon.
func advised(err error, advice string) error {
	f := fault.Of(err)
	if f == nil || strings.Contains(f.Message, ": ") {
		return err
	}
	whole := fault.New(f.Class, f.Reason, "%s: %s", f.Message, advice)
	whole.RetryAfter, whole.Queued = f.RetryAfter, f.Queued
	return whole
}
