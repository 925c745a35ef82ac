// Package v1alpha1 holds the API of auth.egain.com: what users write and what they read back.
// It imports apimachinery only.
//
// +kubebuilder:object:generate=true
// +groupName=auth.egain.com
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// SchemeGroupVersion is the group and version of every type in this package.
var SchemeGroupVersion = schema.GroupVersion{Group: "auth.egain.com", Version: "v1alpha1"}

var schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

// AddToScheme adds the types of this package to a scheme.
var AddToScheme = schemeBuilder.AddToScheme

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(SchemeGroupVersion, &EgainClient{}, &EgainClientList{}, &EgainTenant{}, &EgainTenantList{})
	metav1.AddToGroupVersion(scheme, SchemeGroupVersion)
	return nil
}
