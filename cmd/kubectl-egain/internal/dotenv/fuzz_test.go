package dotenv

import (
	"fmt"
	"strings"
	"testing"
)

// FuzzParse reads files of any content, in which an @ stands for a secret.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "EGAIN_CLIENT_ID=id\nEGAIN_CLIENT_SECRET=@\n", "export EGAIN_CLIENT_SECRET='@'", "EGAIN_CLIENT_SECRET=\"@", "EGAIN_CLIENT_SECRET=\"\\u00@\"",
		"\ufeffEGAIN_CLIENT_SECRET=@", "=@", "@", "1@=x", "EGAIN_CLIENT_SECRET=@ # @", "EGAIN_CLIENT_SECRET=\x00@", "EGAIN_CLIENT_SECRET=@\nEGAIN_CLIENT_SECRET=@@", "export ", "'@", "A='@'@",
	} {
		f.Add(seed, "dir/.env", "egain-app")
	}
	f.Add("EGAIN_CLIENT_ID='id'\nEGAIN_CLIENT_SECRET=@\n", "it's here/$(x)/.env", "a; b")
	f.Fuzz(func(t *testing.T, content, path, name string) {
		const secret = "canary-of-a-secret"
		if strings.Contains(path+name, "canary") {
			return
		}
		file, err := Parse([]byte(strings.ReplaceAll(content, "@", secret)))
		if err != nil {
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); file != nil || strings.Contains(text, "canary") {
				t.Errorf("%v with %s", file, text)
			}
			return
		}
		command, possible := file.Command(path, name, "team-a")
		if strings.Contains(command, "canary") || possible != (command != "") {
			t.Errorf("possible %t: %s", possible, command)
		}
		if possible && !strings.Contains(command, quote(path)) {
			t.Errorf("the path %q is not one word of %s", path, command)
		}
	})
}
