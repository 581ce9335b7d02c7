package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func names(workloads []workload) []string {
	var all []string
	for _, w := range workloads {
		all = append(all, w.name)
	}
	return all
}

func TestSelectWorkloads(t *testing.T) {
	all := allWorkloads()

	selected, err := selectWorkloads(all, []string{"start", "echo-64"})
	require.NoError(t, err)
	assert.Equal(t, []string{"echo-64-once", "echo-64-true", "echo-64-passive", "start"}, names(selected))

	selected, err = selectWorkloads(all, nil)
	require.NoError(t, err)
	assert.Equal(t, names(all), names(selected))

	_, err = selectWorkloads(all, []string{"echo", "eccho"})
	assert.ErrorContains(t, err, `"eccho"`)
}

func TestWorkloadNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range names(allWorkloads()) {
		assert.False(t, seen[name], name)
		seen[name] = true
	}
}

func TestRequest(t *testing.T) {
	tests := map[string]struct {
		workload workload
		want     string
	}{
		"timed":      {workload{call: "m,f", args: "size => 64"}, "{m,f,#{size => 64, ms => 300}}.\n"},
		"no args":    {workload{call: "m,f"}, "{m,f,#{ms => 300}}.\n"},
		"longer":     {workload{call: "m,f", longer: 4}, "{m,f,#{ms => 1200}}.\n"},
		"fixed":      {workload{call: "m,f", perMs: 10}, "{m,f,#{count => 3000}}.\n"},
		"for a port": {workload{call: "m,f", args: `program => "PEER"`}, "{m,f,#{program => \"/tmp/peer\", ms => 300}}.\n"},
		"for a file": {workload{call: "m,f", args: `file => "FILE"`}, "{m,f,#{file => \"/tmp/x\", ms => 300}}.\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, test.workload.request(300, "/tmp/x", "/tmp/peer"))
		})
	}
}

func TestParseDriver(t *testing.T) {
	for name, want := range map[string]driverSpec{
		"stock":              {driver: "stock"},
		"socket":             {driver: "socket"},
		"gentcp":             {driver: "gentcp"},
		"gentcp4":            {driver: "gentcp", shards: 4},
		"pipe":               {driver: "pipe"},
		"gentcp:busy-wait=0": {driver: "gentcp", flags: []string{"-busy-wait=0"}},
		"gentcp2:a=b:c":      {driver: "gentcp", shards: 2, flags: []string{"-a=b", "-c"}},
		"gentcp+rule":        {driver: "gentcp", rule: true},
		"gentcp2+rule:c":     {driver: "gentcp", shards: 2, flags: []string{"-c"}, rule: true},
	} {
		spec, err := parseDriver(name)
		require.NoError(t, err, name)
		assert.Equal(t, want, spec, name)
	}
	for _, name := range []string{"gentcp0", "gentcpx", "inet", "", "stock:busy-wait=0", "stock+rule"} {
		_, err := parseDriver(name)
		assert.Error(t, err, name)
	}
	spec, err := parseDriver("gentcp2:a=b:c")
	require.NoError(t, err)
	assert.Equal(t, []string{"-gentcp", "shards", "2", "-gentcp", "port_args", `["-a=b","-c"]`}, spec.arguments())
}

func TestParseAnswer(t *testing.T) {
	values, err := parseAnswer(`{"ok":{"us":21.5}}`)
	require.NoError(t, err)
	assert.Equal(t, map[string]float64{"us": 21.5}, values)

	_, err = parseAnswer(`{"error":"closed"}`)
	assert.True(t, isMeasurementError(err))
	assert.EqualError(t, err, "closed")

	_, err = parseAnswer("nonsense")
	assert.Error(t, err)
	assert.False(t, isMeasurementError(err))
}
