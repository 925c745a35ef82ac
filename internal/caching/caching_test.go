package caching

import (
	"strconv"
	"testing"
)

func TestAVocabularyIsBounded(t *testing.T) {
	t.Parallel()
	words := &known[string, string]{}
	for i := range 3*maxShared + 1 {
		word := "word-" + strconv.Itoa(i)
		if got := words.copyOf(word, word); got != word {
			t.Fatalf("got %q for %q", got, word)
		}
	}
	if len(words.values) > maxShared {
		t.Errorf("%d words", len(words.values))
	}
}
