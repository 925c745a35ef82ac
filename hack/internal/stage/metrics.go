package stage

import (
	"strconv"
	"strings"
)

// SumSeries adds up the series of a metric that have a label, in Prometheus' text format.
func SumSeries(metrics, name, label string) float64 {
	var sum float64
	for line := range strings.Lines(metrics) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || (rest[0] != '{' && rest[0] != ' ') || !strings.Contains(rest, label) {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' ')+1:]), 64)
		if err == nil {
			sum += value
		}
	}
	return sum
}
