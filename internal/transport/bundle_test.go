package transport

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/egain-operator/egain-operator/internal/fault"
)

// negativeSerial makes a certificate, in DER, that OpenSSL makes and Go does not parse.
func negativeSerial(t *testing.T, name string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("making a key: %v", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(5), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatalf("making a certificate: %v", err)
	}
	return bytes.Replace(der, []byte{0x02, 0x01, 0x05}, []byte{0x02, 0x01, 0xfb}, 1)
}

func utf16Of(s string) []byte {
	out := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(s)) {
		out = append(out, byte(unit), byte(unit>>8))
	}
	return out
}

// TestBundle_TrustsWhatCanBeUsed reaches a server with bundles that have something wrong around its certificate.
func TestBundle_TrustsWhatCanBeUsed(t *testing.T) {
	t.Parallel()
	srv := serve(t, ok)
	good := string(srv.bundle())
	unparsable := string(pemOf("CERTIFICATE", negativeSerial(t, "Corp Root")))
	for name, tc := range map[string]struct {
		bundle  string
		skipped []string
	}{
		"as it is":                       {good, nil},
		"a byte order mark":              {"\ufeff" + good, nil},
		"a mark between two files":       {string(pemOf("CERTIFICATE", certificate(t))) + "\ufeff" + good, nil},
		"the line ends of Windows":       {strings.ReplaceAll(good, "\n", "\r\n"), nil},
		"the line ends of old Macs":      {strings.ReplaceAll(good, "\n", "\r"), nil},
		"lines that are indented":        {"    " + strings.ReplaceAll(good, "\n", "\n    "), nil},
		"no-break spaces at the ends":    {strings.ReplaceAll(good, "\n", "\u00a0\n"), nil},
		"a comment in Latin-1":           {"# Zertifikate f\xfcr alle\n" + good, nil},
		"no line break at the end":       {strings.TrimSpace(good), nil},
		"the old name of the type":       {strings.ReplaceAll(good, "CERTIFICATE", "X509 CERTIFICATE"), nil},
		"one that Go cannot parse":       {unparsable + good, []string{`block 1 ("CN=Corp Root") cannot be parsed: negative serial number`}},
		"one that Go cannot parse, last": {good + "# Corp\n" + unparsable, []string{`block 2 ("CN=Corp Root") cannot be parsed: negative serial number`}},
		"no certificate inside":          {good + string(pemOf("CERTIFICATE", []byte("junk"))), []string{"block 2 is not a certificate that can be parsed"}},
		"an empty block":                 {string(pemOf("CERTIFICATE", nil)) + good, []string{"block 1 is not a certificate that can be parsed"}},
		"a list of revoked certificates": {good + string(pemOf("X509 CRL", []byte("junk"))), []string{`block 2 is not a certificate but of type "X509 CRL"`}},
		"a type that says something":     {good + string(pemOf("the words of others", nil)), []string{"block 2 is not a certificate but of another type"}},
		"many": {
			good + strings.Repeat(string(pemOf("CERTIFICATE", []byte("junk"))), 7), []string{
				"block 2 is not a certificate that can be parsed", "block 3 is not a certificate that can be parsed",
				"block 4 is not a certificate that can be parsed", "block 5 is not a certificate that can be parsed",
				"block 6 is not a certificate that can be parsed", "and 2 more",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := get(t, client(t, options, []byte(tc.bundle)), srv.URL); err != nil {
				t.Errorf("the server is not reached: %v", err)
			}
			parsed, err := ParseBundle([]byte(tc.bundle))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.skipped, parsed.Skipped); diff != "" {
				t.Errorf("skipped (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBundle_SaysWhyNothingCanBeUsed(t *testing.T) {
	t.Parallel()
	der := certificate(t)
	good := string(pemOf("CERTIFICATE", der))
	for name, tc := range map[string]struct{ bundle, want string }{
		"UTF-16":                          {string(utf16Of(good)), "the CA bundle is encoded in UTF-16 (little-endian): store it in UTF-8"},
		"UTF-16 of the other order":       {"\xfe\xff\x00-", "the CA bundle is encoded in UTF-16 (big-endian): store it in UTF-8"},
		"DER":                             {string(der), "the CA bundle contains no certificate: it is in DER, or is a PKCS #7 or PKCS #12 file: convert it to PEM, a certificate with openssl x509 -inform der"},
		"Base64 once too often":           {base64.StdEncoding.EncodeToString([]byte(good)), "encoded in Base64 once too often"},
		"Base64 in lines":                 {base64.StdEncoding.EncodeToString([]byte(good))[:64] + "\n" + base64.StdEncoding.EncodeToString([]byte(good))[64:], "encoded in Base64 once too often"},
		"Base64 of DER without its lines": {base64.StdEncoding.EncodeToString(der), "lacks the lines BEGIN CERTIFICATE and END CERTIFICATE"},
		"PKCS #7":                         {string(pemOf("PKCS7", der)), `contains no usable certificate: block 1`},
		"a mark and nothing":              {"\ufeff", "contains no certificate: store PEM blocks of type CERTIFICATE"},
		"one that Go cannot parse":        {string(pemOf("CERTIFICATE", negativeSerial(t, "Corp Root"))), `contains no usable certificate: block 1 ("CN=Corp Root") cannot be parsed: negative serial number`},
		"a key beside a certificate":      {good + string(pemOf("RSA PRIVATE KEY", []byte("junk"))), "contains a private key"},
		"OpenSSL's trusted certificate":   {string(pemOf("TRUSTED CERTIFICATE", der)), `is not a certificate but of type "TRUSTED CERTIFICATE"`},
		"a certificate of a long name":    {string(pemOf("CERTIFICATE", negativeSerial(t, strings.Repeat("x", 300)))), `xxx...") cannot be parsed`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := New(options).Client("", "", []byte(tc.bundle))
			wantFault(t, err, fault.Terminal, fault.ReasonCABundleInvalid)
			if err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the message is %q, want one with %q", err, tc.want)
			}
			if err != nil && len(err.Error()) > 512 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}
