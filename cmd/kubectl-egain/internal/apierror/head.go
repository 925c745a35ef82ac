package apierror

// Head is a writer that keeps the first MaxBody bytes. Its zero value is ready to use.
type Head struct{ kept []byte }

// Write keeps what there is room for, and never fails.
func (h *Head) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(len(p), MaxBody-len(h.kept))]...)
	return len(p), nil
}

// Bytes are those that were kept.
func (h *Head) Bytes() []byte { return h.kept }
