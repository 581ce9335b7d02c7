package etf

func quoteAtom(s string) string { return s }
