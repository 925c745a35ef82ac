package dotenv

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParse(t *testing.T) {
	t.Parallel()
	file, err := Parse([]byte("\ufeff# of the console\nexport EGAIN_CLIENT_ID=id\nEGAIN_CLIENT_SECRET='hush'\nEGAIN_TOKEN_URL=https://a.b/t?x=1\n" +
		"EGAIN_API_URL=https://a.b\nEGAIN_METADATA_URL=https://a.b/m\nEGAIN_TENANT_ID=TM1\nEGAIN_SCOPE=x\nEGAIN_SCOPES=\"a b\"\nEGAIN_REGION=eu\nPATH=/bin\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := &File{
		TokenURL: "https://a.b/t?x=1", APIURL: "https://a.b", MetadataURL: "https://a.b/m", TenantID: "TM1", Scopes: "a b",
		HasClientID: true, HasClientSecret: true, Ignored: []string{"EGAIN_REGION"},
	}
	if diff := cmp.Diff(want, file, cmpopts.IgnoreUnexported(File{})); diff != "" {
		t.Errorf("Parse (-want +got):\n%s", diff)
	}
}

// The shell really runs what Command says, with a kubectl that prints what it reads, as the real one would store it.
func TestCommandBringsKubectlTheCredentialsAndNothingElse(t *testing.T) {
	t.Parallel()
	const credentials = "EGAIN_CLIENT_ID=the-id\nEGAIN_CLIENT_SECRET=a=b$c \"d\"\n"
	tests := map[string]struct {
		content string
		none    bool
		want    string
	}{
		"only public data too":    {content: credentials + "EGAIN_TENANT_ID=TM1\n", none: true}, // " is read otherwise by kubectl
		"plain":                   {content: "EGAIN_CLIENT_ID=the-id\nEGAIN_CLIENT_SECRET=a=b$c\nEGAIN_TENANT_ID=TM1\n", want: "EGAIN_CLIENT_ID=the-id\nEGAIN_CLIENT_SECRET=a=b$c\nEGAIN_TENANT_ID=TM1\n"},
		"quotes":                  {content: "EGAIN_CLIENT_ID='the-id'\nEGAIN_CLIENT_SECRET=\"a=b$c\"\n", want: "EGAIN_CLIENT_ID=the-id\nEGAIN_CLIENT_SECRET=a=b$c\n"},
		"quotes within quotes":    {content: "EGAIN_CLIENT_ID=x\nEGAIN_CLIENT_SECRET='\"a\"'\n", want: "EGAIN_CLIENT_ID=x\nEGAIN_CLIENT_SECRET=\"a\"\n"},
		"exports":                 {content: "export EGAIN_CLIENT_ID=the-id\nexport EGAIN_CLIENT_SECRET=x\n", want: "EGAIN_CLIENT_ID=the-id\nEGAIN_CLIENT_SECRET=x\n"},
		"another secret too":      {content: "DB_PASSWORD=y\nEGAIN_CLIENT_ID=the-id\nEGAIN_CLIENT_SECRET=x\n", want: "EGAIN_CLIENT_ID=the-id\nEGAIN_CLIENT_SECRET=x\n"},
		"a token too":             {content: "EGAIN_ACCESS_TOKEN=y\nEGAIN_CLIENT_ID=the-id\nEGAIN_CLIENT_SECRET=x\n", want: "EGAIN_CLIENT_ID=the-id\nEGAIN_CLIENT_SECRET=x\n"},
		"an escape":               {content: "EGAIN_CLIENT_ID=x\nEGAIN_CLIENT_SECRET=\"a\\tb\"\n", none: true},
		"a comment behind":        {content: "EGAIN_CLIENT_ID=x\nEGAIN_CLIENT_SECRET=a # b\n", none: true},
		"a mark before the first": {content: "\ufeffEGAIN_CLIENT_ID=x\nEGAIN_CLIENT_SECRET='a'\n", none: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "it's here")
			path := filepath.Join(dir, ".env")
			write(t, path, test.content, 0o600)
			write(t, filepath.Join(dir, "kubectl"), "#!/bin/sh\nfor last; do :; done\ncat \"${last#--from-env-file=}\"\n", 0o700)
			file, err := Parse([]byte(test.content))
			if err != nil {
				t.Fatal(err)
			}
			line, ok := file.Command(path, "egain-app", "team-a")
			if ok == test.none {
				t.Fatalf("Command = %q, %t", line, ok)
			}
			if test.none {
				return
			}
			var out bytes.Buffer
			shell := exec.CommandContext(t.Context(), "sh", "-c", line)
			shell.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
			shell.Stdout = &out
			if err := shell.Run(); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if diff := cmp.Diff(test.want, out.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", line, diff)
			}
			if strings.Contains(line, "the-id") {
				t.Errorf("the command shows a value: %s", line)
			}
		})
	}
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}
