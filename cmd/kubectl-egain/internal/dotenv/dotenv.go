// Package dotenv reads the .env files that teams keep the data of a client application in. What it returns holds no secret: of
// the credentials only the names are told, and how to put them into a Secret without showing them.
package dotenv

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/go-envparse"
	"k8s.io/apimachinery/pkg/util/validation"
)

// The variables that are read. The names are a convention of this program: eGain's public documentation names none.
const (
	ClientID     = "EGAIN_CLIENT_ID"
	ClientSecret = "EGAIN_CLIENT_SECRET"
	TokenURL     = "EGAIN_TOKEN_URL"
	APIURL       = "EGAIN_API_URL"
	MetadataURL  = "EGAIN_METADATA_URL"
	TenantID     = "EGAIN_TENANT_ID"
	Scopes       = "EGAIN_SCOPES"
	Scope        = "EGAIN_SCOPE"
	AccessToken  = "EGAIN_ACCESS_TOKEN"
)

// File is what a file says, without its secrets.
type File struct {
	TokenURL, APIURL, MetadataURL, TenantID, Scopes string
	// HasClientID, HasClientSecret and HasAccessToken tell which of those there are, with something in them.
	HasClientID, HasClientSecret, HasAccessToken bool
	// Ignored are the other variables of eGain that are not known, sorted.
	Ignored []string

	load load
}

// load is how kubectl gets the credentials into a Secret.
type load int

const (
	// loadWhole: kubectl reads the file as it is.
	loadWhole load = iota
	// loadLines: kubectl reads the lines of the credentials, once they are taken out and their quotes dropped.
	loadLines
	// loadImpossible: what the lines mean cannot be told to kubectl.
	loadImpossible
)

// byteOrderMark is what some editors put before UTF-8; kubectl skips it.
var byteOrderMark = []byte("\ufeff")

// Parse reads a file. Errors hold no part of it.
func Parse(content []byte) (*File, error) {
	variables, err := envparse.Parse(bytes.NewReader(bytes.TrimPrefix(content, byteOrderMark)))
	if err != nil {
		return nil, err
	}
	scopes := variables[Scopes]
	if scopes == "" {
		scopes = variables[Scope]
	}
	return &File{
		TokenURL: variables[TokenURL], APIURL: variables[APIURL], MetadataURL: variables[MetadataURL],
		TenantID: variables[TenantID], Scopes: scopes,
		HasClientID: variables[ClientID] != "", HasClientSecret: variables[ClientSecret] != "", HasAccessToken: variables[AccessToken] != "",
		Ignored: ignored(variables),
		load:    loadOf(content, variables),
	}, nil
}

func ignored(variables map[string]string) []string {
	known := []string{ClientID, ClientSecret, TokenURL, APIURL, MetadataURL, TenantID, Scopes, Scope, AccessToken}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if strings.HasPrefix(name, "EGAIN_") && !slices.Contains(known, name) {
			names = append(names, name)
		}
	}
	return names
}

// loadOf finds out whether kubectl reads the same from a file. It takes everything behind the first equals sign as the value,
// quotes and comments included, and puts every variable of the file into the Secret, so that the file must hold none but the
// credentials and what is no secret.
func loadOf(content []byte, variables map[string]string) load {
	byKubectl, readable := asKubectlReads(lines(bytes.TrimPrefix(content, byteOrderMark)))
	if readable && onlyPublic(variables) && sameCredentials(byKubectl, variables) {
		return loadWhole
	}
	byKubectl, readable = asKubectlReads(plainCredentials(lines(content)))
	if readable && sameCredentials(byKubectl, variables) {
		return loadLines
	}
	return loadImpossible
}

func lines(content []byte) []string {
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
}

// asKubectlReads reads lines as kubectl create secret --from-env-file does, and tells whether it accepts them.
func asKubectlReads(lines []string) (map[string]string, bool) {
	variables := map[string]string{}
	for _, line := range lines {
		line = strings.TrimLeft(strings.TrimSuffix(line, "\r"), " \t")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		if _, twice := variables[name]; twice || len(validation.IsEnvVarName(name)) > 0 {
			return nil, false
		}
		variables[name] = value
	}
	return variables, true
}

func onlyPublic(variables map[string]string) bool {
	for name := range variables {
		if !strings.HasPrefix(name, "EGAIN_") || name == AccessToken {
			return false
		}
	}
	return true
}

func sameCredentials(a, b map[string]string) bool {
	return a[ClientID] == b[ClientID] && a[ClientSecret] == b[ClientSecret]
}

// plainCredentials does to lines what the command of Command does by grep and sed.
func plainCredentials(lines []string) []string {
	var plain []string
	for _, line := range lines {
		name, value, found := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if !found || (name != ClientID && name != ClientSecret) {
			continue
		}
		for _, quote := range []string{`"`, `'`} {
			if len(value) >= 2 && strings.HasPrefix(value, quote) && strings.HasSuffix(value, quote) {
				value = value[1 : len(value)-1]
				break
			}
		}
		plain = append(plain, name+"="+value)
	}
	return plain
}

// Command is the command line that creates a Secret with the credentials of the file at a path, under the names of the
// variables, without showing them. It tells false if there is none that gets every character right.
func (f *File) Command(path, secret, namespace string) (string, bool) {
	create := "kubectl create secret generic " + quote(secret)
	if namespace != "" {
		create += " -n " + quote(namespace)
	}
	switch f.load {
	case loadWhole:
		return fmt.Sprintf("%s --from-env-file=%s", create, quote(path)), true
	case loadLines:
		return fmt.Sprintf(`grep -E '^(export )?(%s|%s)=' %s | sed -E -e 's/^export //' -e 's/="(.*)"$/=\1/;t' -e "s/='(.*)'\$/=\1/" | %s --from-env-file=/dev/stdin`,
			ClientID, ClientSecret, quote(path), create), true
	case loadImpossible:
	}
	return "", false
}

// quote makes a text one word of a POSIX shell.
func quote(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:", r)
	}
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
