// Package target owns the target Secret of an EgainClient: who may write it, what it contains, how it is read, written,
// replaced and released. It takes no clock, and reaches the API server through the three methods of Secrets.
package target

// Manager is the field manager of target Secrets.
const Manager = "egain-operator"

// Keys of the target.
const (
	KeyAccessToken   = "access_token"
	KeyTokenType     = "token_type"
	KeyExpiresAt     = "expires_at"
	KeyScope         = "scope"
	KeyAuthorization = "authorization"
	KeyAPIURL        = "api_url"
)

// Annotations of the target hold what the operator must remember across a restart. None of them is a secret or derived
// from one.
const (
	// AnnotationOwnedBy names the EgainClient that created the Secret.
	AnnotationOwnedBy = "auth.egain.com/owned-by"
	// AnnotationMergedBy names the EgainClient that adds keys to the Secret.
	AnnotationMergedBy = "auth.egain.com/merged-by"
	// AnnotationMergedKeys lists the template's keys that were added to a merged Secret.
	AnnotationMergedKeys = "auth.egain.com/merged-keys"
	// AnnotationMergedMetadata lists the template's labels and annotations that were added to a merged Secret.
	AnnotationMergedMetadata = "auth.egain.com/merged-metadata"
	// AnnotationIssueTime is when the token was asked for (RFC 3339).
	AnnotationIssueTime = "auth.egain.com/issue-time"
	// AnnotationExpirationTime is when the token expires (RFC 3339).
	AnnotationExpirationTime = "auth.egain.com/expiration-time"
	// AnnotationIssuedForSpec identifies the spec that the token was issued for.
	AnnotationIssuedForSpec = "auth.egain.com/issued-for-spec"
	// AnnotationIssuedForSources holds UID and resourceVersion of the Secrets that the token was issued with.
	AnnotationIssuedForSources = "auth.egain.com/issued-for-sources"
	// AnnotationIssuedForRequest identifies the token request, without its secrets.
	AnnotationIssuedForRequest = "auth.egain.com/issued-for-request"
	// AnnotationIssuedForClient identifies the token request with the client id in place of where the credentials are kept.
	AnnotationIssuedForClient = "auth.egain.com/issued-for-client"
	// AnnotationRenewal is the renewal request that the token answered.
	AnnotationRenewal = "auth.egain.com/handled-renewal"
)

// LabelManagedBy marks the Secrets that the operator creates.
const LabelManagedBy = "app.kubernetes.io/managed-by"
