package text

import (
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ raw, want string }{
		"as it is":                          {"s3cr3t", "s3cr3t"},
		"nothing":                           {"", ""},
		"a line break":                      {"s3cr3t\n", "s3cr3t"},
		"the line break of Windows":         {"s3cr3t\r\n", "s3cr3t"},
		"a carriage return":                 {"s3cr3t\r", "s3cr3t"},
		"a byte order mark":                 {"\ufeffs3cr3t", "s3cr3t"},
		"a mark and a line break":           {"\ufeffs3cr3t\r\n", "s3cr3t"},
		"a mark and nothing":                {"\ufeff", ""},
		"all of printable ASCII":            {" !\"#$%&'()*+,-./0123456789:;<=>?@AZ[\\]^_`az{|}~", " !\"#$%&'()*+,-./0123456789:;<=>?@AZ[\\]^_`az{|}~"},
		"spaces around, which may be of it": {" s3cr3t ", " s3cr3t "},
		"quotes around, which may be of it": {`"s3cr3t"`, `"s3cr3t"`},
	} {
		if got, flaw := Line([]byte(tc.raw)); flaw != nil || got != tc.want {
			t.Errorf("%s: got %q, %v", name, got, flaw)
		}
	}
}

func TestLine_NamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for raw, tc := range map[string]struct {
		want      string
		character bool
	}{
		"hush\u00a0":                      {"it contains U+00A0 (no-break space)", true},
		"\u200bhush":                      {"it contains U+200B (zero-width space)", true},
		"hu\u2060sh":                      {"it contains U+2060 (word joiner)", true},
		"hush\ufeff":                      {"it contains U+FEFF (byte order mark)", true},
		"\ufeff\ufeffhush":                {"it contains U+FEFF (byte order mark)", true},
		"\u201chush\u201d":                {"it contains U+201C (left double quotation mark)", true},
		"h\u00fcsh":                       {"it contains U+00FC", true},
		"hush\U0001f600":                  {"it contains U+1F600", true},
		"hush\u0080":                      {"it contains U+0080", true},
		"hush\nmore":                      {"it contains U+000A (line break)", false},
		"h\u00fcsh\nmore":                 {"it contains U+000A (line break)", false},
		"hush\n\n":                        {"it contains U+000A (line break)", false},
		"hush\r\n\r\n":                    {"it contains U+000D (carriage return)", false},
		"hush\tmore":                      {"it contains U+0009 (tab)", false},
		"hush\x00":                        {"it contains U+0000 (NUL)", false},
		"hush\x7f":                        {"it contains U+007F", false},
		"hush\xff":                        {"it contains bytes that are not UTF-8", false},
		"\xff\xfeh\x00u\x00s\x00h\x00":    {"it is encoded in UTF-16 (little-endian), not in UTF-8", false},
		"\xfe\xff\x00h\x00u\x00s\x00h":    {"it is encoded in UTF-16 (big-endian), not in UTF-8", false},
		"\xff\xfe\x00\x00h\x00\x00\x00":   {"it is encoded in UTF-32 (little-endian), not in UTF-8", false},
		"\x00\x00\xfe\xff\x00\x00\x00h":   {"it is encoded in UTF-32 (big-endian), not in UTF-8", false},
		"\xff\xfe\r\x00\n\x00":            {"it is encoded in UTF-16 (little-endian), not in UTF-8", false},
		"hush \u200e\u200f and much more": {"it contains U+200E (left-to-right mark)", true},
	} {
		got, flaw := Line([]byte(raw))
		if flaw == nil || flaw.Error() != tc.want || flaw.Character != tc.character || got != "" {
			t.Errorf("%q: got %q, %v; want %q", raw, got, flaw, tc.want)
		}
	}
}

func TestUnmarked(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{"": "", "{}": "{}", "\ufeff{}": "{}", "\ufeff": "", "a\ufeff": "a\ufeff", "\xff{}": "\xff{}"} {
		if got, err := Unmarked([]byte(raw)); err != nil || string(got) != want {
			t.Errorf("%q: got %q, %v", raw, got, err)
		}
	}
	if got, err := Unmarked([]byte("\xff\xfe{\x00")); got != nil || err == nil || !strings.Contains(err.Error(), "UTF-16") {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestQuoted(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{`"a"`: true, `'a'`: true, "`a`": true, `""`: true, `"a'`: false, `a`: false, ``: false, `"`: false, `a"b"`: false} {
		if got := Quoted(value); got != want {
			t.Errorf("%q: %t", value, got)
		}
	}
}
