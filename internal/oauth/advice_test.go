package oauth

import (
	"net/http"
	"testing"
)

// What ends a refusal depends on what the flow sends: a client without a user has none to correct.
func TestAdvice_IsThatOfTheFlow(t *testing.T) {
	t.Parallel()
	credentials := Credentials{ClientID: "app", ClientSecret: "s3cr3t"}
	client := Request{Flow: ClientCredentials, Credentials: credentials}
	onBehalfOf := Request{Flow: OnBehalfOf, Credentials: credentials, Subject: Subject{Username: "agent"}}
	exchange := Request{Flow: TokenExchange, Credentials: credentials}
	tests := map[string]struct {
		request   Request
		code      string
		want, not string
	}{
		"a client application without a user":    {client, "invalid_grant", "check the client id and secret, spec.flow and the token URL", "user"},
		"a user who is unknown":                  {onBehalfOf, "invalid_grant", "check spec.onBehalfOf", "subject token"},
		"a subject token that is not accepted":   {exchange, "invalid_grant", "check the subject token", "onBehalfOf"},
		"a subject token in a request":           {exchange, "invalid_request", "check the subject token", ""},
		"a request without a subject token":      {client, "invalid_request", "check spec.parameters", "subject token"},
		"scopes of a client application":         {client, "invalid_scope", "(flow ClientCredentials takes application scopes)", "delegated"},
		"scopes of a user":                       {exchange, "invalid_scope", "(flow TokenExchange takes delegated scopes)", "application scopes"},
		"scopes of one who is acted for":         {onBehalfOf, "invalid_scope", "(flow OnBehalfOf takes on-behalf-of scopes)", "delegated"},
		"an anonymous customer with credentials": {Request{Flow: AnonymousCustomer, Credentials: credentials}, "invalid_client", "check the client id and secret", "credentialsSecretRef"},
		"an anonymous customer without":          {Request{Flow: AnonymousCustomer}, "invalid_client", "set spec.credentialsSecretRef", "check the client id"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, reply(http.StatusBadRequest, "application/json", `{"error":"`+tc.code+`"}`))
			tc.request.TokenURL = p.URL
			_, err := (&Client{Now: fixed}).Token(t.Context(), p.client(t), tc.request)
			if not := []string{tc.not}; tc.not != "" {
				wantMessage(t, err, tc.want, not...)
			} else {
				wantMessage(t, err, tc.want)
			}
		})
	}
}

func TestAdvice_DoesNotBlameTheURLOfADocumentThatAServerFailsToServe(t *testing.T) {
	t.Parallel()
	for status, blamed := range map[int]bool{404: true, 302: true, 403: true, 429: false, 500: false, 503: false, 408: false} {
		err := advised(DiscoveredMetadata.unavailable("api.egain.cloud", status), "check the URL")
		if blamed {
			wantMessage(t, err, ": check the URL")
		} else {
			wantMessage(t, err, ": the server, or a gateway in front of it, fails or limits requests", "check the URL")
		}
	}
}
