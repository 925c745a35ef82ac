// Package chart draws the plots of a report.
package chart

import (
	"fmt"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"

	"github.com/egain-operator/egain-operator/hack/bench/internal/report"
)

// The size of a picture.
const (
	width  = 8 * vg.Inch
	height = 4.5 * vg.Inch
)

// Write draws a plot as a PNG in a directory, and returns its file.
func Write(dir string, p report.Plot) (string, error) {
	drawn := plot.New()
	drawn.Title.Text, drawn.X.Label.Text, drawn.Y.Label.Text = p.Title, p.XLabel, p.YLabel
	drawn.Y.Min = 0
	drawn.Legend.Top = true
	drawn.Add(plotter.NewGrid())
	if p.LogX {
		drawn.X.Scale, drawn.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	for i, series := range p.Series {
		points := make(plotter.XYs, len(series.X))
		for j := range series.X {
			points[j] = plotter.XY{X: series.X[j], Y: series.Y[j]}
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return "", fmt.Errorf("drawing %s of %s: %w", series.Name, p.Name, err)
		}
		line.Color, dots.Color, dots.Shape = plotutil.Color(i), plotutil.Color(i), plotutil.Shape(i)
		dots.Radius = vg.Points(1.5)
		drawn.Add(line, dots)
		drawn.Legend.Add(series.Name, line)
	}
	file := filepath.Join(dir, p.Name+".png")
	if err := drawn.Save(width, height, file); err != nil {
		return "", fmt.Errorf("writing %s: %w", file, err)
	}
	return file, nil
}
