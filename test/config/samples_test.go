package config_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/request"
	"github.com/egain-operator/egain-operator/internal/target"
)

// samples are the objects of config/samples, each strictly decoded.
func samples(t *testing.T) []client.Object {
	t.Helper()
	var all []client.Object
	for _, file := range kustomizationOf(t, "samples").Resources {
		all = append(all, load(t, filepath.Join("samples", file))...)
	}
	return all
}

func sampled[T client.Object](t *testing.T) map[string]T {
	t.Helper()
	found := map[string]T{}
	for _, object := range samples(t) {
		if o, ok := object.(T); ok {
			if _, twice := found[o.GetName()]; twice {
				t.Errorf("two samples of type %T are called %s", o, o.GetName())
			}
			found[o.GetName()] = o
		}
	}
	return found
}

func TestThereIsASampleOfEveryFlow(t *testing.T) {
	t.Parallel()
	var flows []egainv1alpha1.Flow
	var variants []string
	for _, ec := range sampled[*egainv1alpha1.EgainClient](t) {
		flows = append(flows, ec.Spec.Flow)
		variants = append(variants, variantOf(ec))
	}
	for _, flow := range []egainv1alpha1.Flow{
		egainv1alpha1.FlowClientCredentials, egainv1alpha1.FlowAnonymousCustomer, egainv1alpha1.FlowOnBehalfOf,
		egainv1alpha1.FlowTokenExchange, egainv1alpha1.FlowAuthorizationCode,
	} {
		if !slices.Contains(flows, flow) {
			t.Errorf("there is no sample of flow %s", flow)
		}
	}
	for _, variant := range []string{
		"a shared tenant", "an application", "a user to act for", "a customer to act for", "a Secret's token", "a ServiceAccount's token",
		"an EgainClient's token", "a login of a User", "a login of a Customer",
	} {
		if !slices.Contains(variants, variant) {
			t.Errorf("there is no sample with %s", variant)
		}
	}
}

// variantOf names what a sample shows of its flow.
func variantOf(ec *egainv1alpha1.EgainClient) string {
	subject := egainv1alpha1.SubjectToken{}
	if ec.Spec.TokenExchange != nil {
		subject = ec.Spec.TokenExchange.SubjectToken
	}
	switch who, code := ec.Spec.OnBehalfOf, ec.Spec.AuthorizationCode; {
	case ec.Application() != "":
		return "an application"
	case ec.Spec.TenantRef != nil:
		return "a shared tenant"
	case who != nil && who.Username != "":
		return "a user to act for"
	case who != nil && who.Email != "":
		return "a customer to act for"
	case subject.SecretKeyRef != nil:
		return "a Secret's token"
	case subject.ServiceAccountToken != nil:
		return "a ServiceAccount's token"
	case subject.EgainClientRef != nil:
		return "an EgainClient's token"
	case code != nil:
		return "a login of a " + string(code.Actor)
	default:
		return ""
	}
}

func TestTheSamplesFindWhatTheyReferTo(t *testing.T) {
	t.Parallel()
	secrets := sampled[*corev1.Secret](t)
	check := func(sample, name, key string) {
		if secret := secrets[name]; secret == nil {
			t.Errorf("%s needs Secret %q, which is no sample", sample, name)
		} else if _, ok := secret.StringData[key]; key != "" && !ok {
			t.Errorf("%s needs the key %q of Secret %q", sample, key, name)
		}
	}
	for name, ec := range sampled[*egainv1alpha1.EgainClient](t) {
		if ref := ec.Spec.CredentialsSecretRef; ref != nil {
			check(name, string(ref.Name), "client_id")
			// A client that logs people in may be public.
			if ec.Spec.Flow != egainv1alpha1.FlowAuthorizationCode {
				check(name, string(ref.Name), "client_secret")
			}
		}
		if x := ec.Spec.TokenExchange; x != nil && x.SubjectToken.SecretKeyRef != nil {
			check(name, string(x.SubjectToken.SecretKeyRef.Name), string(x.SubjectToken.SecretKeyRef.Key))
		}
		if code := ec.Spec.AuthorizationCode; code != nil && secrets[string(code.SessionSecretRef.Name)] != nil {
			t.Errorf("the session of %s is a sample Secret, which a login is to make", name)
		}
		if ec.Spec.Target.CreationPolicy == egainv1alpha1.CreationPolicyMerge {
			check(name, ec.TargetName(), "")
		}
	}
}

func TestTheSamplesFindTheTenantsAccountsAndClientsOfOthers(t *testing.T) {
	t.Parallel()
	tenants, accounts := sampled[*egainv1alpha1.EgainTenant](t), sampled[*corev1.ServiceAccount](t)
	clients := sampled[*egainv1alpha1.EgainClient](t)
	for name, ec := range clients {
		if ref := ec.Spec.TenantRef; ref != nil {
			et := tenants[string(ref.Name)]
			if et == nil {
				t.Errorf("%s needs EgainTenant %q, which is no sample", name, ref.Name)
				continue
			}
			ec.Namespace = "team-a"
			allowed := et.Spec.AllowedNamespaces
			if app := request.Shared(et).Application(ec); app != nil {
				allowed = &app.AllowedNamespaces
			}
			if err := request.Admit(et, ec, allowed.Selector.MatchLabels); err != nil {
				t.Errorf("%s may not use its tenant from a namespace that is labelled as it says: %v", name, err)
			}
		}
		if ec.Spec.TokenExchange == nil {
			continue
		}
		subject := ec.Spec.TokenExchange.SubjectToken
		if ref := subject.ServiceAccountToken; ref != nil && accounts[string(ref.Name)] == nil {
			t.Errorf("%s needs ServiceAccount %q, which is no sample", name, ref.Name)
		}
		if ref := subject.EgainClientRef; ref != nil && clients[string(ref.Name)] == nil {
			t.Errorf("%s needs EgainClient %q, which is no sample", name, ref.Name)
		}
	}
}

func TestTheSamplesHaveTargetsOfTheirOwn(t *testing.T) {
	t.Parallel()
	secrets, takenBy := sampled[*corev1.Secret](t), map[string]string{}
	for name, ec := range sampled[*egainv1alpha1.EgainClient](t) {
		if other := takenBy[ec.TargetName()]; other != "" {
			t.Errorf("%s and %s both have the target %s", name, other, ec.TargetName())
		}
		takenBy[ec.TargetName()] = name
		if secrets[ec.TargetName()] != nil && ec.Spec.Target.CreationPolicy != egainv1alpha1.CreationPolicyMerge {
			t.Errorf("the target of %s is a sample Secret, which it does not own", name)
		}
		if err := target.CheckTemplates(ec); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheSampleSecretsHoldPlaceholders(t *testing.T) {
	t.Parallel()
	for name, secret := range sampled[*corev1.Secret](t) {
		if len(secret.Data) > 0 {
			t.Errorf("Secret %s has data, which cannot be read by eye: use stringData", name)
		}
		for key, value := range secret.StringData {
			if !strings.HasPrefix(value, "REPLACE-WITH-") {
				t.Errorf("%s of Secret %s does not look like a placeholder", key, name)
			}
		}
	}
}

func TestTheSampleWorkloadFollowsRotation(t *testing.T) {
	t.Parallel()
	targets := map[string]*egainv1alpha1.EgainClient{}
	for _, ec := range sampled[*egainv1alpha1.EgainClient](t) {
		targets[ec.TargetName()] = ec
	}
	workloads := sampled[*appsv1.Deployment](t)
	if len(workloads) == 0 {
		t.Fatal("there is no sample workload")
	}
	for name, workload := range workloads {
		pod := workload.Spec.Template.Spec
		checkRestricted(t, pod)
		for _, container := range pod.Containers {
			if len(container.Env)+len(container.EnvFrom) > 0 {
				t.Errorf("%s: an environment variable keeps its first value", name)
			}
			for _, mount := range container.VolumeMounts {
				if mount.SubPath != "" {
					t.Errorf("%s: a file mounted with subPath is never replaced", name)
				}
				ec := targets[secretOf(pod, mount.Name)]
				if ec == nil {
					t.Errorf("%s mounts %s, which is the target of no sample", name, mount.Name)
					continue
				}
				checkFiles(t, ec, mount.MountPath, container.Args)
			}
		}
	}
}

// secretOf is the Secret behind a volume.
func secretOf(pod corev1.PodSpec, volume string) string {
	for _, v := range pod.Volumes {
		if v.Name == volume && v.Secret != nil {
			return v.Secret.SecretName
		}
	}
	return ""
}

// checkFiles holds the files that a script reads to the keys of the Secret that is mounted there.
func checkFiles(t *testing.T, ec *egainv1alpha1.EgainClient, dir string, script []string) {
	t.Helper()
	files := regexp.MustCompile(regexp.QuoteMeta(dir)+`/(\w+)`).FindAllStringSubmatch(strings.Join(script, "\n"), -1)
	if len(files) == 0 {
		t.Errorf("nothing reads the Secret at %s", dir)
	}
	for _, file := range files {
		if !slices.Contains(target.Keys(ec), file[1]) {
			t.Errorf("a workload reads the key %q, which %s does not write", file[1], ec.Name)
		}
	}
}
