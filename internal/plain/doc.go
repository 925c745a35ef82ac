// Package plain knows which texts are what they look like: which hosts a request may name, and how text of others is shown to
// people.
package plain
