package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/externalsecret"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/manifest"
	"github.com/egain-operator/egain-operator/cmd/kubectl-egain/internal/view"
)

func newImportCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Convert the configuration of another tool to an EgainClient",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newImportExternalSecretsCommand(env))
	return cmd
}

// importExternalSecret is the command line of kubectl egain import external-secrets.
type importExternalSecret struct {
	env     *environment
	files   []string
	options externalsecret.Options
}

func newImportExternalSecretsCommand(env *environment) *cobra.Command {
	i := &importExternalSecret{env: env}
	cmd := &cobra.Command{
		Use:     "external-secrets NAME",
		Aliases: []string{"external-secret", "externalsecret", "externalsecrets", "es"},
		Short:   "Print the EgainClient that replaces an ExternalSecret",
		Long: `Print the EgainClient that replaces an ExternalSecret of external-secrets.io that fetches a token by a webhook: a SecretStore or
ClusterSecretStore of provider webhook, or a generator of kind Webhook. The ExternalSecret is read from the cluster, or from files
with -f. Nothing is changed. The manifest goes to standard output. What could not be converted, and the steps of the migration, go
to standard error. No secret is read or printed.`,
		Example: `  kubectl egain import external-secrets knowledge-token -n team-a > knowledge-token.yaml
  kubectl egain import external-secrets knowledge-token -f external-secret.yaml -f store.yaml`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, args []string) error { return i.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().StringArrayVarP(&i.files, "filename", "f", nil, "`file` with the ExternalSecret and what it refers to, or - for standard input; may be repeated")
	cmd.Flags().StringArrayVar(&i.options.Scopes, "scope", nil, "`scopes` to request instead of the webhook's, separated by commas or spaces; may be repeated")
	cmd.Flags().StringVar(&i.options.Target, "target", "", "target Secret instead of the ExternalSecret's, to move workloads one by one")
	return cmd
}

func (i *importExternalSecret) run(ctx context.Context, name string) error {
	find, namespace, err := i.finder(ctx)
	if err != nil {
		return err
	}
	object, err := find(externalsecret.Group, externalsecret.KindExternalSecret, namespace, name)
	if err != nil {
		return err
	}
	i.options.Scopes = manifest.Words(i.options.Scopes)
	conversion, err := externalsecret.Convert(object, find, i.options)
	if err != nil {
		return advise(fmt.Errorf("converting ExternalSecret %q: %w", name, err),
			"if it fetches a token of eGain, use kubectl egain create client")
	}
	return i.print(ctx, conversion)
}

// print writes the manifest to standard output and the rest to standard error. A manifest that the API would refuse is not
// written.
func (i *importExternalSecret) print(ctx context.Context, conversion *externalsecret.Conversion) error {
	for _, note := range conversion.Notes {
		i.env.notef("note: %s\n", view.OneLine(note))
	}
	object := manifest.ClientSchema().Encode(conversion.Client)
	if errs := manifest.ClientSchema().Check(ctx, object); len(errs) > 0 {
		return advise(invalid(object, errs), "pass --scope or --target if the ExternalSecret lacks them, or use kubectl egain create client")
	}
	if conversion.CABundle != nil {
		text, err := yaml.Marshal(conversion.CABundle)
		if err != nil {
			return err
		}
		i.env.encoded(string(text) + "---\n")
	}
	text, err := yaml.Marshal(object.Object)
	if err != nil {
		return err
	}
	i.env.encoded(string(text))
	i.env.notef("To replace the ExternalSecret:\n")
	for n, step := range conversion.Steps {
		i.env.notef("  %d. %s\n", n+1, view.OneLine(step))
	}
	return nil
}

// finder looks into the files, or else into the cluster. The namespace is that of the ExternalSecret; empty if any will do.
func (i *importExternalSecret) finder(ctx context.Context) (externalsecret.Find, string, error) {
	if len(i.files) > 0 {
		objects, err := i.readFiles()
		if err != nil {
			return nil, "", err
		}
		namespace, err := i.env.manifestNamespace()
		return findAmong(objects), namespace, err
	}
	namespace, err := i.env.namespace()
	if err != nil {
		return nil, "", err
	}
	cluster, err := i.env.cluster()
	if err != nil {
		return nil, "", err
	}
	return findIn(ctx, cluster), namespace, nil
}

func (i *importExternalSecret) readFiles() ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for _, file := range i.files {
		more, err := i.readFile(file)
		if err != nil {
			return nil, advise(fmt.Errorf("reading %s: %w", file, err), "name a file of Kubernetes objects in YAML or JSON by -f")
		}
		objects = append(objects, more...)
	}
	return objects, nil
}

func (i *importExternalSecret) readFile(file string) ([]*unstructured.Unstructured, error) {
	in := i.env.In
	if file != "-" {
		opened, err := os.Open(file) //nolint:gosec // it is the user's own file
		if err != nil {
			return nil, err
		}
		defer opened.Close() //nolint:errcheck // it was only read
		in = opened
	}
	var objects []*unstructured.Unstructured
	const lookAhead = 4096
	for decoder := utilyaml.NewYAMLOrJSONDecoder(in, lookAhead); ; {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, errors.New("it holds a document that is not YAML or JSON") // the decoder quotes what it reads
		}
		if object.IsList() {
			list, err := object.ToList()
			if err != nil {
				return nil, errors.New("it holds a list of what are no objects")
			}
			for n := range list.Items {
				objects = append(objects, &list.Items[n])
			}
			continue
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// findAmong finds objects by kind and name, and by namespace where both sides name one.
func findAmong(objects []*unstructured.Unstructured) externalsecret.Find {
	return func(group, kind, namespace, name string) (*unstructured.Unstructured, error) {
		for _, object := range objects {
			sameNamespace := namespace == "" || object.GetNamespace() == "" || object.GetNamespace() == namespace
			if gvk := object.GroupVersionKind(); gvk.Group == group && gvk.Kind == kind && object.GetName() == name && sameNamespace {
				return object, nil
			}
		}
		return nil, advise(fmt.Errorf("the files hold no %s %q", kind, name), "add the file that does with -f, or leave -f out to read from the cluster")
	}
}

// versions of the External Secrets Operator's groups, the newest first.
var versions = map[string][]string{externalsecret.Group: {"v1", "v1beta1"}, externalsecret.GeneratorGroup: {"v1alpha1"}}

func findIn(ctx context.Context, cluster client.Reader) externalsecret.Find {
	return func(group, kind, namespace, name string) (*unstructured.Unstructured, error) {
		var last error
		for _, version := range versions[group] {
			object := &unstructured.Unstructured{}
			object.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: version, Kind: kind})
			last = cluster.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
			if !meta.IsNoMatchError(last) {
				return object, explainGet(last, kind, namespace, name)
			}
		}
		if last == nil {
			return nil, fmt.Errorf("%s %q is of group %q, which is none of the External Secrets Operator's", kind, name, group)
		}
		return nil, advise(fmt.Errorf("this cluster knows no %s", kind), "choose the cluster of the External Secrets Operator with --context, or pass its objects as files with -f")
	}
}

func explainGet(err error, kind, namespace, name string) error {
	if !apierrors.IsNotFound(err) {
		return err
	}
	if namespace == "" {
		return advise(fmt.Errorf("there is no %s %q", kind, name), "list those that there are with kubectl get "+kind)
	}
	return advise(fmt.Errorf("there is no %s %q in namespace %q", kind, name, namespace), "list those that there are with kubectl get "+kind+" -A, and name the namespace with -n")
}
