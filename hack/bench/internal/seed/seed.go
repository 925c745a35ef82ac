// Package seed puts objects into etcd as kube-apiserver would have stored them: a hundred thousand clients that have run for
// a while are there in a minute, where creating them and issuing their tokens through the API server takes a quarter of an
// hour. Its caller must check that the operator takes them for its own, which it does if it neither writes nor asks for
// anything when it finds them.
package seed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"

	egainv1alpha1 "github.com/egain-operator/egain-operator/api/v1alpha1"
)

// batch is how many objects are put at once: etcd takes 128 operations in a transaction by default.
const batch = 100

// Etcd is where objects are put.
type Etcd struct {
	client *clientv3.Client
}

// Open connects to etcd.
func Open(url string) (*Etcd, error) {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{url}})
	if err != nil {
		return nil, fmt.Errorf("connecting to etcd: %w", err)
	}
	return &Etcd{client: client}, nil
}

// Close ends the connection.
func (e *Etcd) Close() error { return e.client.Close() }

// PutSecrets stores Secrets and sets their resourceVersion to what it then is.
func (e *Etcd) PutSecrets(ctx context.Context, secrets []*corev1.Secret) error {
	encoder := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
	return put(ctx, e, secrets, func(s *corev1.Secret) (string, []byte, error) {
		s.APIVersion, s.Kind, s.ResourceVersion = "v1", "Secret", ""
		encoded, err := runtime.Encode(encoder, s)
		return "/registry/secrets/" + s.Namespace + "/" + s.Name, encoded, err
	}, func(s *corev1.Secret, version string) { s.ResourceVersion = version })
}

// PutClients stores EgainClients and sets their resourceVersion to what it then is.
func (e *Etcd) PutClients(ctx context.Context, clients []*egainv1alpha1.EgainClient) error {
	return put(ctx, e, clients, func(ec *egainv1alpha1.EgainClient) (string, []byte, error) {
		ec.APIVersion, ec.Kind, ec.ResourceVersion = egainv1alpha1.SchemeGroupVersion.String(), "EgainClient", ""
		encoded, err := json.Marshal(ec)
		return "/registry/" + egainv1alpha1.SchemeGroupVersion.Group + "/egainclients/" + ec.Namespace + "/" + ec.Name, encoded, err
	}, func(ec *egainv1alpha1.EgainClient, version string) { ec.ResourceVersion = version })
}

func put[T any](ctx context.Context, e *Etcd, objects []T, encode func(T) (key string, value []byte, err error), stored func(T, string)) error {
	for len(objects) > 0 {
		some := objects[:min(batch, len(objects))]
		objects = objects[len(some):]
		operations := make([]clientv3.Op, 0, len(some))
		for _, object := range some {
			key, value, err := encode(object)
			if err != nil {
				return fmt.Errorf("encoding %s: %w", key, err)
			}
			operations = append(operations, clientv3.OpPut(key, string(value)))
		}
		answer, err := e.client.Txn(ctx).Then(operations...).Commit()
		if err != nil {
			return fmt.Errorf("writing to etcd: %w", err)
		}
		if !answer.Succeeded {
			return errors.New("etcd did not take the objects")
		}
		for _, object := range some {
			stored(object, strconv.FormatInt(answer.Header.Revision, 10))
		}
	}
	return nil
}
