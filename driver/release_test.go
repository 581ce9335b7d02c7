package driver

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The releases and patches are those of OTP-20257 in the notes of erts.
func TestTimeoutCloseIsToldSinceAPatch(t *testing.T) {
	for _, r := range []struct {
		otp  int
		erts string
		told bool
	}{
		{0, "", true},
		{25, "13.1.5", false},
		{26, "14.2.5.12", false},
		{27, "", true},
		{27, "15.2.7", false},
		{27, "15.2.7.10", false},
		{27, "15.2.7.11", true},
		{27, "15.2.8", true},
		{28, "16.4", false},
		{28, "16.4.0.3", false},
		{28, "16.4.0.4", true},
		{28, "16.5", true},
		{29, "17.0-rc1", false},
		{29, "17.0.3", false},
		{29, "17.0.4-rc1", false},
		{29, "17.0.4", true},
		{29, "17.1.1", true},
		{30, "18.0", true},
		{29, "no version", false},
	} {
		assert.Equal(t, r.told, tellsTimeoutClose(r.otp, r.erts), "%d, %q", r.otp, r.erts)
	}
}
