// Package audit finds out from outside whether workloads have tokens that work. It shares no code with the operator, and the
// linter lets it import nothing but the standard library: it watches Secrets as the JSON that the API server sends, and asks
// the provider about every token in them. Like a mounted file, it keeps the last state of a Secret that it heard of while the
// API server is away.
package audit
