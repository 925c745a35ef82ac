package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/manifest"
)

func newCreateCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create an EgainClient or an EgainTenant, or print its manifest",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCreateClientCommand(env), newCreateTenantCommand(env))
	return cmd
}

// The values of --dry-run.
const (
	dryRunNone   = "none"
	dryRunClient = "client"
	dryRunServer = "server"
)

// creation writes one object to the cluster, or prints it, as kubectl create does.
type creation struct {
	env    *environment
	dryRun string
	print  *genericclioptions.PrintFlags
}

func (c *creation) addFlags(cmd *cobra.Command) {
	c.print = genericclioptions.NewPrintFlags("created").WithTypeSetter(newScheme())
	c.print.AddFlags(cmd)
	cmd.Flags().StringVar(&c.dryRun, "dry-run", dryRunNone,
		`"none", "client" to only print the object, or "server" to send it to the API server without storing it`)
	complete(cmd, "dry-run", dryRunNone, dryRunClient, dryRunServer)
}

// validate looks at the flags before any question is asked.
func (c *creation) validate() error {
	switch c.dryRun {
	case dryRunNone, dryRunClient, dryRunServer:
		return nil
	default:
		return advise(usagef("unknown value --dry-run=%s: use none, client or server", c.dryRun), "pass --dry-run=client to print the manifest")
	}
}

// emit checks an object by the API's rules, creates it unless this is a dry run, and prints it.
func (c *creation) emit(ctx context.Context, schema *manifest.Schema, object *unstructured.Unstructured) error {
	if errs := schema.Check(ctx, object); len(errs) > 0 {
		return invalid(object, errs)
	}
	if c.dryRun != dryRunClient {
		if err := c.create(ctx, object); err != nil {
			return err
		}
	}
	if c.dryRun != dryRunNone {
		if err := c.print.Complete(map[string]string{dryRunClient: "%s (dry run)", dryRunServer: "%s (server dry run)"}[c.dryRun]); err != nil {
			return err
		}
	}
	printer, err := c.print.ToPrinter()
	if err != nil {
		return err
	}
	return printer.PrintObj(object, c.env.Out)
}

func (c *creation) create(ctx context.Context, object *unstructured.Unstructured) error {
	cluster, err := c.env.cluster()
	if err != nil {
		return err
	}
	if object.GetNamespace() == "" && object.GetKind() == "EgainClient" {
		namespace, err := c.env.namespace()
		if err != nil {
			return err
		}
		object.SetNamespace(namespace)
	}
	options := []client.CreateOption{client.FieldOwner(fieldManager)}
	if c.dryRun == dryRunServer {
		options = append(options, client.DryRunAll)
	}
	err = client.WithFieldValidation(cluster, metav1.FieldValidationStrict).Create(ctx, object, options...)
	if apierrors.IsAlreadyExists(err) {
		return advise(fmt.Errorf("%s %q already exists", object.GetKind(), object.GetName()),
			"choose another name, or change the existing object: add --dry-run=client -o yaml | kubectl apply --server-side -f -")
	}
	if err != nil {
		return fmt.Errorf("creating %s %q: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

// invalid is the error of an object that the API does not accept.
func invalid(object *unstructured.Unstructured, errs field.ErrorList) error {
	lines := make([]string, 0, len(errs))
	for _, err := range errs {
		lines = append(lines, "  "+explain(err))
	}
	return advise(fmt.Errorf("%s %q is not valid:\n%s", object.GetKind(), object.GetName(), strings.Join(lines, "\n")),
		"correct the flags of these fields; --help lists them")
}

// explain says what is wrong with a field. The values are left out, since the rules speak for themselves.
func explain(err *field.Error) string {
	path := err.Field
	if path == "" || path == "<nil>" {
		path = "the object"
	}
	if err.Type == field.ErrorTypeInvalid && err.Detail != "" {
		return path + ": " + err.Detail
	}
	return path + ": " + err.ErrorBody()
}

// firstUnder returns the first error of a field, or below it; without any path, the first error.
func firstUnder(errs field.ErrorList, paths ...string) error {
	for _, err := range errs {
		if len(paths) == 0 {
			return errors.New(explain(err))
		}
		for _, path := range paths {
			if err.Field == path || strings.HasPrefix(err.Field, path+".") || strings.HasPrefix(err.Field, path+"[") {
				return errors.New(explain(err))
			}
		}
	}
	return nil
}

// encode returns the manifest of an object.
func encode(schema *manifest.Schema, object runtime.Object, err error) (*unstructured.Unstructured, error) {
	if err != nil {
		return nil, advise(usageError{err}, "correct the flag; --help shows its format")
	}
	return schema.Encode(object), nil
}

// manifestNamespace is the namespace that a manifest names: the one of --namespace, as with kubectl, so that a manifest
// without the flag can be applied to any.
func (e *environment) manifestNamespace() (string, error) {
	namespace, explicit, err := e.config.ToRawKubeConfigLoader().Namespace()
	if err != nil || !explicit {
		return "", err
	}
	return namespace, nil
}

// complete completes a flag with words.
func complete(cmd *cobra.Command, flag string, words ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is not there, which every test would show
	}
}
