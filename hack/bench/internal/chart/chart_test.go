package chart

import (
	"image/png"
	"os"
	"testing"

	"github.com/egain-operator/egain-operator/hack/bench/internal/report"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, p := range []report.Plot{
		{Name: "time", Series: []report.Series{{Name: "one", X: []float64{0, 1}, Y: []float64{5, 6}}, {Name: "two", X: []float64{0}, Y: []float64{1}}}},
		{Name: "size", LogX: true, Series: []report.Series{{Name: "one", X: []float64{1000, 10000}, Y: []float64{5, 50}}}},
	} {
		name, err := Write(dir, p)
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if size := picture.Bounds().Size(); size.X < 500 || size.Y < 300 {
			t.Errorf("%s has %v pixels", name, size)
		}
	}
	if _, err := Write(dir, report.Plot{Name: "no such directory/plot"}); err == nil {
		t.Error("a picture was written to a directory that does not exist")
	}
}
