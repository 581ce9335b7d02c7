//go:build darwin || freebsd

package driver

import "github.com/gentcp/gentcp/etf"

// enlargePipes does nothing: these systems size pipes themselves.
func enlargePipes(...int) {}

var features = []etf.Atom{"sendfile", "faults"}
