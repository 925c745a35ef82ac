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
		{"token requests of one EgainClient: due renewals, damaged or deleted targets", every(rotation.Floor), "", "TestRequestsAreBoundedWhateverHappens"},
		{"its requests after an edit of the spec, EgainTenant, Secrets, CA bundle or renewal request", fmt.Sprintf("%d in %s, then %s", rotation.FreeChanges, short(rotation.ChangeWindow), every(rotation.Floor)), "", "TestAttemptsThatFollowEditsAreBounded"},
		{"writes of a target that another writer keeps changing", every(rotation.Floor) + ", one token per lifetime", "", "TestATargetThatAnotherWriterKeepsChangingCostsFewRequests"},
		{"time that memory keeps a written token", short(rotation.Floor) + ", or " + short(rotation.Contested) + " in a conflict", "", "TestATokenIsNotKeptForLongerThanItMust"},
		{"lifetime of a token", "1 second to " + fmt.Sprint(int(oauth.MaxLifetime.Hours()/24)) + " days; below " + short(rotation.ShortestLifetime) + " it is `LifetimeInvalid`", "", "TestATokenThatLastsLessThanTheFloorIsWrittenAndReported"},
		{"a reconcile", short(controllers.ActTimeout), "", "TestAStopFinishesTheRotationInFlight"},
		{"requests to one host at a time", "16, and half of the free slots", "`--requests-per-host`, `--workers`", "TestGate_HostsAndNamespacesAreBounded"},
		{"requests of all clients of an EgainTenant", "none by default", "`requestLimits`", "TestGate_NoMoreStartInAnySecondThanTheLimit"},
		{"a request", "10 seconds", "`--request-timeout`", "TestTimeout"},
		{"an answer; its header", size("internal/transport/transport.go", "maxBody") + "; " + size("internal/transport/transport.go", "maxHeader"), "", "TestLargeAnswersAreRefused"},
		{"an access token", size("internal/oauth/response.go", "maxToken"), "", "TestTokensThatAreSafe"},
		{"metadata documents in memory", count("internal/oauth/directory.go", "maxDocuments"), "", "TestDirectoryForgetsTheOldestDocuments"},
		{"HTTP clients, by tenant and CA bundle", count("internal/transport/transport.go", "maxClients"), "", "TestTransport_closesConnectionsOfAClientThatIsForgotten"},
		{"CA bundles of one namespace or EgainTenant in memory", size("internal/provider/shares.go", "maxShare"), "", "TestTheCABundlesOfANamespaceHaveAShareOfMemory"},
		{"requests of one namespace at a time: in total; to one host; to failing endpoints", "a quarter of `--workers`; half of `--requests-per-host`; a sixteenth of `--workers`", "", "TestGate_HostsAndNamespacesAreBounded"},
		{"requests of one namespace with one application while others wait", "a quarter of a second's", "", "TestSimulation_ANamespaceGetsAQuarterOfAnApplicationWhileOthersWait"},
		{"probes of failing endpoints at a time: in total; of one", "a quarter of `--workers`; 3", "", "TestGate_ProbesAreBounded"},
		{"endpoints without a client in memory", count("internal/gate/gate.go", "maxLines"), "", "TestGate_WhatNoClientAsksForIsForgotten"},
		{"memory for the metadata of an object", "2 KiB", "", "TestTheCacheDoesNotGrowWithMetadata"},
		{"a renewal request (annotation)", "its first 256 bytes count", "", "TestBoundsWhatIsEchoedOfARequestToRenew"},
		{"finalizers of an EgainClient that the operator edits", fmt.Sprintf("%d KiB", caching.MaxFinalizers>>10), "", "TestFinalizersThatAreLeftOutAreNotPatched"},
		{"work of all templates of a target", fmt.Sprintf("%d [units](#limits)", target.MaxUnits), "", "TestTarget_TheWorkOfTemplatesIsBounded"},
		{"applications in the status and metrics of an EgainTenant", "32, each with a message of " + size("internal/status/client.go", "maxMessage"), "", "TestTenant_TheStatusHasARowForEachApplication"},
		{"requests with refused credentials of an application", "one per flow: when the Secret changes, after a restart, and every 30 minutes", "", "TestTrial_AWrongSecretIsTriedOnce"},
		{"messages in a status", size("internal/status/client.go", "maxMessage"), "", "TestTheStatusStaysWithinTheBoundsOfTheSchema"},
		{"hosts in metrics", fmt.Sprint(metrics.MaxHosts), "", "TestHostsAreBoundedInTotal"},
		{"those that EgainClients of one namespace bring", fmt.Sprint(metrics.MaxHostsPerNamespace), "", "TestHostsOfANamespaceAreBounded"},
		{"series of an EgainClient in metrics", "6, while it exists", "`--metrics-per-object`", "TestTheSeriesOfObjectsAreThoseOfTheSource"},
		{"lifetime of a host's series", "until no object names it", "", "TestHostsGoWithTheirObjects"},
	}
}

// table is docs/operations.md with the rows in the place of those that it has.
func table() (string, []byte, error) {
	page, err := os.ReadFile(operationsFile)
	if err != nil {
		return "", nil, fmt.Errorf("reading the page: %w", err)
	}
	place := regexp.MustCompile(`(?s)(\n\| what \| bound \| test \|\n\|---\|---\|---\|\n).*?\n\n`)
	if !place.Match(page) {
		return "", nil, fmt.Errorf("%s has no table of bounds", operationsFile)
	}
	var rows strings.Builder
	for _, b := range bounds() {
		most := b.most
		if b.setting != "" {
			most += " (" + b.setting + ")"
		}
		fmt.Fprintf(&rows, "| %s | %s | `%s` |\n", b.what, most, b.test)
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
