package plain

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                         "",
		"plain text, with marks: ": "plain text, with marks: ",
		"søk, 検索, ✓ │ █":           "søk, 検索, ✓ │ █",
		"a\nb\tc":                  "a\nb\tc",
		"\x1b[2J\x1b]0;x\a":        "^[[2J^[]0;x^G",
		"a\b\b\r\x00\x7f":          "a^H^H^M^@^?",
		"\u009b2J\u0080\u009f":     `\u009b2J\u0080\u009f`,
		"admin\u202enimda":         `admin\u202enimda`,
		"\u2066\u2069\u200e\u061c": `\u2066\u2069\u200e\u061c`,
		"ze\u200bro \ufeff\u2060":  `ze\u200bro \ufeff\u2060`,
		"a\u2028b\u2029\u0085":     `a\u2028b\u2029\u0085`,
		"\u115f\u3164\uffa0\u034f": `\u115f\u3164\uffa0\u034f`,
		"\u00a0\u3000\u2800\u00ad": `\u00a0\u3000\u2800\u00ad`,
		"\ufe0f\U000e0041":         `\ufe0f\U000e0041`,
		"\xff\xc3":                 `\xff\xc3`,
		"a\xe2\x80":                `a\xe2\x80`,
		"\ufffd":                   `\ufffd`,
	} {
		if got := Text(text); got != want {
			t.Errorf("Text(%+q) = %q, want %q", text, got, want)
		}
	}
	if got, want := Line("a\r\n\tb\x1b\n"), "a b^["; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWriter_WritesTextWhereverItIsSplit(t *testing.T) {
	t.Parallel()
	const text = "søk 検索\n\x1b[2J\u202e\U000e0041.\xff"
	var b bytes.Buffer
	w := Writer(&b)
	for i := range len(text) {
		if n, err := w.Write([]byte(text[i : i+1])); n != 1 || err != nil {
			t.Fatalf("writing: %d, %v", n, err)
		}
	}
	if got := b.String(); got != Text(text) {
		t.Errorf("got %q, want %q", got, Text(text))
	}
}

// TestText_LeavesJSONWhatItIs holds for the log: what is escaped in a string of JSON is the same string.
func TestText_LeavesJSONWhatItIs(t *testing.T) {
	t.Parallel()
	const message = "host \u202e\u009b\u200b\x1b\a"
	encoded, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	var decoded string
	if err := json.Unmarshal([]byte(Text(string(encoded))), &decoded); err != nil || decoded != message {
		t.Errorf("%q is decoded from %s: %v", decoded, Text(string(encoded)), err)
	}
}

func FuzzText(f *testing.F) {
	for _, seed := range []string{"a", "\x1b[2J", "\u202e\u009b", "\xff\xc3(", "\U000e0041", "a\nb\tc\r"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		shown := Text(text)
		if !utf8.ValidString(shown) {
			t.Errorf("%q is not UTF-8", shown)
		}
		for _, r := range shown {
			if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
				t.Errorf("%q has %U", shown, r)
			}
		}
		if again := Text(shown); again != shown {
			t.Errorf("%q becomes %q", shown, again)
		}
		if strings.ContainsAny(Line(text), "\n\t\r") {
			t.Errorf("%q is not one line", Line(text))
		}
	})
}
