package command

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// completionTimeout bounds the wait for the cluster: a user sits at the keyboard.
const completionTimeout = 3 * time.Second

// completeClients completes any number of names of EgainClients.
func (e *environment) completeClients(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	namespace, err := e.namespace()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	list := &egainv1alpha1.EgainClientList{}
	if err := e.listForCompletion(cmd.Context(), list, client.InNamespace(namespace)); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []cobra.Completion
	for _, ec := range list.Items {
		if strings.HasPrefix(ec.Name, prefix) && !slices.Contains(args, ec.Name) {
			names = append(names, cobra.CompletionWithDesc(ec.Name, string(ec.Spec.Flow)))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeClient completes one name of an EgainClient.
func (e *environment) completeClient(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return e.completeClients(cmd, args, prefix)
}

// completeConfig completes the flags that every kubectl command has.
func (e *environment) completeConfig(root *cobra.Command) {
	for flag, complete := range map[string]cobra.CompletionFunc{"namespace": e.completeNamespace, "context": e.completeContext} {
		if err := root.RegisterFlagCompletionFunc(flag, complete); err != nil {
			panic(err) // the flag is not there, which every test would show
		}
	}
}

func (e *environment) completeNamespace(cmd *cobra.Command, _ []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	if err := e.listForCompletion(cmd.Context(), list); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []cobra.Completion
	for _, namespace := range list.Items {
		if strings.HasPrefix(namespace.Name, prefix) {
			names = append(names, namespace.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (e *environment) completeContext(_ *cobra.Command, _ []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	config, err := e.config.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []cobra.Completion
	for name := range config.Contexts {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (e *environment) listForCompletion(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	c, err := e.cluster()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	return c.List(ctx, list, opts...)
}
