//go:build noprofile

package main

import (
	"flag"
	"log/slog"
)

// A program that is given to others has no profiling: net/http and TLS would double its size.
func profileFlag(*flag.FlagSet) func(*slog.Logger) error {
	return func(*slog.Logger) error { return nil }
}
