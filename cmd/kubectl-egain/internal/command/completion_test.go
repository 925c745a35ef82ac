package command

import (
	"testing"

	"github.com/onsi/gomega"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

func TestCompletion(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.client("knowledge-sync")
	f.client("knowledge-chat")
	tests := map[string]struct {
		args []string
		want string
	}{
		"names of EgainClients":           {[]string{"status", ""}, "knowledge-chat\tClientCredentials\nknowledge-sync\tClientCredentials\n:4\n"},
		"names that begin so":             {[]string{"renew", "knowledge-s"}, "knowledge-sync\tClientCredentials\n:4\n"},
		"names that are not there yet":    {[]string{"suspend", "knowledge-chat", "kn"}, "knowledge-sync\tClientCredentials\n:4\n"},
		"no second name where one is all": {[]string{"token", "knowledge-chat", ""}, ":4\n"},
		"namespaces":                      {[]string{"status", "-n", f.namespace}, f.namespace + "\n:4\n"},
		"contexts":                        {[]string{"status", "--context", "eg"}, "egain\n:4\n"},
		"commands":                        {[]string{"susp"}, "suspend\tSuspend the renewal of tokens\n:4\n"},
	}
	for name, test := range tests {
		f.Expect(f.run(append([]string{"__complete"}, test.args...)...)).To(gomega.Equal(0), f.err.String())
		f.Expect(f.out.String()).To(gomega.Equal(test.want), name)
	}
}

func TestKubectlCompletesByAnotherName(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.client("knowledge-sync")
	streams := genericiooptions.IOStreams{In: f.in, Out: f.out, ErrOut: f.err}
	argv := []string{"/usr/local/bin/kubectl_complete-egain", "status", "--kubeconfig=" + kubeconfig, "-n", f.namespace, "k"}
	f.Expect(Run(t.Context(), argv, streams)).To(gomega.Equal(0))
	f.Expect(f.out.String()).To(gomega.HavePrefix("knowledge-sync\t"))

	f.out.reset()
	f.Expect(Run(t.Context(), []string{"kubectl-egain", "version"}, streams)).To(gomega.Equal(0))
	f.Expect(f.out.String()).To(gomega.HavePrefix("kubectl-egain "))
}

func TestWithoutACommandItHelps(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Expect(f.run()).To(gomega.Equal(0))
	f.Expect(f.out.String()).To(gomega.ContainSubstring("kubectl egain [command]"))
}
