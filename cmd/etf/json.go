package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strconv"
	"unicode/utf8"

	"github.com/gentcp/gentcp/etf"
)

// appendJSON adds a term as a JSON value, as the comment of the package says.
func appendJSON(dst []byte, t etf.Term) []byte {
	switch t := t.(type) {
	case etf.Atom:
		switch t {
		case "true", "false":
			return append(dst, t...)
		case "undefined", "nil", "null":
			return append(dst, "null"...)
		}
		return appendText(dst, string(t))
	case int64:
		return strconv.AppendInt(dst, t, 10)
	case *big.Int:
		return t.Append(dst, 10)
	case float64:
		text, _ := json.Marshal(t) // finite, as every decoded float
		return append(dst, text...)
	case []byte:
		if utf8.Valid(t) {
			return appendText(dst, string(t))
		}
		dst = append(dst, `{"$binary":"`...)
		return append(base64.StdEncoding.AppendEncode(dst, t), `"}`...)
	case etf.String:
		return appendString(dst, t)
	case etf.Tuple:
		return appendArray(dst, t)
	case etf.List:
		return appendArray(dst, t)
	case etf.ImproperList:
		dst = appendArray(append(dst, `{"$improper":[`...), t.Elements)
		return append(appendJSON(append(dst, ','), t.Tail), "]}"...)
	case etf.Map:
		return appendObject(dst, t)
	}
	dst = appendText(append(dst, `{"$term":`...), etf.Format(t))
	return append(dst, '}')
}

func appendText(dst []byte, s string) []byte {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // which ends the line
	return append(dst, text.Bytes()[:text.Len()-1]...)
}

// appendString adds a list of bytes: as text if it prints as text in Erlang.
func appendString(dst []byte, s etf.String) []byte {
	if etf.Format(s)[0] == '"' {
		var text []rune
		for i := range len(s) {
			text = append(text, rune(s[i]))
		}
		return appendText(dst, string(text))
	}
	var list etf.List
	for i := range len(s) {
		list = append(list, int64(s[i]))
	}
	return appendArray(dst, list)
}

func appendArray(dst []byte, terms []etf.Term) []byte {
	dst = append(dst, '[')
	for i, t := range terms {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSON(dst, t)
	}
	return append(dst, ']')
}

func appendObject(dst []byte, m etf.Map) []byte {
	keys := make(map[string]bool, len(m))
	for _, p := range m {
		keys[keyText(p.Key)] = true
	}
	if len(keys) < len(m) {
		dst = append(dst, `{"$map":[`...)
		for i, p := range m {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendArray(dst, []etf.Term{p.Key, p.Value})
		}
		return append(dst, "]}"...)
	}
	dst = append(dst, '{')
	for i, p := range m {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, keyText(p.Key)), ':')
		dst = appendJSON(dst, p.Value)
	}
	return append(dst, '}')
}

// keyText is a key as the name of a JSON object's member.
func keyText(t etf.Term) string {
	switch t := t.(type) {
	case etf.Atom:
		return string(t)
	case []byte:
		if utf8.Valid(t) {
			return string(t)
		}
	}
	return etf.Format(t)
}
