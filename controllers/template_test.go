package controllers

import (
	"testing"
	"time"

	"github.com/onsi/gomega"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

func TestWritesWhatTheTemplatesSay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", scoped("knowledge.portalmgr.manage", "core.aiservices.read"),
		templated("EGAIN_TOKEN", "{{ .AccessToken }}"),
		templated("netrc", "machine {{ .APIURL | trimPrefix \"https://\" }} login bearer password {{ .AccessToken }}\n"),
		templated("curl.conf", `header = "Authorization: {{ .Authorization }}"`),
		templated("scopes.json", `{{ .Scopes | toJson }}`),
		templated("list", `{{ range .Scopes }}{{ . | upper }};{{ end }}`),
		templated("about", `{{ .TokenType | lower }} until {{ .ExpiresAt }} for {{ .Scope | quote }}`),
	)

	f.run(ec)
	token := f.token("sync")
	f.Expect(f.value("sync", "EGAIN_TOKEN")).To(gomega.Equal(token))
	f.Expect(f.value("sync", "netrc")).To(gomega.Equal("machine " + f.sim.APIURL()[len("https://"):] + " login bearer password " + token + "\n"))
	f.Expect(f.value("sync", "curl.conf")).To(gomega.Equal(`header = "Authorization: Bearer ` + token + `"`))
	f.Expect(f.value("sync", "scopes.json")).To(gomega.MatchJSON(`["knowledge.portalmgr.manage","core.aiservices.read"]`))
	f.Expect(f.value("sync", "list")).To(gomega.Equal("KNOWLEDGE.PORTALMGR.MANAGE;CORE.AISERVICES.READ;"))
	f.Expect(f.value("sync", "about")).To(gomega.Equal("bearer until " + f.clock.Now().Add(time.Hour).UTC().Format(time.RFC3339) +
		` for "knowledge.portalmgr.manage core.aiservices.read"`))

	f.demand(ec, "again")
	f.run(ec)
	f.Expect(f.token("sync")).NotTo(gomega.Equal(token))
	f.Expect(f.value("sync", "EGAIN_TOKEN")).To(gomega.Equal(f.token("sync")), "they follow every rotation")
}

func TestSpendsNoTokenOnATemplateThatDoesNotParse(t *testing.T) {
	t.Parallel()
	for name, own := range map[string]quick{"of a target of its own": func(*egainv1alpha1.EgainClient) {}, "of a merged Secret": merging("app")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			f.foreign("app", map[string]string{"password": "theirs"})
			ec := f.client("sync", own, templated("good", "{{ .AccessToken }}"), templated("bad", "{{ .AccessToken"))

			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, TemplateInvalid"))
			f.Expect(message(ec)).To(gomega.ContainSubstring(`spec.target.template.data["bad"]`))
			f.Expect(f.requests()).To(gomega.BeZero())

			f.update(ec, func() { ec.Spec.Target.Template.Data["bad"] = "{{ .TokenType }}" })
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
		})
	}
}

func TestSpendsOneTokenOnATemplateThatFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.credentials()
	ec := f.client("sync", templated("bad", `{{ index .Scopes 7 }}`))

	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Failed: NoToken, TemplateInvalid"))
	f.Expect(message(ec)).To(gomega.And(gomega.ContainSubstring(`["bad"]`), gomega.ContainSubstring("1:3")))
	f.run(ec)
	f.Expect(ec.Status.ConsecutiveFailures).To(gomega.Equal(int32(1)))
	f.Expect(f.secret("sync")).To(gomega.BeNil())

	f.update(ec, func() { ec.Spec.Target.Template.Data["bad"] = "{{ index .Scopes 0 }}" })
	f.run(ec)
	f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
	f.Expect(f.requests()).To(gomega.Equal(1), "the token was held meanwhile")
	f.Expect(f.holds(ec)).To(gomega.BeFalse())
}

func TestStaysReadyWhenATemplateIsSpoilt(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]egainv1alpha1.Template{
		"it does not parse": "{{ end }}", "it fails": "{{ .NoSuchField }}", "it asks for what is not there": `{{ env "HOME" }}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.credentials()
			ec := f.client("sync", templated("TOKEN", "{{ .AccessToken }}"))
			f.run(ec)
			unchanged := f.unchanged(f.secret("sync"))

			f.update(ec, func() { ec.Spec.Target.Template.Data["TOKEN"] = text })
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, TemplateInvalid"))
			f.Expect(message(ec)).NotTo(gomega.ContainSubstring(f.token("sync")))
			unchanged()

			f.update(ec, func() { ec.Spec.Target.Template.Data["TOKEN"] = "{{ .AccessToken }}" })
			f.run(ec)
			f.Expect(state(ec)).To(gomega.Equal("Current: TokenValid, Issued"))
			unchanged()
			f.Expect(f.requests()).To(gomega.Equal(1))
		})
	}
}
