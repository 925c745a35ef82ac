package command

import (
	"context"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// listWatch lists and watches EgainClients for client-go's machinery, which outlives lost connections and versions that
// have become too old. With a name it is about that one only.
func listWatch(c client.WithWatch, opts client.ListOptions, name string) cache.ListerWatcher {
	if name != "" {
		opts.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, name)
	}
	with := func(raw metav1.ListOptions) *client.ListOptions {
		this := opts
		this.Raw = &raw
		return &this
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, raw metav1.ListOptions) (runtime.Object, error) {
			list := &egainv1alpha1.EgainClientList{}
			return list, c.List(ctx, list, with(raw))
		},
		WatchFuncWithContext: func(ctx context.Context, raw metav1.ListOptions) (watch.Interface, error) {
			return c.Watch(ctx, &egainv1alpha1.EgainClientList{}, with(raw))
		},
	}
}

// changes are EgainClients as they appear and change; of deleted ones, deleted is true.
type change struct {
	client  *egainv1alpha1.EgainClient
	deleted bool
}

// watchClients sends every EgainClient, and then every change, until the context ends.
func watchClients(ctx context.Context, lw cache.ListerWatcher) <-chan change {
	changes := make(chan change)
	send := func(object any, deleted bool) {
		if last, lost := object.(cache.DeletedFinalStateUnknown); lost {
			object = last.Obj
		}
		ec, is := object.(*egainv1alpha1.EgainClient)
		if !is {
			return
		}
		select {
		case changes <- change{ec, deleted}:
		case <-ctx.Done():
		}
	}
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: lw,
		ObjectType:    &egainv1alpha1.EgainClient{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    func(object any) { send(object, false) },
			UpdateFunc: func(_, object any) { send(object, false) },
			DeleteFunc: func(object any) { send(object, true) },
		},
	})
	go informer.RunWithContext(ctx)
	return changes
}

// key names an EgainClient of any namespace.
func key(ec *egainv1alpha1.EgainClient) string {
	return strings.Join([]string{ec.Namespace, ec.Name}, "/")
}
