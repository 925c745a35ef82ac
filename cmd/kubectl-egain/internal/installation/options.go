package installation

import (
	"flag"
	"io"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/egain-operator/egain-operator/internal/options"
)

// optionsOf reads the flags of the operator as it does itself; nil if they are not known: of another version, or from where this
// cannot look.
func optionsOf(pod *corev1.PodSpec) *options.Options {
	i := slices.IndexFunc(pod.Containers, func(c corev1.Container) bool { return c.Name == container })
	if i < 0 {
		return nil
	}
	args, ok := argsOf(&pod.Containers[i])
	if !ok {
		return nil
	}
	o, flags := &options.Options{}, flag.NewFlagSet("", flag.ContinueOnError)
	o.BindFlags(flags)
	flags.String("kubeconfig", "", "") // by controller-runtime
	flags.SetOutput(io.Discard)
	if flags.Parse(args) != nil || flags.NArg() > 0 {
		return nil
	}
	return o
}

// reference is a use of an environment variable in arguments, or $$, which stands for a dollar sign.
var reference = regexp.MustCompile(`\$\$|\$\([-._a-zA-Z][-._a-zA-Z0-9]*\)`)

// argsOf are the arguments of a container, with the variables that Kubernetes expands in them. They are not known if one is
// from another object, or may be.
func argsOf(c *corev1.Container) ([]string, bool) {
	args := slices.Clone(c.Args)
	if len(c.Command) > 0 {
		args = append(slices.Clone(c.Command[1:]), args...)
	}
	known := true
	for i := range args {
		args[i] = reference.ReplaceAllStringFunc(args[i], func(found string) string {
			if found == "$$" {
				return "$"
			}
			value, ok := literal(c, strings.TrimSuffix(strings.TrimPrefix(found, "$("), ")"))
			known = known && ok
			return value
		})
	}
	return args, known
}

// literal is the value of an environment variable that the container itself says, without references of its own.
func literal(c *corev1.Container, name string) (string, bool) {
	for _, variable := range slices.Backward(c.Env) {
		if variable.Name == name {
			return variable.Value, variable.ValueFrom == nil && !strings.Contains(variable.Value, "$")
		}
	}
	return "", false
}
