package options

import (
	"flag"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap/zapcore"

	"github.com/egain-operator/egain-operator/internal/transport"
)

func parse(t *testing.T, args ...string) (Options, error) {
	t.Helper()
	var o Options
	fs := flag.NewFlagSet("egain-operator", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	o.BindFlags(fs)
	return o, fs.Parse(args)
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	o, err := parse(t)
	want := Options{
		MetricsAddress: ":8443", MetricsSecure: true, MetricsPerObject: true, HealthAddress: ":8081", ProfileAddress: "0", LeaderElect: true,
		Workers: 64, RequestsPerHost: 16, RequestTimeout: 10 * time.Second, MetadataLifetime: time.Hour, LogLevel: "info", LogFormat: "json",
	}
	if diff := cmp.Diff(want, o); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if err := o.Validate(); err != nil {
		t.Errorf("the defaults are out of bounds: %v", err)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	o, err := parse(t,
		"--metrics-bind-address=0", "--metrics-secure=false", "--metrics-per-object=false", "--health-probe-bind-address=:1", "--pprof-bind-address=:2",
		"--leader-elect=false", "--leader-election-namespace=egain-system", "--watch-namespaces=team-a, team-b,,team-a", "--workers=1",
		"--requests-per-host=1024", "--request-timeout=1m", "--metadata-lifetime=24h", "--allow-loopback", "--allow-private",
		"--allowed-hosts=*.egain.cloud, gateway.corp.example:8443", "--allowed-audiences=egain, https://login.egain.cloud/token,,egain", "--log-level=debug", "--log-format=console")
	want := Options{
		MetricsAddress: "0", HealthAddress: ":1", ProfileAddress: ":2", LeaderElectionNamespace: "egain-system", WatchNamespaces: []string{"team-a", "team-b"},
		Workers: 1, RequestsPerHost: 1024, RequestTimeout: time.Minute, MetadataLifetime: 24 * time.Hour, AllowLoopback: true,
		AllowPrivate: true, AllowedHosts: transport.Hosts{"*.egain.cloud:443", "gateway.corp.example:8443"},
		AllowedAudiences: []string{"egain", "https://login.egain.cloud/token"}, LogLevel: "debug", LogFormat: "console",
	}
	if diff := cmp.Diff(want, o); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
}

func TestHostsThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	if _, err := parse(t, "--allowed-hosts=ai.egain.cloud,https://login.egain.cloud"); err == nil || !strings.Contains(err.Error(), `"https://login.egain.cloud" is not a host`) {
		t.Errorf("got %v, want the entry that is no host named", err)
	}
	if o, err := parse(t, "--allowed-hosts="); err != nil || o.AllowedHosts != nil {
		t.Errorf("nothing listed gives %v, %v, want every host allowed", o.AllowedHosts, err)
	}
}

func TestPatternsOfAudiencesAreRefused(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"*", "egain,*.egain.cloud", "https://*/token"} {
		if _, err := parse(t, "--allowed-audiences="+pattern); err == nil || !strings.Contains(err.Error(), "but there are no wildcards: list each audience") {
			t.Errorf("%s: got %v", pattern, err)
		}
	}
	for _, nothing := range []string{"", " ", ",", " , "} {
		if o, err := parse(t, "--allowed-audiences="+nothing); err != nil || len(o.AllowedAudiences) != 0 {
			t.Errorf("%q gives %q, %v, want none allowed", nothing, o.AllowedAudiences, err)
		}
	}
	if o, err := parse(t, "--allowed-audiences=egain", "--allowed-audiences=sts"); err != nil || len(o.AllowedAudiences) != 1 || o.AllowedAudiences[0] != "sts" {
		t.Errorf("got %q, %v: the last flag counts, as with the others", o.AllowedAudiences, err)
	}
}

func TestEveryFlagIsExplained(t *testing.T) {
	t.Parallel()
	fs := flag.NewFlagSet("egain-operator", flag.ContinueOnError)
	new(Options).BindFlags(fs)
	count := 0
	fs.VisitAll(func(f *flag.Flag) {
		count++
		if !strings.HasSuffix(f.Usage, ".") || strings.ToLower(f.Name) != f.Name {
			t.Errorf("--%s: %q", f.Name, f.Usage)
		}
	})
	if count > 22 {
		t.Errorf("%d flags: who is to know them all?", count)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ args, want []string }{
		"too few workers":         {[]string{"--workers=0"}, []string{"--workers is 0: it must be from 1 to 1024"}},
		"too many workers":        {[]string{"--workers=1025"}, []string{"--workers is 1025"}},
		"too few requests":        {[]string{"--requests-per-host=0"}, []string{"--requests-per-host is 0: it must be from 1 to 1024"}},
		"too many requests":       {[]string{"--requests-per-host=1025"}, []string{"--requests-per-host is 1025"}},
		"too short a timeout":     {[]string{"--request-timeout=999ms"}, []string{"--request-timeout is 999ms: it must be from 1s to 1m0s"}},
		"too long a timeout":      {[]string{"--request-timeout=61s"}, []string{"--request-timeout is 1m1s"}},
		"too short a lifetime":    {[]string{"--metadata-lifetime=59s"}, []string{"--metadata-lifetime is 59s: it must be from 1m0s to 24h0m0s"}},
		"too long a lifetime":     {[]string{"--metadata-lifetime=25h"}, []string{"--metadata-lifetime is 25h0m0s"}},
		"an unknown level":        {[]string{"--log-level=trace"}, []string{`--log-level is "trace": it must be one of debug, info, error`}},
		"an unknown format":       {[]string{"--log-format=xml"}, []string{`--log-format is "xml": it must be one of json, console`}},
		"several, all at a time":  {[]string{"--workers=-1", "--log-level="}, []string{"--workers is -1", `--log-level is ""`}},
		"the least that is asked": {[]string{"--workers=1", "--requests-per-host=1", "--request-timeout=1s", "--metadata-lifetime=1m", "--log-level=error"}, nil},
		"the most that is asked":  {[]string{"--workers=1024", "--requests-per-host=1024", "--request-timeout=1m", "--metadata-lifetime=24h"}, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := parse(t, tc.args...)
			if err != nil {
				t.Fatal(err)
			}
			err = o.Validate()
			if (err == nil) != (tc.want == nil) {
				t.Fatalf("got %v", err)
			}
			for _, words := range tc.want {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("got %q, want %q in it", err, words)
				}
			}
		})
	}
}

// From level 8 on, client-go logs the bodies of its requests, that is Secrets.
func TestNoLevelShowsTheBodiesOfRequests(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]zapcore.Level{"debug": zapcore.DebugLevel, "info": zapcore.InfoLevel, "error": zapcore.ErrorLevel} {
		o := Options{LogLevel: level}
		if got := o.Level(); got != want || got < zapcore.DebugLevel {
			t.Errorf("%s is %v", level, got)
		}
	}
}

func TestRequireApplicationImpliesRequireTenantRef(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]bool{
		"--require-tenant-ref=false": false, "--require-tenant-ref": true, "--require-application": true, "--require-application --require-tenant-ref=false": true,
	} {
		o, err := parse(t, strings.Fields(args)...)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.RequiresTenantRef(); got != want {
			t.Errorf("%s: got %t", args, got)
		}
	}
}
