package request

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/session"
	"github.com/egain-operator/egain-operator/internal/target"
)

// world is an API server, and a cache that is never behind it.
type world struct {
	secrets map[string]*corev1.Secret
	clients map[string]*egainv1alpha1.EgainClient
	// own are the audiences of the API server, and reviewed how often it was asked about a token.
	own      []string
	minted   int
	reviewed int
}

func missing(kind, name string) error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: kind}, name)
}

func (w *world) Get(_ context.Context, name types.NamespacedName) (*corev1.Secret, error) {
	if s := w.secrets[name.Name]; s != nil {
		return s, nil
	}
	return nil, missing("secrets", name.Name)
}

func (w *world) MintToken(context.Context, types.NamespacedName, string, int64) (oauth.Secret, error) {
	w.minted++
	return oauth.Secret(fmt.Sprintf("minted-%d", w.minted)), nil
}

// ReviewToken accepts the operator's own token only.
func (w *world) ReviewToken(_ context.Context, token oauth.Secret) (*authenticationv1.TokenReviewStatus, error) {
	w.reviewed++
	if token != "own" {
		return &authenticationv1.TokenReviewStatus{}, nil
	}
	return &authenticationv1.TokenReviewStatus{Authenticated: true, Audiences: w.own}, nil
}

func (w *world) Client(_ context.Context, name types.NamespacedName) (*egainv1alpha1.EgainClient, error) {
	if ec := w.clients[name.Name]; ec != nil {
		return ec, nil
	}
	return nil, missing("egainclients", name.Name)
}

func (w *world) Naming(_ context.Context, secret types.NamespacedName) ([]egainv1alpha1.EgainClient, error) {
	var all []egainv1alpha1.EgainClient
	for _, ec := range w.clients {
		if SessionName(ec) == secret.Name || ec.TargetName() == secret.Name {
			all = append(all, *ec)
		}
	}
	return all, nil
}

func (w *world) SecretMetadata(_ context.Context, name types.NamespacedName) (*metav1.ObjectMeta, error) {
	if s := w.secrets[name.Name]; s != nil {
		return &s.ObjectMeta, nil
	}
	return nil, nil
}

func (w *world) reader() *Reader {
	return &Reader{API: w, Cache: w, Now: time.Now, OwnToken: func() (oauth.Secret, error) { return "own", nil }, Audiences: []string{"a", "b"}}
}

// holding is a world of Secrets with one key and value each, by name.
func holding(secrets map[string]map[string]string) *world {
	w := &world{secrets: map[string]*corev1.Secret{}, clients: map[string]*egainv1alpha1.EgainClient{}, own: []string{"api"}}
	for name, data := range secrets {
		s := secretWith(data)
		s.Name, s.UID, s.ResourceVersion = name, types.UID("uid-of-"+name), "1"
		w.secrets[name] = s
	}
	return w
}

var app = map[string]string{"client_id": "app", "client_secret": "hush"}

func TestReader_ReadsWhatTheFlowTakes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spec    string
		want    Secrets
		sources string
	}{
		"an exchange": {
			exchange,
			Secrets{Credentials: oauth.Credentials{ClientID: "app", ClientSecret: "hush"}, SubjectToken: "foreign"},
			"credentials=uid-of-app/1 subject=uid-of-s/1",
		},
		"a minted token, which is of no Secret": {
			minted,
			Secrets{Credentials: oauth.Credentials{ClientID: "app", ClientSecret: "hush"}, SubjectToken: "minted-1"},
			"credentials=uid-of-app/1",
		},
		"a session, whose version does not count": {
			login,
			Secrets{Credentials: oauth.Credentials{ClientID: "app", ClientSecret: "hush"}, Session: oauth.Session{RefreshToken: "refresh"}},
			"credentials=uid-of-app/1 session=uid-of-session/first",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := holding(map[string]map[string]string{"app": app, "s": {"k": "foreign\n"}, "session": {session.KeyRefreshToken: "refresh"}})
			w.secrets["session"].Annotations = map[string]string{session.AnnotationID: "first"}
			ec := clientFrom(t, tc.spec)
			got, err := w.reader().Read(t.Context(), ec, Tenant{})
			if err != nil || got.Secrets != tc.want {
				t.Errorf("got %q %q %q, %v", string(got.Credentials.ClientSecret), string(got.SubjectToken), string(got.Session.RefreshToken), err)
			}
			seen, err := w.reader().Sources(t.Context(), ec, Tenant{})
			if err != nil || seen.String() != tc.sources || got.Sources.String() != tc.sources {
				t.Errorf("read of %q, seen %q, %v", got.Sources, seen, err)
			}
		})
	}
}

func TestReader_SaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spec, without, reason, words string
	}{
		"credentials":   {exchange, "app", egainv1alpha1.ReasonCredentialsNotFound, `waiting for Secret "app"`},
		"subject token": {exchange, "s", egainv1alpha1.ReasonSubjectTokenNotFound, `waiting for Secret "s" with the subject token`},
		"session":       {login, "session", egainv1alpha1.ReasonSessionNotFound, "run kubectl egain login sync --namespace team-a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := holding(map[string]map[string]string{"app": app, "s": {"k": "foreign"}, "session": {session.KeyRefreshToken: "refresh"}})
			delete(w.secrets, tc.without)
			ec := clientFrom(t, tc.spec)
			_, err := w.reader().Read(t.Context(), ec, Tenant{})
			wantFault(t, err, fault.Waiting, tc.reason, tc.words)
			_, err = w.reader().Sources(t.Context(), ec, Tenant{})
			wantFault(t, err, fault.Waiting, tc.reason, tc.words)
		})
	}
}

// TestReader_MintsNothingForTheAPIServer guards against a token that logs in to the cluster.
func TestReader_MintsNothingForTheAPIServer(t *testing.T) {
	t.Parallel()
	w := holding(map[string]map[string]string{"app": app})
	w.own = []string{"api", "a"}
	_, err := w.reader().Read(t.Context(), clientFrom(t, minted), Tenant{})
	wantClassified(t, err, egainv1alpha1.ReasonSubjectTokenForbidden, `the API server itself accepts tokens of audience "a"`)
	if w.minted != 0 {
		t.Error("a token was minted")
	}
}

// TestReader_MintsForListedAudiencesOnly guards against a token that another service accepts, at a host of the author's choice.
func TestReader_MintsForListedAudiencesOnly(t *testing.T) {
	t.Parallel()
	const allowed = "https://egain.example.com/token"
	for name, tc := range map[string]struct {
		audience string
		listed   []string
		words    string // of the refusal; empty if a token is minted
	}{
		"the same":                 {allowed, []string{"other", allowed}, ""},
		"none is listed":           {"egain", nil, "mints ServiceAccount tokens for no audience"},
		"an empty list":            {"egain", []string{}, "mints ServiceAccount tokens for no audience"},
		"no audience, none listed": {"", nil, "mints ServiceAccount tokens for no audience"},
		"no audience":              {"", []string{"egain"}, `audience ""`},
		"another":                  {"sts.amazonaws.com", []string{allowed}, `audience "sts.amazonaws.com" is not in --allowed-audiences`},
		"a slash more":             {allowed + "/", []string{allowed}, "one of"},
		"a slash less":             {allowed, []string{allowed + "/"}, "one of"},
		"capitals":                 {"https://eGain.example.com/token", []string{allowed}, "one of"},
		"an escaped letter":        {"https://egain.example.com/%74oken", []string{allowed}, "one of"},
		"the default port":         {"https://egain.example.com:443/token", []string{allowed}, "one of"},
		"a space before":           {" egain", []string{"egain"}, "one of"},
		"a space after":            {"egain ", []string{"egain"}, "one of"},
		"a line feed":              {"egain\n", []string{"egain"}, `"egain\n"`},
		"a zero-width space":       {"egain\u200b", []string{"egain"}, `"egain\u200b"`},
		"a fullwidth letter":       {"ｅgain", []string{"egain"}, "one of"},
		"the beginning":            {"egain", []string{"egain.example.com"}, "one of"},
		"more than the beginning":  {"egain.example.com", []string{"egain"}, "one of"},
		"two in one":               {"egain,other", []string{"egain", "other"}, "one of"},
		"an asterisk":              {"egain", []string{"*"}, "one of"},
		"a pattern":                {"a.example.com", []string{"*.example.com"}, "one of"},
		"an expression":            {"egain", []string{".*", "^egain$"}, "one of"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := holding(map[string]map[string]string{"app": app})
			r := w.reader()
			r.Audiences = tc.listed
			ec := clientFrom(t, minted)
			ec.Spec.TokenExchange.SubjectToken.ServiceAccountToken.Audience = tc.audience
			_, err := r.Read(t.Context(), ec, Tenant{})
			_, seen := r.Sources(t.Context(), ec, Tenant{})
			if tc.words == "" {
				if err != nil || seen != nil || w.minted != 1 {
					t.Errorf("minted %d: %v, %v", w.minted, err, seen)
				}
				return
			}
			for _, err := range []error{err, seen} {
				wantRefusal(t, err, egainv1alpha1.ReasonSubjectTokenForbidden, tc.words)
			}
			if w.minted != 0 || w.reviewed != 0 {
				t.Errorf("minted %d, reviewed %d: nothing may leave the operator", w.minted, w.reviewed)
			}
		})
	}
}

// TestReader_RefusesAnAudienceOfTheAPIServerThatIsListed keeps the list from allowing what logs in to the cluster.
func TestReader_RefusesAnAudienceOfTheAPIServerThatIsListed(t *testing.T) {
	t.Parallel()
	w := holding(map[string]map[string]string{"app": app})
	w.own = []string{"a"}
	_, err := w.reader().Read(t.Context(), clientFrom(t, minted), Tenant{})
	wantRefusal(t, err, egainv1alpha1.ReasonSubjectTokenForbidden, "the API server itself accepts")
	if w.minted != 0 {
		t.Error("a token was minted")
	}
}

// TestAdmitAudience_ListsAFew bounds the message.
func TestAdmitAudience_ListsAFew(t *testing.T) {
	t.Parallel()
	ec := clientFrom(t, minted)
	many := []string{"m1", "m2", "m3", "m4", "m5", "m6"}
	wantRefusal(t, AdmitAudience(many[:5], ec), egainv1alpha1.ReasonSubjectTokenForbidden, `"m5"`)
	err := AdmitAudience(many, ec)
	wantRefusal(t, err, egainv1alpha1.ReasonSubjectTokenForbidden, "not in --allowed-audiences")
	if strings.Contains(err.Error(), `"m1"`) {
		t.Errorf("the message lists all: %q", err)
	}
	if err := AdmitAudience(nil, clientFrom(t, exchange)); err != nil {
		t.Errorf("a token that is not minted is refused: %v", err)
	}
	if err := AdmitAudience(nil, clientFrom(t, login)); err != nil {
		t.Errorf("another flow is refused: %v", err)
	}
}

// twoLogins are two clients with one session Secret, the older one first.
func twoLogins(t *testing.T) (w *world, first, second *egainv1alpha1.EgainClient) {
	t.Helper()
	w = holding(map[string]map[string]string{"app": app, "session": {session.KeyRefreshToken: "refresh"}})
	w.secrets["session"].Annotations = map[string]string{session.AnnotationID: "login"}
	first, second = clientFrom(t, login), clientFrom(t, login)
	first.Name, first.UID, first.CreationTimestamp = "first", "1", metav1.Unix(1, 0)
	second.Name, second.UID, second.CreationTimestamp = "second", "2", metav1.Unix(2, 0)
	w.clients["first"], w.clients["second"] = first, second
	return w, first, second
}

// TestReader_TheLoginSaysWhoseASessionIs also where an older client names the same Secret.
func TestReader_TheLoginSaysWhoseASessionIs(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		of            string
		first, second bool
	}{
		"of the older":              {of: "team-a/first", first: true},
		"of the younger":            {of: "team-a/second", second: true},
		"of a client that is gone":  {of: "team-a/gone"},
		"of one of another team":    {of: "team-b/first"},
		"of an earlier version":     {of: "", first: true},
		"of nothing that is a name": {of: "first"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, first, second := twoLogins(t)
			if tc.of != "" {
				w.secrets["session"].Annotations[session.AnnotationClient] = tc.of
			}
			for ec, want := range map[*egainv1alpha1.EgainClient]bool{first: tc.first, second: tc.second} {
				token, err := w.reader().RefreshToken(t.Context(), ec)
				_, errSources := w.reader().Sources(t.Context(), ec, Tenant{})
				if (err == nil) != want || (token != "") != want || (errSources == nil) != want {
					t.Errorf("%s: got %q, %v, %v", ec.Name, string(token), err, errSources)
				}
				if f := fault.Of(err); !want && (f == nil || f.Reason != egainv1alpha1.ReasonSessionInvalid) {
					t.Errorf("%s: got %v", ec.Name, err)
				}
			}
		})
	}
}

// TestReader_ASessionWithoutAMarkIsNotRead refuses the refresh tokens of other programs, before and after the cache notices.
func TestReader_ASessionWithoutAMarkIsNotRead(t *testing.T) {
	t.Parallel()
	w, first, _ := twoLogins(t)
	w.secrets["session"].Annotations = map[string]string{"note": "for Google"}
	_, errSources := w.reader().Sources(t.Context(), first, Tenant{})
	_, errToken := w.reader().RefreshToken(t.Context(), first)
	_, errRead := w.reader().Read(t.Context(), first, Tenant{})
	for call, err := range map[string]error{"Sources": errSources, "RefreshToken": errToken, "Read": errRead} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			wantClassified(t, err, egainv1alpha1.ReasonSessionInvalid, `Secret "session" is not marked as a session`)
		})
	}
}

// TestReader_ASessionInATargetIsNotRead unless the client whose target it is came later: that one is refused the Secret.
func TestReader_ASessionInATargetIsNotRead(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		annotations map[string]string
		younger     bool
		renamed     bool
		refused     bool
	}{
		"merged by an older client":          {annotations: map[string]string{target.AnnotationMergedBy: "other"}, refused: true},
		"merged by a younger client":         {annotations: map[string]string{target.AnnotationMergedBy: "other"}, younger: true},
		"created for an older client":        {annotations: map[string]string{target.AnnotationOwnedBy: "other"}, refused: true},
		"created for a younger client":       {annotations: map[string]string{target.AnnotationOwnedBy: "other"}, younger: true, refused: true},
		"only named by an older client":      {},
		"given up by an older client":        {annotations: map[string]string{target.AnnotationMergedBy: "other"}, renamed: true},
		"merged by a client that is no more": {annotations: map[string]string{target.AnnotationMergedBy: "gone"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, first, _ := twoLogins(t)
			delete(w.clients, "second")
			other := clientFrom(t, minted)
			other.Name, other.UID, other.CreationTimestamp = "other", "3", metav1.Unix(0, 0)
			other.Spec.Target.SecretName = "session"
			if tc.younger {
				other.CreationTimestamp = metav1.Unix(3, 0)
			}
			if tc.renamed {
				other.Spec.Target.SecretName = "elsewhere"
			}
			w.clients["other"] = other
			maps.Copy(w.secrets["session"].Annotations, tc.annotations)
			token, err := w.reader().RefreshToken(t.Context(), first)
			if !tc.refused {
				if err != nil || token != "refresh" {
					t.Errorf("refused: %v", err)
				}
				return
			}
			wantClassified(t, err, egainv1alpha1.ReasonSessionInvalid, `Secret "session" is the target of EgainClient "other"`)
			if token != "" {
				t.Error("the refresh token was read")
			}
		})
	}
}

// TestReader_OfTwoClientsOneSession has the oldest use it: each refresh token serves once.
func TestReader_OfTwoClientsOneSession(t *testing.T) {
	t.Parallel()
	w, first, second := twoLogins(t)
	if token, err := w.reader().RefreshToken(t.Context(), first); err != nil || token != "refresh" {
		t.Errorf("got %q, %v", string(token), err)
	}
	token, err := w.reader().RefreshToken(t.Context(), second)
	wantClassified(t, err, egainv1alpha1.ReasonSessionInvalid, `contains the session of EgainClient "first"`)
	if token != "" {
		t.Error("the refresh token was read")
	}
}

func TestMaterial_DigestTellsCredentialsApart(t *testing.T) {
	t.Parallel()
	there := &metav1.ObjectMeta{}
	seen := map[uint64]string{}
	for _, parts := range [][3]string{{"a", "b", "c"}, {"a", "b", ""}, {"a", "bc", ""}, {"ab", "c", ""}, {"", "ab", "c"}, {}} {
		m := Material{Secrets: Secrets{
			Credentials: oauth.Credentials{ClientID: parts[0], ClientSecret: oauth.Secret(parts[1])}, SubjectToken: oauth.Secret(parts[2]),
		}, Sources: Sources{Subject: there}}
		if twin, found := seen[m.Digest()]; found {
			t.Errorf("%v has the digest of %s", parts, twin)
		}
		seen[m.Digest()] = fmt.Sprint(parts)
	}
}

func TestMaterial_DigestLeavesOutWhatIsAnotherEachTime(t *testing.T) {
	t.Parallel()
	mint := func(token oauth.Secret) uint64 { return Material{Secrets: Secrets{SubjectToken: token}}.Digest() }
	if mint("a") != mint("b") {
		t.Error("a minted token counts")
	}
	login := func(id string, token oauth.Secret) uint64 {
		secret := &metav1.ObjectMeta{Annotations: map[string]string{session.AnnotationID: id}}
		return Material{Secrets: Secrets{Session: oauth.Session{RefreshToken: token}}, Sources: Sources{Session: secret}}.Digest()
	}
	if login("first", "a") != login("first", "b") {
		t.Error("a refresh token counts")
	}
	if login("first", "a") == login("second", "a") {
		t.Error("another login does not count")
	}
}
