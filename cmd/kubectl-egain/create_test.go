package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/egainsim"
	"github.com/egain-operator/egain-operator/test/testbed"
)

// words splits a command line at its spaces.
func words(line string) []string { return strings.Fields(line) }

// manifests are command lines of create, by the name of the file with what they print.
var manifests = map[string]string{
	"client-credentials": "client knowledge-sync --tenant-ref production --credentials egain-app --scope a.read,a.write --scope b.read",
	"application":        "client knowledge-sync --tenant-ref production --application default --scope a.read",
	"anonymous-customer": "client widget --flow anonymous-customer --tenant-id TMPRODB88619984 --scope core.chat.create",
	"on-behalf-of":       "client agent -n team-a --tenant-ref production --credentials egain-app --on-behalf-of-username agent.smith --scope a.onbehalfof.read",
	"token-exchange":     "client exchange --tenant-ref production --credentials egain-app --registration-id okta-prod --subject-service-account sync --subject-audience egain --subject-life 20m",
	"token-exchange-secret": "client exchange --tenant-ref production --credentials egain-app --registration-id okta-prod --subject-secret okta-token:token" +
		" --subject-token-type urn:ietf:params:oauth:token-type:jwt",
	"token-exchange-client": "client exchange --tenant-ref production --credentials egain-app --registration-id okta-prod --subject-client other",
	"authorization-code":    "client agent --flow AuthorizationCode --tenant-ref production --credentials egain-app --scope a.read",
	"authorization-code-customer": "client agent --actor Customer --session my-session --redirect-url http://127.0.0.1:9000/callback" +
		" --tenant-ref production --credentials egain-app --scope a.read",
	"authorization-code-parameters": "client agent --login-parameter prompt=consent --login-parameter domain_hint=acme.egain.cloud" +
		" --tenant-ref production --credentials egain-app --scope a.read",
	"defaults-are-left-out": "client plain --flow ClientCredentials --tenant-ref production --credentials egain-app:client_id:client_secret --scope a" +
		" --target plain --creation-policy Owner --deletion-policy Delete --type Opaque --suspend=false",
	"everything": "client all --tenant-id TM1 --metadata-url https://login.egain.cloud/m --token-url https://login.egain.cloud/token?p=1" +
		" --api-url https://api.egain.cloud --authorization-url https://login.egain.cloud/authorize --revocation-url https://login.egain.cloud/revoke" +
		" --scope-prefix https://api.egain.cloud/auth/ --ca-bundle secret/corp-ca/bundle.pem --credentials app:id:secret --scope a --target token" +
		" --creation-policy Merge --deletion-policy Retain --type example.com/token --renew-percent 80 --parameter resource=x --parameter audience=y" +
		" --env-var EGAIN_ACCESS_TOKEN --env-var EGAIN_API_URL=APIURL --revoke-on-delete --suspend",
	"tenant": "tenant production --tenant-id TM1 --ca-bundle configmap/corp-ca -n platform --allow-namespace team-a,team-b --namespace-selector tier=web" +
		" --allow-scope knowledge.* --concurrent 4 --per-second 10",
	"tenant-of-metadata": "tenant production --metadata-url https://login.egain.cloud/m",
	"tenant-that-trusts": "tenant production --metadata-url https://login.egain.cloud/m --trust-host acmeint.b2clogin.com,ACMEINT.b2clogin.com --trust-host acmeext.b2clogin.com",
}

func TestCreatePrintsAManifestThatTheAPIServerAccepts(t *testing.T) {
	t.Parallel()
	for name, line := range manifests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			printed := succeed(t, append(words("create --dry-run=client -o yaml"), words(line)...)...)
			golden(t, "create/"+name+".yaml", printed.stdout)
			// In a namespace that exists, whatever the manifest says.
			line = strings.Replace(line, "-n team-a", "", 1)
			accepted := succeed(t, append(words("create --dry-run=server -o name"), words(line)...)...)
			if want := strings.Fields(line)[1]; !strings.HasSuffix(strings.TrimSpace(accepted.stdout), "/"+want) {
				t.Errorf("the API server answered %q, want the name %s", accepted.stdout, want)
			}
		})
	}
}

func TestCreateWritesToTheCluster(t *testing.T) {
	t.Parallel()
	line := words("create client kept --tenant-ref production --credentials egain-app --scope a")
	if got, want := succeed(t, line...).stdout, "egainclient.auth.egain.com/kept created\n"; got != want {
		t.Errorf("output %q, want %q", got, want)
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(egainv1alpha1.SchemeGroupVersion.WithKind("EgainClient"))
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: "kept"}, object); err != nil {
		t.Fatal(err)
	}
	if managers := object.GetManagedFields(); len(managers) != 1 || managers[0].Manager != "egain-cli" {
		t.Errorf("managed by %v, want kubectl-egain", managers)
	}
	again := egain(t, "", line...)
	if again.code != 1 || !strings.Contains(again.stderr, `EgainClient "kept" already exists`) || !strings.Contains(again.stderr, "kubectl apply --server-side") {
		t.Errorf("exit code %d, want 1 and what to do about it:\n%s", again.code, again.stderr)
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	t.Parallel()
	for _, dryRun := range []string{"client", "server"} {
		r := succeed(t, append(words("create client unkept --tenant-ref production --credentials egain-app --scope a"), "--dry-run="+dryRun)...)
		if !strings.Contains(r.stdout, "unkept created (") || !strings.Contains(r.stdout, "dry run)") {
			t.Errorf("--dry-run=%s printed %q", dryRun, r.stdout)
		}
	}
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(egainv1alpha1.SchemeGroupVersion.WithKind("EgainClient"))
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: "unkept"}, object); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("reading what should not exist: %v, want NotFound", err)
	}
}

func TestCreateRefusesWithWhatToChange(t *testing.T) {
	t.Parallel()
	const good = "client c --tenant-ref t --credentials s --scope a"
	tests := map[string]struct {
		line string
		code int
		want string
	}{
		"a flow that there is not":             {good + " --flow Implicit", 2, "unknown flow \"Implicit\": use one of ClientCredentials, AnonymousCustomer"},
		"no tenant":                            {"client c --credentials s --scope a", 1, "set exactly one of tenant"},
		"two tenants":                          {good + " --tenant-id T", 1, "set exactly one of tenant"},
		"no scope":                             {"client c --tenant-ref t --credentials s", 1, "scopes is required"},
		"a bad name":                           {"client Not_A_Name --tenant-ref t --credentials s --scope a", 1, "metadata.name: a lowercase RFC 1123 subdomain"},
		"no name":                              {"client --tenant-ref t --credentials s --scope a", 1, "metadata.name: Required"},
		"credentials that are not readable":    {"client c --tenant-ref t --credentials s:id --scope a", 2, "SECRET or SECRET:ID_KEY:SECRET_KEY"},
		"a CA bundle that is not readable":     {good + " --ca-bundle corp-ca", 2, "KIND/NAME or KIND/NAME/KEY"},
		"a subject token that is not readable": {good + " --registration-id r --subject-secret s", 2, "SECRET:KEY"},
		"a field that a token has not":         {good + " --env-var X=RefreshToken", 2, "unknown field \"RefreshToken\" of variable X: use one of AccessToken"},
		"a URL that is not https":              {"client c --token-url http://a.b/c --credentials s --scope a", 1, "must be an absolute https URL"},
		"a parameter that is a credential":     {good + " --parameter client_secret=hush", 1, "credentialsSecretRef"},
		"the token over its own credentials":   {good + " --target s", 1, "the token would overwrite the Secret it is made from"},
		"both ways to renew":                   {good + " --renew-percent 80 --renew-before 10m", 1, "exactly one of the fields in [percent before]"},
		"what belongs to another flow":         {good + " --flow ClientCredentials --on-behalf-of-email a@b.c", 1, "flow OnBehalfOf needs spec.onBehalfOf"},
		"an application without its tenant":    {"client c --tenant-id T --application a --scope a", 2, "needs an EgainTenant: pass --tenant-ref too"},
		"an application and credentials":       {good + " --application a", 1, "set either credentialsSecretRef or tenantRef.application"},
		"a login with an application":          {"client c --flow AuthorizationCode --tenant-ref t --application a --scope a", 1, "needs the client secret at a terminal"},
		"a dry run that there is not":          {good + " --dry-run=maybe", 2, "use none, client or server"},
		"an output that there is not":          {good + " --dry-run=client -o picture", 1, "unable to match a printer"},
		"a customer's login of nowhere":        {"client c --flow AuthorizationCode --token-url https://a.b/c --credentials s --scope a", 1, "the tenant has no authorization URL"},
		"a certificate without a document":     {good + " --ca-file x", 2, "--ca-file needs --from-metadata"},
		"a parameter that the login sets":      {good + " --login-parameter state=x", 1, "must be one of prompt, domain_hint"},
		"a login parameter of another flow":    {good + " --flow ClientCredentials --login-parameter prompt=login", 1, "authorizationCode"},
		"a host to trust that is a URL":        {"tenant t --tenant-id T --trust-host https://a.b", 1, "must be the exact name of a host"},
		"two documents":                        {good + " --metadata-url https://a.b/c --from-metadata https://a.b/d", 2, "different documents"},
		"an .env file that is not there":       {good + " --from-env-file nowhere/.env", 1, "no such file"},
		"a tenant that is nowhere":             {"tenant t", 1, "set at least one of url, id"},
		"a tenant's selector that is no good":  {"tenant t --tenant-id T --namespace-selector =", 2, "the namespace selector"},
		"an unknown word behind create":        {"clients", 2, "unknown command"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := egain(t, "", append([]string{"create"}, words(test.line)...)...)
			if r.code != test.code || !strings.Contains(r.stderr, test.want) || !strings.Contains(r.stderr, "\nnext:  ") {
				t.Errorf("exit code %d, want %d and %q:\n%s", r.code, test.code, test.want, r.stderr)
			}
			if r.stdout != "" || strings.Contains(r.stderr, "hush") {
				t.Errorf("printed %q and:\n%s", r.stdout, r.stderr)
			}
		})
	}
}

// envFile writes an .env file whose secrets are in it.
func envFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAnEnvFileNeverShowsItsSecrets(t *testing.T) {
	t.Parallel()
	const id, secret, token, other = "id-0f3a9c", "secret-7be21d", "token-c41d55", "password-99ab"
	lines := "EGAIN_CLIENT_ID=" + id + "\nEGAIN_CLIENT_SECRET=" + secret + "\nEGAIN_SCOPES='a.read b.read'\nEGAIN_TENANT_ID=TM1\n"
	tests := map[string]struct{ content, command string }{
		"a plain file":           {lines, "kubectl create secret generic sync-credentials --from-env-file="},
		"a file with quotes":     {strings.ReplaceAll(lines, secret, `"`+secret+`"`), "--from-env-file=/dev/stdin"},
		"a file with other data": {lines + "EGAIN_ACCESS_TOKEN=" + token + "\nDB_PASSWORD=" + other + "\n", "--from-env-file=/dev/stdin"},
		"a file with a comment":  {strings.ReplaceAll(lines, secret, secret+" # of March"), "write the values without quotes"},
		"a file that is damaged": {lines + `OTHER="` + other + "\n", "error on line 5"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := egain(t, "", "create", "client", "sync", "--from-env-file", envFile(t, test.content), "--dry-run=client", "-o", "yaml")
			if !strings.Contains(r.stderr, test.command) {
				t.Errorf("no word of %q in:\n%s", test.command, r.stderr)
			}
			for _, value := range []string{id, secret, token, other} {
				if strings.Contains(r.stdout+r.stderr, value) {
					t.Errorf("the output shows %s", value)
				}
			}
			if r.code == 0 {
				golden(t, "create/from-env-file.yaml", r.stdout)
			}
		})
	}
}

func TestFlagsWinOverAnEnvFile(t *testing.T) {
	t.Parallel()
	path := envFile(t, "EGAIN_CLIENT_ID=i\nEGAIN_TOKEN_URL=https://a.b/token\nEGAIN_API_URL=https://a.b\nEGAIN_SCOPE=a\nEGAIN_REGION=eu\n")
	r := succeed(t, "create", "client", "sync", "--from-env-file", path, "--tenant-ref", "production", "--credentials", "app:id:secret", "--scope", "b", "--dry-run=client", "-o", "yaml")
	golden(t, "create/flags-win.yaml", r.stdout)
	if strings.Contains(r.stderr, "kubectl create secret") || !strings.Contains(r.stderr, "EGAIN_REGION") {
		t.Errorf("want no word of credentials that have their Secret, and one of EGAIN_REGION:\n%s", r.stderr)
	}
}

func simulator(t *testing.T) (*egainsim.Simulator, string) {
	t.Helper()
	sim := testbed.StartSimulator(t, egainsim.Config{})
	bundle := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(bundle, sim.CABundle(), 0o600); err != nil {
		t.Fatal(err)
	}
	return sim, bundle
}

func TestAMetadataDocumentIsShownAndHeldAgainstTheFlow(t *testing.T) {
	t.Parallel()
	sim, bundle := simulator(t)
	url := sim.Rigel().MetadataURL(egainsim.ConsoleNestedCamel, egainsim.Client)
	r := succeed(t, "create", "client", "sync", "--from-metadata", url, "--ca-file", bundle, "--insecure-skip-operator-rules", "--credentials", "app", "--scope", "a", "--dry-run=client", "-o", "yaml")
	if !strings.Contains(r.stdout, "metadataURL: "+url+"\n") {
		t.Errorf("want the URL of the document in:\n%s", r.stdout)
	}
	for _, want := range []string{"customer", "token URL", "-U/oauth2/token", "-C/oauth2/token", "API URL"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("want %q in:\n%s", want, r.stderr)
		}
	}
	r = succeed(t, "create", "tenant", "shared", "--from-metadata", url, "--ca-file", bundle, "--insecure-skip-operator-rules", "--dry-run=client")
	all := "These flows work:\n  ClientCredentials\n  AnonymousCustomer\n  OnBehalfOf (User, Customer)\n  TokenExchange\n  AuthorizationCode (User, Customer)\n\n"
	if !strings.HasSuffix(r.stderr, all) {
		t.Errorf("want all flows in:\n%s", r.stderr)
	}
	r = egain(t, "", "create", "client", "sync", "--from-metadata", url, "--insecure-skip-operator-rules", "--credentials", "app", "--scope", "a")
	if r.code != 1 || !strings.Contains(r.stderr, "certificate") {
		t.Errorf("exit code %d, want 1 for a certificate that is not trusted:\n%s", r.code, r.stderr)
	}
	r = egain(t, "", "create", "client", "sync", "--from-metadata", url+"/gone", "--ca-file", bundle, "--insecure-skip-operator-rules", "--credentials", "app", "--scope", "a")
	if r.code != 1 || !strings.Contains(r.stderr, "answered HTTP 4") || r.stdout != "" {
		t.Errorf("exit code %d, want 1 for a document that is not there:\n%s", r.code, r.stderr)
	}
}

// Each answer is a line; what is refused is asked again.
func TestQuestions(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ args, answers []string }{
		"client credentials of an EgainTenant": {nil, []string{"Bad Name", "sync", "", "1", "production", "", "", "egain-app", "", "a.read b.read", ""}},
		"an anonymous customer":                {[]string{"widget"}, []string{"anonymouscustomer", "tenant id", "TM 1", "TM1", "", "a", "widget-token"}},
		"on behalf of a customer":              {[]string{"agent"}, []string{"9", "3", "1", "production", "Not a label", "default", "3", "no address", "a@b.c", "a", ""}},
		"an exchanged token":                   {[]string{"x", "--scope=a"}, []string{"4", "4", "https://a.b/token", "", "app", "okta", "1", "okta", "okta:token", ""}},
		"a minted token":                       {[]string{"x"}, []string{"4", "1", "production", "", "app", "okta", "2", "egain", "sync", "", ""}},
		"another client's token":               {[]string{"x"}, []string{"4", "1", "production", "", "app", "okta", "3", "other", "", ""}},
		"a person":                             {[]string{"x", "--tenant-ref=production"}, []string{"5", "app:id:secret", "2", "a", "app", "token"}},
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test := tests[name]
			r := egain(t, strings.Join(test.answers, "\n")+"\n", append(words("create client -i --dry-run=client -o yaml"), test.args...)...)
			if r.code != 0 {
				t.Fatalf("exit code %d:\n%s", r.code, r.stderr)
			}
			golden(t, "questions/"+strings.ReplaceAll(name, " ", "-")+".yaml", r.stdout)
			golden(t, "questions/"+strings.ReplaceAll(name, " ", "-")+".txt", r.stderr)
		})
	}
}

func TestQuestionsEndWithOneMore(t *testing.T) {
	t.Parallel()
	args := words("create client asked -i --tenant-ref production --flow ClientCredentials --credentials app --scope a --target token")
	r := egain(t, "perhaps\nn\n", args...)
	if r.code != 0 || r.stdout != "" || !strings.Contains(r.stderr, "kind: EgainClient") || !strings.Contains(r.stderr, "Nothing was created") {
		t.Errorf("exit code %d, output %q, want the manifest and nothing created:\n%s", r.code, r.stdout, r.stderr)
	}
	r = egain(t, "", args...)
	if r.code != 1 || !strings.Contains(r.stderr, "the input ended before") {
		t.Errorf("exit code %d, want 1 for an input that ends:\n%s", r.code, r.stderr)
	}
	r = egain(t, "y\n", args...)
	if r.code != 0 || r.stdout != "egainclient.auth.egain.com/asked created\n" {
		t.Errorf("exit code %d, output %q, want it created:\n%s", r.code, r.stdout, r.stderr)
	}
}
