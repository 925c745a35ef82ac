package oauth

import (
	"slices"
	"strings"
)

// NotGranted are the scopes of a request that are not among those that were granted. A server may leave out a prefix that was
// sent, or add it. offline_access is granted if a refresh token came, whether or not the server lists it (OpenID Connect Core
// section 11), and .default stands for whatever is granted.
func NotGranted(asked, granted []string) []string {
	var missing []string
	for _, scope := range asked {
		named := slices.ContainsFunc(granted, func(g string) bool {
			return g == scope || strings.HasSuffix(g, "/"+scope) || strings.HasSuffix(scope, "/"+g)
		})
		if !named && scope != "offline_access" && scope != ".default" && !strings.HasSuffix(scope, "/.default") {
			missing = append(missing, scope)
		}
	}
	return missing
}
