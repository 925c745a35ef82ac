package monitoring_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const dashboardFile = root + "charts/egain-operator/files/dashboards/egain-operator.json"

// dashboard is what the tests need of a dashboard of Grafana.
type dashboard struct {
	Title      string  `json:"title"`
	UID        string  `json:"uid"`
	Panels     []panel `json:"panels"`
	Templating struct {
		List []variable `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID          int    `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	GridPos     struct {
		X int `json:"x"`
		Y int `json:"y"`
		W int `json:"w"`
		H int `json:"h"`
	} `json:"gridPos"`
	Targets []struct {
		RefID      string     `json:"refId"`
		Expr       string     `json:"expr"`
		Format     string     `json:"format"`
		Instant    bool       `json:"instant"`
		Datasource datasource `json:"datasource"`
	} `json:"targets"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type variable struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Definition string `json:"definition"`
	AllValue   string `json:"allValue"`
}

func theDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Panels) < 20 {
		t.Fatalf("only %d panels are found", len(d.Panels))
	}
	return d
}

// query is a query of a panel, with what the dashboard's variables stand for.
type query struct{ panel, expr string }

// variableName is a variable of Grafana in a query, its own or the dashboard's.
var variableName = regexp.MustCompile(`\$(\w+)`)

// queries are those of all panels while every variable stands for all there is.
func (d dashboard) queries(t *testing.T) []query {
	t.Helper()
	values := map[string]string{"__rate_interval": "1m"}
	for _, v := range d.Templating.List {
		values[v.Name] = v.AllValue
	}
	var all []query
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			expr := variableName.ReplaceAllStringFunc(target.Expr, func(name string) string {
				value, ok := values[name[1:]]
				if !ok {
					t.Errorf("%s: there is no variable %s", p.Title, name)
				}
				return value
			})
			all = append(all, query{fmt.Sprintf("panel %q, query %s", p.Title, target.RefID), expr})
		}
	}
	return all
}

func TestTheDashboardIsOneThatGrafanaTakes(t *testing.T) {
	t.Parallel()
	d := theDashboard(t)
	if d.Title != "egain-operator" || d.UID != "egain-operator" {
		t.Errorf("title %q, uid %q: links lead to these", d.Title, d.UID)
	}
	ids := map[int]bool{}
	for i, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%q: another panel has its id %d", p.Title, p.ID)
		}
		ids[p.ID] = true
		g := p.GridPos
		if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("%q is out of the grid: %+v", p.Title, g)
		}
		for _, other := range d.Panels[:i] {
			o := other.GridPos
			if g.X < o.X+o.W && o.X < g.X+g.W && g.Y < o.Y+o.H && o.Y < g.Y+g.H {
				t.Errorf("%q and %q overlap", p.Title, other.Title)
			}
		}
	}
}

func TestEveryPanelSaysWhatItShows(t *testing.T) {
	t.Parallel()
	for _, p := range theDashboard(t).Panels {
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || !strings.HasSuffix(p.Description, ".") {
			t.Errorf("%q: its description is %q", p.Title, p.Description)
		}
		if len(p.Targets) == 0 {
			t.Errorf("%q has no query", p.Title)
		}
		for _, target := range p.Targets {
			if target.Datasource != (datasource{"prometheus", "${datasource}"}) {
				t.Errorf("%q asks %+v, not the data source that is chosen", p.Title, target.Datasource)
			}
			if table := p.Type == "table"; table != (target.Format == "table") || (table && !target.Instant) {
				t.Errorf("%q, a %s, asks for %s", p.Title, p.Type, target.Format)
			}
		}
	}
}

func TestTheDashboardNamesMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	libraries := foreign(t)
	d := theDashboard(t)
	for _, q := range d.queries(t) {
		checkNames(t, q.panel, q.expr, libraries)
	}
	for _, v := range d.Templating.List {
		checkNames(t, "variable "+v.Name, v.Definition, libraries)
	}
}

// TestTheDashboardAnswersItsQuestion sees that one table has all that the question asks for, of the same clients.
func TestTheDashboardAnswersItsQuestion(t *testing.T) {
	t.Parallel()
	d := theDashboard(t)
	i := slices.IndexFunc(d.Panels, func(p panel) bool { return p.Title == "Tokens by the time that is left" })
	if i < 0 || d.Panels[i].Type != "table" {
		t.Fatal("there is no table of the tokens at risk")
	}
	all := ""
	for _, target := range d.Panels[i].Targets {
		all += target.Expr + "\n"
	}
	for question, metric := range map[string]string{
		"which are at risk": "egain_token_expiration_timestamp_seconds{",
		"why":               "max by (namespace, name, reason, remedy)",
		"since when":        "egain_client_failing_since_timestamp_seconds{",
		"for how long yet":  "egain_token_renewal_timestamp_seconds{",
	} {
		if !strings.Contains(all, metric) {
			t.Errorf("it does not say %s: no %s", question, metric)
		}
	}
}
