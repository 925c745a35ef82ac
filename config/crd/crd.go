// Package crd holds the CustomResourceDefinitions, for programs that know the rules of the API without a cluster.
package crd

import _ "embed"

// EgainClients is the definition of EgainClient, in YAML.
//
//go:embed bases/auth.egain.com_egainclients.yaml
var EgainClients []byte

// EgainTenants is the definition of EgainTenant, in YAML.
//
//go:embed bases/auth.egain.com_egaintenants.yaml
var EgainTenants []byte
