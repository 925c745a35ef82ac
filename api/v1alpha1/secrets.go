package v1alpha1

// SecretUse is the field by which an EgainClient names a Secret that it reads; empty if it reads none of that name. The target,
// which it writes, does not count.
func (c *EgainClient) SecretUse(name string) string {
	named := map[string]SecretName{}
	if ref := c.Spec.CredentialsSecretRef; ref != nil {
		named["spec.credentialsSecretRef"] = ref.Name
	}
	if x := c.Spec.TokenExchange; x != nil && x.SubjectToken.SecretKeyRef != nil {
		named["spec.tokenExchange.subjectToken.secretKeyRef"] = x.SubjectToken.SecretKeyRef.Name
	}
	if code := c.Spec.AuthorizationCode; code != nil {
		named["spec.authorizationCode.sessionSecretRef"] = code.SessionSecretRef.Name
	}
	if ref := c.Spec.Tenant.CABundleRef; ref != nil && ref.Kind == "Secret" {
		named["spec.tenant.caBundleRef"] = ref.Name
	}
	return useOf(named, name)
}

// SecretUseIn is the field by which an EgainTenant names a Secret; empty if it does not.
func (t *EgainTenant) SecretUseIn(namespace, name string) string {
	if ref := t.Spec.CABundleRef; ref != nil && ref.Kind == "Secret" && string(ref.Namespace) == namespace && string(ref.Name) == name {
		return "spec.caBundleRef"
	}
	for i := range t.Spec.Applications {
		if ref := t.Spec.Applications[i].CredentialsSecretRef; string(ref.Namespace) == namespace && string(ref.Name) == name {
			return "spec.applications.credentialsSecretRef"
		}
	}
	return ""
}

// useOf is the first of the fields that name a Secret.
func useOf(named map[string]SecretName, name string) string {
	use := ""
	for field, is := range named {
		if string(is) == name && (use == "" || field < use) {
			use = field
		}
	}
	return use
}
