//go:build purego

package etf

type typeWord struct{}

func typeWordOf(any) typeWord { return typeWord{} }

func boxed[T any](_ typeWord, p *T) any { return *p }

func textOf(b []byte) string { return string(b) }

func bytesOf(s string) []byte { return []byte(s) }
