//go:build darwin || freebsd

package driver

// enlargePipes does nothing: these systems size pipes themselves.
func enlargePipes(...int) {}

var features = []string{"sendfile"}
