// Workload calls URL until it is stopped, and prints the status of each answer. The Authorization header is HEADER or, without
// that, in the file AUTHORIZATION, which it reads for each call. Without a URL it only waits, as the container does that
// keeps the namespaces of a pod.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// interval is the time between two calls.
const interval = 200 * time.Millisecond

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if os.Getenv("URL") == "" {
		<-ctx.Done()
		return
	}
	for ctx.Err() == nil {
		if err := call(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		time.Sleep(interval)
	}
}

// call fails if there is no answer.
func call(ctx context.Context) error {
	header := []byte(os.Getenv("HEADER"))
	if len(header) == 0 {
		var err error
		if header, err = os.ReadFile(os.Getenv("AUTHORIZATION")); err != nil { //nolint:gosec // the pod's own
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Getenv("URL"), http.NoBody) //nolint:gosec // the pod's own
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", string(header))
	response, err := http.DefaultClient.Do(request) //nolint:gosec // the pod's own
	if err != nil {
		return err
	}
	fmt.Println(response.StatusCode)
	return response.Body.Close()
}
