//go:build purego

package etf

func boxed[T any](p *T) any { return *p }

func textOf(b []byte) string { return string(b) }
