package externalsecret

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
	"github.com/egain-operator/egain-operator/internal/target"
)

// What stands for a whole answer, and for a part of one that a token has not.
const (
	wholeAnswer = "*"
	noField     = ""
)

// fields of a token, by the names of the answer (RFC 6749 section 5.1).
var fields = map[string]string{"access_token": "AccessToken", "token_type": "TokenType", "scope": "Scope"}

// own are the keys that the operator writes itself, and the templates that they stand for.
var own = map[string]string{
	target.KeyAccessToken: "{{ .AccessToken }}", target.KeyTokenType: "{{ .TokenType }}", target.KeyExpiresAt: "{{ .ExpiresAt }}",
	target.KeyScope: "{{ .Scope }}", target.KeyAuthorization: "{{ .Authorization }}", target.KeyAPIURL: "{{ .APIURL }}",
}

func (c *converter) target() error {
	from, to := c.spec.Target, &c.out.Client.Spec.Target
	if len(from.Manifest) > 0 {
		return errors.New("its target is not a Secret, which is what an EgainClient writes")
	}
	switch from.CreationPolicy {
	case "None":
		return errors.New("its target has creationPolicy None, so that it makes no Secret: there is nothing to replace")
	case "Merge":
		to.CreationPolicy = egainv1alpha1.CreationPolicyMerge
	case "CreateOrMerge":
		c.notef("creationPolicy CreateOrMerge is not carried over: the operator creates the Secret; set spec.target.creationPolicy to Merge if another tool creates it.")
	case "Orphan":
		to.DeletionPolicy = egainv1alpha1.DeletionPolicyRetain
	}
	if name := c.targetName(); name != c.object.GetName() {
		to.SecretName = egainv1alpha1.SecretName(name)
	}
	to.Type = from.Template.Type
	values, err := c.values()
	if err != nil {
		return err
	}
	template := &egainv1alpha1.TargetTemplate{Data: c.templates(values), Metadata: metadata(from.Template)}
	if len(template.Data) == 0 {
		template.Data = nil
	}
	if template.Data != nil || template.Metadata != nil {
		to.Template = template
	}
	return nil
}

func (c *converter) targetName() string {
	for _, name := range []string{c.options.Target, c.spec.Target.Name} {
		if name != "" {
			return name
		}
	}
	return c.object.GetName()
}

func metadata(t targetTemplate) *egainv1alpha1.TargetMetadata {
	m := &egainv1alpha1.TargetMetadata{}
	for name, value := range t.Metadata.Labels {
		if m.Labels == nil {
			m.Labels = map[string]egainv1alpha1.LabelValue{}
		}
		m.Labels[name] = egainv1alpha1.LabelValue(value)
	}
	for name, value := range t.Metadata.Annotations {
		if m.Annotations == nil {
			m.Annotations = map[string]egainv1alpha1.AnnotationValue{}
		}
		m.Annotations[name] = egainv1alpha1.AnnotationValue(value)
	}
	if m.Labels == nil && m.Annotations == nil {
		return nil
	}
	return m
}

// path finds the one field of an answer that a JSON path leads to.
var path = regexp.MustCompile(`^(?:\$\.?|\.)?(?:\['?"?)?(\w+)?(?:"?'?\])?$`)

// values are the keys that the ExternalSecret fetches, each with the field of the answer that it holds.
func (c *converter) values() (map[string]string, error) {
	match := path.FindStringSubmatch(c.webhook.Result.JSONPath)
	if match == nil {
		return nil, errors.New("the webhook's result.jsonPath leads deeper into the answer than a token is (RFC 6749 section 5.1), so that it is no answer of eGain")
	}
	field := match[1]
	values := map[string]string{}
	for _, e := range c.entries {
		if e.key != "" {
			values[e.key] = wholeAnswer
			if field != "" {
				values[e.key] = field
			}
			continue
		}
		if field != "" {
			return nil, errors.New("the webhook's result.jsonPath leads to one value, and spec.dataFrom needs an object of them: look at why the ExternalSecret works")
		}
		for _, name := range []string{"access_token", "token_type", "expires_in", "scope"} {
			values[c.rewritten(name, e.rewrites)] = name
		}
	}
	return values, nil
}

// rewritten is a key after the rewrites of spec.dataFrom.
func (c *converter) rewritten(key string, rewrites []rewrite) string {
	for _, r := range rewrites {
		if r.Regexp == nil {
			c.notef("spec.dataFrom.rewrite by anything but a regexp is not carried over: look at the keys in spec.target.template.data.")
			continue
		}
		pattern, err := regexp.Compile(r.Regexp.Source)
		if err != nil {
			c.notef("A regexp of spec.dataFrom.rewrite is not valid and was left out.")
			continue
		}
		key = pattern.ReplaceAllString(key, r.Regexp.Target)
	}
	return key
}

// templates are the extra keys of the target.
func (c *converter) templates(values map[string]string) map[string]egainv1alpha1.Template {
	wanted := c.spec.Target.Template
	data := map[string]egainv1alpha1.Template{}
	if len(wanted.TemplateFrom) > 0 {
		c.notef("target.template.templateFrom is not carried over: write its templates into spec.target.template.data.")
	}
	if len(wanted.Data) == 0 || wanted.MergePolicy == "Merge" {
		for _, key := range slices.Sorted(maps.Keys(values)) {
			c.plain(data, key, values[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(wanted.Data)) {
		text, ok := translate(wanted.Data[key], values)
		if ok && target.CheckTemplates(withTemplate(key, text)) == nil {
			c.add(data, key, text)
			continue
		}
		c.notef("The template of key %s is not carried over, since it uses a function or a field that the operator does not have: rewrite it in spec.target.template.data.", key)
	}
	return data
}

// plain adds a key that holds one field as it is.
func (c *converter) plain(data map[string]egainv1alpha1.Template, key, field string) {
	switch {
	case fields[field] != noField:
		c.add(data, key, "{{ ."+fields[field]+" }}")
	case field == wholeAnswer:
		c.notef("Key %s contains the whole answer as JSON, which is not kept: the token is in key access_token, and its expiry in expires_at.", key)
	case field == "expires_in":
		c.notef("Key %s contains a number of seconds; the target has the key expires_at instead, a time in RFC 3339.", key)
	default:
		c.notef("Key %s contains %s of the answer, which is not kept.", key, field)
	}
}

// add adds a key, unless the operator writes it by itself.
func (c *converter) add(data map[string]egainv1alpha1.Template, key, text string) {
	byOperator, isOwn := own[key]
	bearer := key == target.KeyAuthorization && text == "Bearer {{ .AccessToken }}"
	switch {
	case !isOwn:
		data[key] = egainv1alpha1.Template(text)
	case text != byOperator && !bearer:
		c.notef("Key %s is written by the operator with another content, %s: give the key of the ExternalSecret another name in spec.target.template.data.", key, byOperator)
	}
}

func withTemplate(key, text string) *egainv1alpha1.EgainClient {
	ec := &egainv1alpha1.EgainClient{}
	ec.Spec.Target.Template = &egainv1alpha1.TargetTemplate{Data: map[string]egainv1alpha1.Template{key: egainv1alpha1.Template(text)}}
	return ec
}

var (
	action = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	// parsed is a field of an answer that is kept whole, and answered what it becomes until its own name is looked up.
	parsed   = regexp.MustCompile(`\(\s*(?:\.(\w+)\s*\|\s*fromJson|fromJson\s+\.(\w+))\s*\)\.(\w+)`)
	dotted   = regexp.MustCompile(`\.(\w+)`)
	answered = regexp.MustCompile(`\. (\w+)`)
	literal  = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`")
)

// translate says a template over the values of an ExternalSecret as one over the fields of a token. It tells false if a value
// has no field.
func translate(text string, values map[string]string) (string, bool) {
	ok := true
	field := func(name string) string {
		if fields[name] == noField {
			ok = false
		}
		return "." + fields[name]
	}
	text = action.ReplaceAllStringFunc(text, func(action string) string {
		if slices.ContainsFunc(literal.FindAllString(action, -1), func(text string) bool { return strings.Contains(text, ".") }) {
			ok = false // what looks like a field in a text is not told from one
		}
		action = parsed.ReplaceAllStringFunc(action, func(expression string) string {
			match := parsed.FindStringSubmatch(expression)
			if values[match[1]+match[2]] != wholeAnswer {
				ok = false
			}
			return ". " + match[3] // a field of the answer, which the next step takes no second time
		})
		action = dotted.ReplaceAllStringFunc(action, func(reference string) string {
			return field(values[strings.TrimPrefix(reference, ".")])
		})
		return answered.ReplaceAllStringFunc(action, func(reference string) string {
			return field(strings.TrimPrefix(reference, ". "))
		})
	})
	return text, ok
}

// handOver says how the Secret changes hands. The operator takes no Secret that is another's, so that the order is free of
// races: the EgainClient waits until the Secret is let go.
func (c *converter) handOver() {
	name, secret, namespace := c.object.GetName(), c.targetName(), c.object.GetNamespace()
	in := ""
	if namespace != "" {
		in = " -n " + namespace
	}
	c.out.Steps = append(c.out.Steps, "apply the manifest: kubectl apply --server-side -f FILE")
	switch {
	case c.options.Target != "" && c.options.Target != c.oldTarget():
		c.out.Steps = append(c.out.Steps,
			fmt.Sprintf("wait for the token: kubectl wait%s egainclient/%s --for=condition=Ready", in, name),
			fmt.Sprintf("change workloads to mount Secret %s instead of %s", secret, c.oldTarget()),
			fmt.Sprintf("delete the old one: kubectl delete%s externalsecret %s", in, name))
		return
	case c.spec.Target.DeletionPolicy == "Delete":
		c.out.Steps = append(c.out.Steps,
			fmt.Sprintf(`keep the Secret when the ExternalSecret is deleted: kubectl patch%s externalsecret %s --type=merge -p '{"spec":{"target":{"deletionPolicy":"Retain"}}}'`, in, name))
	}
	annotations := fmt.Sprintf("%s=%s", target.AnnotationOwnedBy, name)
	if c.spec.Target.CreationPolicy == "Merge" {
		keys := append(slices.Sorted(maps.Keys(own)), slices.Sorted(maps.Keys(c.keys()))...)
		annotations = fmt.Sprintf("%s=%s %s=%s", target.AnnotationMergedBy, name, target.AnnotationMergedKeys, strings.Join(keys, ","))
	}
	c.out.Steps = append(c.out.Steps,
		fmt.Sprintf("release the Secret, which keeps its token: kubectl delete%s externalsecret %s --cascade=orphan", in, name),
		fmt.Sprintf("assign it to the EgainClient, which stores a new token in it immediately: kubectl annotate%s secret %s %s", in, secret, annotations))
}

func (c *converter) oldTarget() string {
	if c.spec.Target.Name != "" {
		return c.spec.Target.Name
	}
	return c.object.GetName()
}

// keys are the extra keys of the target.
func (c *converter) keys() map[string]egainv1alpha1.Template {
	if c.out.Client.Spec.Target.Template == nil {
		return nil
	}
	return c.out.Client.Spec.Target.Template.Data
}
