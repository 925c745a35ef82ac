package target

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

func BenchmarkRender(b *testing.B) {
	for name, templates := range map[string]map[string]egainv1alpha1.Template{
		"plain":     nil,
		"templated": {"TOKEN": "{{ .AccessToken }}"},
	} {
		b.Run(name, func(b *testing.B) {
			ec, tok := client(templates), token()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Render(ec, tok); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	want, err := Render(client(nil), token())
	if err != nil {
		b.Fatal(err)
	}
	secret := written(b, want)
	b.ReportAllocs()
	for b.Loop() {
		if reading, err := Read(secret); err != nil || reading.Token == nil {
			b.Fatalf("read %+v, %v", reading, err)
		}
	}
}

func BenchmarkRecall(b *testing.B) {
	want, err := Render(client(nil), token())
	if err != nil {
		b.Fatal(err)
	}
	meta := &metav1.ObjectMeta{Annotations: want.Annotations}
	b.ReportAllocs()
	for b.Loop() {
		if Recall(meta) == nil {
			b.Fatal("nothing recalled")
		}
	}
}
