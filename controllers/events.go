package controllers

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"

	"github.com/egain-operator/egain-operator/internal/plain"
	"github.com/egain-operator/egain-operator/internal/status"
)

// send sends events about an object.
func send(recorder events.EventRecorder, about runtime.Object, all []status.Event) {
	for _, e := range all {
		recorder.Eventf(about, nil, e.Type, e.Reason, e.Action, "%s", plain.Line(e.Message))
	}
}
