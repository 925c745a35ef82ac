package transport

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/egain-operator/egain-operator/internal/fault"
	"github.com/egain-operator/egain-operator/internal/text"
)

// Bundle is a CA bundle.
type Bundle struct {
	// Roots are the certificates to trust; nil for the system's.
	Roots *x509.CertPool
	// Skipped describes the blocks that cannot be used, by their subject or position, and why.
	Skipped []string
}

const (
	// maxSkipped bounds the descriptions, which messages list, and maxSubject each subject in them.
	maxSkipped = 5
	maxSubject = 128
)

// certificateTypes are the types of PEM blocks with a certificate and nothing else.
var certificateTypes = []string{"CERTIFICATE", "X509 CERTIFICATE"}

// ParseBundle reads a CA bundle; an empty one stands for the system's certificates. A certificate that Go cannot parse, and a block
// of another type, is skipped as long as another certificate can be used. A private key and a block that is cut off fail the bundle:
// both are mistakes in the bundle.
func ParseBundle(bundle []byte) (Bundle, error) {
	if len(bundle) == 0 {
		return Bundle{}, nil
	}
	unmarked, err := text.Unmarked(bundle)
	if err != nil {
		return Bundle{}, caBundleFault("is encoded in %s: store it in UTF-8", err)
	}
	lines := trimLines(unmarked)
	begun, found, used := bytes.Count(lines, []byte("-----BEGIN ")), 0, 0
	parsed := Bundle{Roots: x509.NewCertPool()}
	for block, rest := pem.Decode(lines); block != nil; block, rest = pem.Decode(rest) {
		found++
		if strings.Contains(block.Type, "PRIVATE KEY") {
			return Bundle{}, caBundleFault("contains a private key: remove it, and keep only CERTIFICATE blocks there")
		}
		cert, why := parseCertificate(block)
		if cert == nil {
			parsed.Skipped = append(parsed.Skipped, fmt.Sprintf("block %d%s %s", found, subjectOf(block.Bytes), why))
			continue
		}
		parsed.Roots.AddCert(cert)
		used++
	}
	parsed.Skipped = listed(parsed.Skipped)
	switch {
	case found < begun: // the decoder skips what it cannot read
		return Bundle{}, caBundleFault("contains a PEM block that is cut off or damaged: replace it")
	case found == 0:
		return Bundle{}, caBundleFault("contains no certificate: %s", instead(unmarked))
	case used == 0:
		return Bundle{}, caBundleFault("contains no usable certificate: %s; put CERTIFICATE blocks there", strings.Join(parsed.Skipped, ", "))
	}
	return parsed, nil
}

// parseCertificate returns the certificate in a block, or why there is none.
func parseCertificate(block *pem.Block) (*x509.Certificate, string) {
	if !slices.Contains(certificateTypes, block.Type) {
		return nil, "is not a certificate but " + kindOf(block.Type)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	switch {
	case err == nil:
		return cert, ""
	case subjectOf(block.Bytes) == "":
		return nil, "is not a certificate that can be parsed"
	default:
		return nil, fmt.Sprintf("cannot be parsed: %s", shortened(strings.TrimPrefix(err.Error(), "x509: ")))
	}
}

// blockType is what types of PEM blocks look like. Whatever else is written there is not repeated.
var blockType = regexp.MustCompile(`^[A-Z0-9 #.]{1,40}$`)

func kindOf(typ string) string {
	if !blockType.MatchString(typ) {
		return "of another type"
	}
	return fmt.Sprintf("of type %q", typ)
}

// trimLines takes off the line ends of other systems, and what pasting leaves around lines.
func trimLines(bundle []byte) []byte {
	surrounds := func(r rune) bool { return unicode.IsSpace(r) || r == '\u200b' || r == '\ufeff' }
	var lines [][]byte
	for line := range bytes.SplitSeq(bytes.ReplaceAll(bundle, []byte("\r"), []byte("\n")), []byte("\n")) {
		lines = append(lines, bytes.TrimFunc(line, surrounds))
	}
	return bytes.Join(lines, []byte("\n"))
}

// instead says what a bundle without a PEM block holds, and what to do.
func instead(bundle []byte) string {
	if decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(bundle)), "")); err == nil && len(decoded) > 0 {
		return "it is encoded in Base64 once too often, or lacks the lines BEGIN CERTIFICATE and END CERTIFICATE: store the PEM blocks as they are"
	}
	var der asn1.RawValue
	if _, err := asn1.Unmarshal(bundle, &der); err == nil && der.Tag == asn1.TagSequence && der.IsCompound {
		return "it is in DER, or is a PKCS #7 or PKCS #12 file: convert it to PEM, a certificate with openssl x509 -inform der"
	}
	return "store PEM blocks of type CERTIFICATE"
}

// subjectOf is the subject of a certificate, quoted, even of one that Go does not parse; empty if it has none that can be read.
func subjectOf(der []byte) string {
	var cert struct {
		Signed struct {
			Version           int `asn1:"optional,explicit,default:0,tag:0"`
			Serial            asn1.RawValue
			Algorithm, Issuer asn1.RawValue
			Validity          asn1.RawValue
			Subject           pkix.RDNSequence
		}
	}
	if _, err := asn1.Unmarshal(der, &cert); err != nil || len(cert.Signed.Subject) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%q)", shortened(cert.Signed.Subject.String()))
}

func shortened(s string) string {
	if len(s) > maxSubject {
		return strings.ToValidUTF8(s[:maxSubject], "") + "..."
	}
	return s
}

// listed is a list of descriptions that messages have room for.
func listed(all []string) []string {
	if len(all) <= maxSkipped {
		return all
	}
	return append(all[:maxSkipped:maxSkipped], fmt.Sprintf("and %d more", len(all)-maxSkipped))
}

func caBundleFault(format string, args ...any) error {
	return fault.New(fault.Terminal, fault.ReasonCABundleInvalid, "the CA bundle "+format, args...)
}
