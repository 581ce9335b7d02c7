package etf

func quoteAtom(s string) string                   { return s }
func formatKey(b []byte, o *DecodeOptions) string { return "" }
