package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// retryPause is the time between attempts to reach the API server.
const retryPause = 100 * time.Millisecond

// secret is what the auditor reads of a Secret.
type secret struct {
	Metadata struct {
		Namespace       string `json:"namespace"`
		Name            string `json:"name"`
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Data map[string][]byte `json:"data"`
}

func (s secret) key() Key { return Key{s.Metadata.Namespace, s.Metadata.Name} }

// Key names a Secret.
type Key struct{ Namespace, Name string }

func (k Key) String() string { return k.Namespace + "/" + k.Name }

// Secrets is the state of all Secrets of a cluster.
type Secrets struct {
	server, tokenFile string
	client            *http.Client

	mu    sync.Mutex
	known map[Key]secret
	// changes tell who looks at a Secret that it has changed.
	changes map[Key]chan struct{}
	// trouble is why the Secrets were never listed, nil once they were.
	trouble error
}

// NewSecrets makes a watcher of an API server that authenticates by a bearer token in a file, which it reads whenever it
// connects. The client must know the API server's CA, and have no timeout.
func NewSecrets(server, tokenFile string, client *http.Client) *Secrets {
	return &Secrets{server: server, tokenFile: tokenFile, client: client, known: map[Key]secret{}, changes: map[Key]chan struct{}{}, trouble: errors.New("the Secrets were not listed yet")}
}

// Watch keeps the state up to date until the context ends.
func (s *Secrets) Watch(ctx context.Context) {
	for ctx.Err() == nil {
		_ = s.follow(ctx) // whatever ended it, it is begun again
		select {
		case <-ctx.Done():
		case <-time.After(retryPause):
		}
	}
}

// Trouble is why the Secrets are not known, nil once they were listed.
func (s *Secrets) Trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// complain notes that the Secrets could not be listed. Once they were, what is known stays.
func (s *Secrets) complain(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble != nil {
		s.trouble = err
	}
}

// follow lists all Secrets and applies what changes until the stream ends.
func (s *Secrets) follow(ctx context.Context) error {
	version, err := s.list(ctx)
	if err != nil {
		s.complain(err)
		return err
	}
	// The API server ends the stream by itself now and then, so that a connection that died unnoticed is not kept for long.
	body, err := s.get(ctx, url.Values{"watch": {"1"}, "resourceVersion": {version}, "timeoutSeconds": {"30"}})
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	decoder := json.NewDecoder(body)
	for {
		var event struct {
			Type   string `json:"type"`
			Object secret `json:"object"`
		}
		if err := decoder.Decode(&event); err != nil {
			return fmt.Errorf("reading the watch: %w", err)
		}
		if event.Type == "ERROR" {
			return errors.New("the watch ended")
		}
		s.note(event.Type, event.Object)
	}
}

// changed is told of each change of a Secret from now on, of several at once as of one.
func (s *Secrets) changed(key Key) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes[key] == nil {
		s.changes[key] = make(chan struct{}, 1)
	}
	return s.changes[key]
}

func (s *Secrets) note(kind string, object secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.changes[object.key()] <- struct{}{}:
	default:
	}
	if kind == "DELETED" {
		delete(s.known, object.key())
		return
	}
	s.known[object.key()] = object
}

func (s *Secrets) list(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	body, err := s.get(ctx, nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = body.Close() }()
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []secret `json:"items"`
	}
	if err := json.NewDecoder(body).Decode(&list); err != nil {
		return "", fmt.Errorf("reading the list: %w", err)
	}
	known := make(map[Key]secret, len(list.Items))
	for _, item := range list.Items {
		known[item.key()] = item
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known, s.trouble = known, nil
	return list.Metadata.ResourceVersion, nil
}

func (s *Secrets) get(ctx context.Context, query url.Values) (io.ReadCloser, error) {
	token, err := os.ReadFile(s.tokenFile)
	if err != nil {
		return nil, fmt.Errorf("reading the auditor's token: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server+"/api/v1/secrets?"+query.Encode(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+string(bytes.TrimSpace(token)))
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking the API server: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close()
		return nil, fmt.Errorf("the API server answered %s", response.Status)
	}
	return response.Body, nil
}

// token is the access token in a Secret, empty if there is none.
func (s *Secrets) token(key Key) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.known[key].Data["access_token"])
}

// In names the Secrets whose namespace begins so.
func (s *Secrets) In(prefix string) []Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []Key
	for key := range s.known {
		if strings.HasPrefix(key.Namespace, prefix) {
			keys = append(keys, key)
		}
	}
	return keys
}
