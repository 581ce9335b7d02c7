package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// measured has gentcp take three quarters of stock's time, and a third of the
// socket backend's throughput.
func measured() *results {
	drivers := []string{"stock", "socket", "gentcp"}
	echo := newRow(workload{name: "echo", title: "echo", section: sectionTargets},
		metric{key: "us", unit: "µs", better: lower, ofStock: 0.8, ofSocket: 0.3}, drivers)
	stream := newRow(workload{name: "stream", title: "stream", section: sectionTargets},
		metric{key: "per_second", unit: "msg/s", better: higher, ofSocket: 0.5}, drivers)
	idle := newRow(workload{name: "idle", title: "idle", section: sectionCost},
		metric{key: "kb", label: "port program", unit: "KB", better: lower, absolute: 8}, drivers)
	for round := 1; round <= 3; round++ {
		x := float64(round)
		echo.add("stock", round, 20*x)
		echo.add("socket", round, 30*x)
		echo.add("gentcp", round, 15*x)
		stream.add("socket", round, 3e6*x)
		stream.add("gentcp", round, 1e6*x)
		idle.add("gentcp", round, 7)
	}
	r := &results{Rows: []*row{echo, stream, idle}}
	for _, row := range r.Rows {
		row.summarize()
	}
	return r
}

func TestTargets(t *testing.T) {
	r := measured()
	assert.Equal(t, "≤ 0.8x stock reached, ≤ 0.3x socket **not reached**", r.Rows[0].targetText())
	assert.Equal(t, "≥ 0.5x socket **not reached**", r.Rows[1].targetText())
	assert.Equal(t, "≤ 8 KB reached", r.Rows[2].targetText())
}

func TestTargetsWithoutGentcp(t *testing.T) {
	r := newRow(workload{}, metric{better: lower, ofStock: 1.5}, []string{"stock", "socket"})
	r.add("stock", 1, 1)
	r.add("socket", 1, 2)
	r.summarize()
	assert.Equal(t, "≤ 1.5x stock", r.targetText())
}

func TestTables(t *testing.T) {
	r := measured()
	r.Notes = []string{"something was left out"}
	r.Failures = []string{"stream on stock: closed"}
	var out bytes.Buffer
	r.writeTables(&out)
	assert.Equal(t, `
## Against the other drivers

| workload | unit    | stock            | socket              | gentcp              | socket/stock | gentcp/stock | gentcp/socket | targets of gentcp                                   |
| -------- | ------- | ---------------- | ------------------- | ------------------- | ------------ | ------------ | ------------- | --------------------------------------------------- |
| echo     | µs ↓    | 40.0 (20.0-60.0) | 60.0 (30.0-90.0)    | 30.0 (15.0-45.0)    | 1.50x        | 0.75x        | 0.50x         | ≤ 0.8x stock reached, ≤ 0.3x socket **not reached** |
| stream   | msg/s ↑ | -                | 6.00M (3.00M-9.00M) | 2.00M (1.00M-3.00M) | -            | -            | 0.33x         | ≥ 0.5x socket **not reached**                       |

## What it costs

| workload           | unit | stock | socket | gentcp | socket/stock | gentcp/stock | gentcp/socket | targets of gentcp |
| ------------------ | ---- | ----- | ------ | ------ | ------------ | ------------ | ------------- | ----------------- |
| idle: port program | KB ↓ | -     | -      | 7.00   | -            | -            | -             | ≤ 8 KB reached    |

Note: something was left out.

Failed: stream on stock: closed
`, out.String())
}

func TestNumber(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0.00", 1.234: "1.23", 9.999: "10.0", 99.99: "100", 1234: "1234", 12345: "12.3k", 999_600: "1.00M", -20.5: "-20.5",
	} {
		assert.Equal(t, want, number(x))
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, measured().write(dir))
	for file, want := range map[string]string{
		"results.json": `"reached": true`,
		"results.svg":  "</svg>",
		"RESULTS.md":   "## Against the other drivers",
	} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		assert.Contains(t, string(text), want, file)
	}
}
