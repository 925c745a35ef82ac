package rotation

import "testing"

func BenchmarkDecide(b *testing.B) {
	in := inputOf()
	b.ReportAllocs()
	for b.Loop() {
		Decide(in)
	}
}

func BenchmarkRenewAt(b *testing.B) {
	tok := tokenOf(0)
	b.ReportAllocs()
	for b.Loop() {
		RenewAt(tok.IssueTime, tok.ExpirationTime, Policy{}, 0.5)
	}
}
