// Package command holds the commands of the kubectl plugin, a file each. It is the package of the plugin that talks to the
// user; what it does not ask of the API server and eGain itself, lookup and doctor do.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/plain"
	"github.com/egain-operator/egain-operator/internal/transport"
)

// fieldManager signs what the plugin writes to the cluster. It does not begin with kubectl: Flux removes the fields of such managers.
const fieldManager = "egain-cli"

// environment is what a command works with. Every constructor of a command takes one.
type environment struct {
	genericiooptions.IOStreams
	// config holds the flags that every kubectl command has: --kubeconfig, --context, --namespace, --as and so on.
	config *genericclioptions.ConfigFlags
	// cluster makes the client of the API server when it is first needed, and returns the same one after that.
	cluster func() (client.WithWatch, error)
	// newClient makes the client of a tenant for requests to eGain, by the rules of package transport.
	newClient func(r transport.Options, tenant string, caBundle []byte) (*http.Client, error)
	// skipRules is --insecure-skip-operator-rules.
	skipRules bool
	clock     clock.WithTicker
	// browse shows a URL in the user's browser, if there is one.
	browse func(url string)
	// screen is what standard output can show.
	screen screen
	// answers says that a person sees standard error and can answer on standard input.
	answers bool
}

// maxAnswer bounds an answer of eGain's API: more is no answer that a user reads, and would fill a disk in the end.
const maxAnswer = 1 << 30

// silence gives controller-runtime a logger, which it complains at length without; what its client has to say comes as
// errors too.
var silence = sync.OnceFunc(func() { log.SetLogger(logr.Discard()) })

// newEnvironment returns the environment of a real run.
func newEnvironment(streams genericiooptions.IOStreams) *environment {
	silence()
	e := &environment{
		IOStreams: streams,
		config:    genericclioptions.NewConfigFlags(true),
		newClient: newClient,
		clock:     clock.RealClock{},
		browse:    openBrowser,
		screen:    screenOf(streams.Out, os.Getenv),
		answers:   isTerminal(streams.In) && isTerminal(streams.ErrOut),
	}
	e.config.WrapConfigFn = func(config *rest.Config) *rest.Config {
		// As kubectl has it: one command reads a dozen kinds at once.
		config.QPS, config.Burst = 50, 300
		config.UserAgent = transport.UserAgent("kubectl-egain")
		config.WarningHandler = rest.NewWarningWriter(plain.Writer(streams.ErrOut), rest.WarningWriterOptions{Deduplicate: true})
		return config
	}
	e.cluster = sync.OnceValues(e.connect)
	return e
}

func (e *environment) connect() (client.WithWatch, error) {
	config, err := e.config.ToRESTConfig()
	if err != nil {
		return nil, configError(err)
	}
	return client.NewWithWatch(config, client.Options{Scheme: newScheme()})
}

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(egainv1alpha1.AddToScheme(scheme))
	return scheme
}

// newClient is guarded as the operator's own requests are.
func newClient(r transport.Options, tenant string, caBundle []byte) (*http.Client, error) {
	r.UserAgent = transport.UserAgent("kubectl-egain")
	return transport.New(r).Client(tenant, "", caBundle)
}

// namespace is that of --namespace, or of the kubeconfig's context.
func (e *environment) namespace() (string, error) {
	namespace, _, err := e.config.ToRawKubeConfigLoader().Namespace()
	return namespace, configError(err)
}

// configError is for what is wrong with the kubeconfig, or the flags that choose from it.
func configError(err error) error {
	switch {
	case err == nil:
		return nil
	case clientcmd.IsEmptyConfig(err):
		return advise(errors.New("no cluster is configured"), "set KUBECONFIG, or pass --kubeconfig")
	default:
		return advise(err, "check the kubeconfig with kubectl config view, and choose a context with --context")
	}
}

// egainClient reads the EgainClient of a name from the namespace of the command line.
func (e *environment) egainClient(ctx context.Context, name string) (*egainv1alpha1.EgainClient, error) {
	namespace, err := e.namespace()
	if err != nil {
		return nil, err
	}
	c, err := e.cluster()
	if err != nil {
		return nil, err
	}
	ec := &egainv1alpha1.EgainClient{}
	err = c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, ec)
	if apierrors.IsNotFound(err) {
		return nil, advise(fmt.Errorf("EgainClient %q not found in namespace %q", name, namespace),
			"list EgainClients with kubectl egain status -n "+namespace+", or choose another namespace with -n")
	}
	return ec, err
}

// printf writes text for people to standard output. Text of others in it is made plain.
func (e *environment) printf(format string, args ...any) {
	e.encoded(e.screen.style.Plain(fmt.Sprintf(format, args...)))
}

// notef writes to standard error what is for people and no part of the result. Text of others in it is made plain.
func (e *environment) notef(format string, args ...any) {
	_, _ = fmt.Fprint(e.ErrOut, e.screen.style.Plain(fmt.Sprintf(format, args...)))
}

// encoded writes to standard output what an encoder made, or what controls the screen, as it is.
func (e *environment) encoded(text string) {
	_, _ = fmt.Fprint(e.Out, text) // a broken pipe ends the process
}

// content is standard output for what is others' from end to end: exact for programs, plain on a terminal.
func (e *environment) content() io.Writer {
	if e.screen.terminal == nil {
		return e.Out
	}
	return plain.Writer(e.Out)
}
