package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/egain-operator/egain-operator/controllers"
	"github.com/egain-operator/egain-operator/internal/caching"
	"github.com/egain-operator/egain-operator/internal/metrics"
	"github.com/egain-operator/egain-operator/internal/oauth"
	"github.com/egain-operator/egain-operator/internal/rotation"
	"github.com/egain-operator/egain-operator/internal/target"
)

const operationsFile = "docs/operations.md"

// bound is a row of the table of bounds.
type bound struct {
	// what is bounded, and by how much.
	what, most string
	// setting is the flag or field that changes the bound; empty if nothing does.
	setting string
	// test proves it.
	test string
}

// bounds are all rows. To add one takes a line here: the figure comes from the code, by a constant that is imported or by size, and
// the test must exist.
func bounds() []bound {
	return []bound{
		{"token requests of one EgainClient, for a cause that repeats by itself: a renewal that is due, a target that another writer damages or deletes", every(rotation.Floor), "", "TestRequestsAreBoundedWhateverHappens"},
		{"requests that follow a change of the spec, the EgainTenant, a Secret, the CA bundle or the renewal request, whether they succeed or fail", fmt.Sprintf("%d in %s immediately, then %s", rotation.FreeChanges, short(rotation.ChangeWindow), every(rotation.Floor)), "", "TestAttemptsThatFollowEditsAreBounded"},
		{"writes of a target that another writer keeps changing", every(rotation.Floor) + ", with one token per lifetime", "", "TestATargetThatAnotherWriterKeepsChangingCostsFewRequests"},
		{"time that memory keeps a token that was written", short(rotation.Floor) + ", or " + short(rotation.Contested) + " while another writer removes it", "", "TestATokenIsNotKeptForLongerThanItMust"},
		{"lifetime of a token", "1 second to " + fmt.Sprint(int(oauth.MaxLifetime.Hours()/24)) + " days; below " + short(rotation.ShortestLifetime) + " it is `LifetimeInvalid`", "", "TestATokenThatLastsLessThanTheFloorIsWrittenAndReported"},
		{"time of a reconcile", short(controllers.ActTimeout), "", "TestAStopFinishesTheRotationInFlight"},
		{"requests under way at one host", "16, and no more than half of the free slots; the last quarter only for an endpoint without a request under way", "`--requests-per-host`, `--workers`", "TestGate_HostsAndNamespacesAreBounded"},
		{"requests of all clients of an EgainTenant, whatever is edited meanwhile", "no bound by default", "`requestLimits` of the EgainTenant", "TestGate_NoMoreStartInAnySecondThanTheLimit"},
		{"time of one request", "10 seconds", "`--request-timeout`", "TestTimeout"},
		{"an answer of a provider; its header", size("internal/transport/transport.go", "maxBody") + "; " + size("internal/transport/transport.go", "maxHeader"), "", "TestLargeAnswersAreRefused"},
		{"an access token", size("internal/oauth/response.go", "maxToken"), "", "TestTokensThatAreSafe"},
		{"metadata documents in memory", count("internal/oauth/directory.go", "maxDocuments"), "", "TestDirectoryForgetsTheOldestDocuments"},
		{"tenants and CA bundles with open connections", count("internal/transport/transport.go", "maxClients"), "", "TestTransport_closesConnectionsOfAClientThatIsForgotten"},
		{"CA bundles of the HTTP clients that one namespace or EgainTenant brings, whatever is edited", size("internal/provider/shares.go", "maxShare"), "", "TestTheCABundlesOfANamespaceHaveAShareOfMemory"},
		{"requests of the EgainClients of one namespace under way: in total; at one host; to endpoints that fail", "a quarter of `--workers`; half of `--requests-per-host`; a sixteenth of `--workers`", "`--workers`, `--requests-per-host`", "TestGate_HostsAndNamespacesAreBounded"},
		{"requests of the EgainClients of one namespace with one client application, while others wait", "a quarter of those of a second", "", "TestSimulation_ANamespaceGetsAQuarterOfAnApplicationWhileOthersWait"},
		{"requests with credentials of an application that eGain refuses, however many EgainClients use it", "one per flow: when the Secret changes, after a restart, and every 30 minutes", "", "TestTrial_AWrongSecretIsTriedOnce"},
		{"requests to endpoints that fail under way: in total; to one", "a quarter of `--workers`; 3", "`--workers`", "TestGate_ProbesAreBounded"},
		{"endpoints without a client that are remembered", count("internal/gate/gate.go", "maxLines"), "", "TestGate_WhatNoClientAsksForIsForgotten"},
		{"memory for the metadata of a Secret, ConfigMap, EgainClient or EgainTenant, whatever its labels, annotations, owners and finalizers", "2 KiB", "", "TestTheCacheDoesNotGrowWithMetadata"},
		{"a renewal request (annotation)", "its first 256 bytes count", "", "TestBoundsWhatIsEchoedOfARequestToRenew"},
		{"finalizers of an EgainClient that the operator adds its own to, or removes it from", fmt.Sprintf("%d KiB", caching.MaxFinalizers>>10), "", "TestFinalizersThatAreLeftOutAreNotPatched"},
		{"work of all templates of a target", fmt.Sprintf("%d [units](#limits)", target.MaxUnits), "", "TestTarget_TheWorkOfTemplatesIsBounded"},
		{"messages in a status", size("internal/status/client.go", "maxMessage"), "", "TestTheStatusStaysWithinTheBoundsOfTheSchema"},
		{"applications in the status of an EgainTenant, and their series in metrics", "32, each with a message of " + size("internal/status/client.go", "maxMessage"), "", "TestTenant_TheStatusHasARowForEachApplication"},
		{"hosts with a label value of their own in metrics", fmt.Sprint(metrics.MaxHosts), "", "TestHostsAreBoundedInTotal"},
		{"those of tenants that EgainClients of one namespace describe themselves", fmt.Sprint(metrics.MaxHostsPerNamespace), "", "TestHostsOfANamespaceAreBounded"},
		{"series of an EgainClient in metrics", "6 at most, while it exists", "`--metrics-per-object`", "TestTheSeriesOfObjectsAreThoseOfTheSource"},
		{"time that a host has series", "until no object names it", "", "TestHostsGoWithTheirObjects"},
	}
}

// table is docs/operations.md with the rows in the place of those that it has.
func table() (string, []byte, error) {
	page, err := os.ReadFile(operationsFile)
	if err != nil {
		return "", nil, fmt.Errorf("reading the page: %w", err)
	}
	place := regexp.MustCompile(`(?s)(\n\| what \| bound \| set by \| test \|\n\|---\|---\|---\|---\|\n).*?\n\n`)
	if !place.Match(page) {
		return "", nil, fmt.Errorf("%s has no table of bounds", operationsFile)
	}
	var rows strings.Builder
	for _, b := range bounds() {
		fmt.Fprintf(&rows, "| %s | %s | %s | `%s` |\n", b.what, b.most, b.setting, b.test)
	}
	return operationsFile, place.ReplaceAll(page, []byte("${1}"+strings.ReplaceAll(rows.String(), "$", "$$")+"\n")), nil
}

func every(d time.Duration) string { return "one in " + short(d) }

func short(d time.Duration) string {
	if d == time.Minute {
		return "a minute"
	}
	return fmt.Sprintf("%v seconds", d.Seconds())
}

// size is a number of bytes that a constant of a source file has.
func size(file, name string) string { return fmt.Sprintf("%d KiB", number(file, name)>>10) }

// count is what a constant of a source file has.
func count(file, name string) string { return fmt.Sprint(number(file, name)) }

// number evaluates a constant of a source file. It panics if there is none, which is a mistake in the list.
func number(file, name string) int64 {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		panic(err)
	}
	for _, declaration := range parsed.Decls {
		group, ok := declaration.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			value := spec.(*ast.ValueSpec)
			if len(value.Values) != 1 || value.Names[0].Name != name {
				continue
			}
			evaluated, err := types.Eval(token.NewFileSet(), nil, token.NoPos, types.ExprString(value.Values[0]))
			if err != nil {
				panic(err)
			}
			n, _ := constant.Int64Val(evaluated.Value)
			return n
		}
	}
	panic(fmt.Sprintf("%s has no constant %s", file, name))
}
