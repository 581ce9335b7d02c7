package driver

import (
	"strconv"
	"strings"

	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
)

// follow has the sockets behave as the OTP release of a node does, where releases differ
// in more than their options. The releases are those of the notes of OTP's erts.
func follow(stack *sockets.Stack, h portproto.NodeHello) {
	since := func(otp int) bool { return h.OTP == 0 || h.OTP >= otp }
	stack.SetIPv6Hosts(since(26))
	if since(28) {
		stack.SetBuffer(9216) // OTP-19576
	} else {
		stack.SetBuffer(1460)
	}
	stack.SetCloseTold(tellsTimeoutClose(h.OTP, h.ERTS)) // OTP-20257
}

// tellsTimeoutClose: three releases have got this as a patch.
func tellsTimeoutClose(otp int, erts string) bool {
	switch otp {
	case 27:
		return atLeast(erts, 15, 2, 7, 11)
	case 28:
		return atLeast(erts, 16, 4, 0, 4)
	case 29:
		return atLeast(erts, 17, 0, 4)
	}
	return otp == 0 || otp > 29
}

// atLeast compares a version such as "15.2.7.11" with another one. An unknown version,
// which is empty, is the newest.
func atLeast(version string, want ...int) bool {
	if version == "" {
		return true
	}
	got := strings.Split(version, ".")
	for i, w := range want {
		n := 0
		if i < len(got) {
			n, _ = strconv.Atoi(got[i]) // "0-rc1" is nothing yet
		}
		if n != w {
			return n > w
		}
	}
	return true
}
