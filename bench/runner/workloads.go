package main

import (
	"fmt"
	"strings"
)

// A workload is one thing that is measured: a function of the Erlang modules
// in bench/beam, its arguments, and the values that it returns.
type workload struct {
	name    string // what --only selects, by prefix
	title   string
	section string
	call    string // module and function, as Erlang writes a tuple's elements
	args    string // an Erlang map's associations; FILE stands for sendfile's file, PEER for the peer's program
	metrics []metric

	// perMs, if set, makes this a fixed amount of traffic: that many messages
	// for each millisecond that a measurement is asked to take.
	perMs int
	// longer multiplies the time of a measurement, where rare values matter.
	longer int
	// fresh measures on a node that has done nothing else.
	fresh bool
	// rounds bounds how often a slow workload is repeated, 0 for every round.
	rounds int
	// full workloads are left out of a quick run.
	full bool
	// drivers replaces the drivers of the run, for comparing gentcp with itself.
	drivers []string
	// without compares gentcp with itself, started with this flag: what it leaves out is what
	// the row is about.
	without string
	// connections is how many file descriptors one side needs.
	connections int
}

type direction string

const (
	lower  direction = "lower"
	higher direction = "higher"
)

// A metric is one value of a measurement, and what gentcp should reach there.
// A target of 0 is none.
type metric struct {
	key    string // its name in the Erlang result
	label  string // distinguishes the metrics of one workload
	unit   string
	better direction

	ofStock  float64 // gentcp's value over the stock driver's
	ofSocket float64 // gentcp's value over the socket backend's
	absolute float64 // gentcp's own value
}

const (
	sectionTargets    = "Against the other drivers"
	sectionCost       = "What it costs"
	sectionLatency    = "Echo latency beside a bulk transfer"
	sectionScaling    = "Scaling with the number of connections"
	sectionShards     = "Port programs for one node"
	sectionTechniques = "What the techniques bring"
	sectionFaults     = "With no rule for faults, and with one that matches nothing"
	sectionLimits     = "What a pipe allows: bare ports, without sockets"
)

// without is the name of gentcp where something is left out.
const without = "without"

var (
	shardDrivers = []string{"gentcp1", "gentcp2", "gentcp4"}
	ruleDrivers  = []string{"gentcp", "gentcp" + withRule}
)

func sizeName(size int) string {
	switch {
	case size >= 1<<20:
		return fmt.Sprintf("%dM", size>>20)
	case size >= 1<<10:
		return fmt.Sprintf("%dK", size>>10)
	default:
		return fmt.Sprint(size)
	}
}

func sizeTitle(size int) string {
	switch {
	case size >= 1<<20:
		return fmt.Sprintf("%d MB", size>>20)
	case size >= 1<<10:
		return fmt.Sprintf("%d KB", size>>10)
	default:
		return fmt.Sprintf("%d B", size)
	}
}

// allWorkloads is the bench, in the order of its tables.
func allWorkloads() []workload {
	var all []workload
	add := func(w workload) { all = append(all, w) }

	for _, size := range []int{64, 1024} {
		for _, mode := range []struct {
			name, active, title string
			ofStock, ofSocket   float64
		}{
			{"once", "once", "active once", 1.5, 0.9},
			{"true", "true", "active true", 1.5, 0.9},
			{"passive", "false", "passive recv", 1.8, 1.1},
		} {
			add(workload{
				name:    fmt.Sprintf("echo-%s-%s", sizeName(size), mode.name),
				title:   fmt.Sprintf("echo round trip, %s, %s", sizeTitle(size), mode.title),
				section: sectionTargets, call: "bench_echo,round_trip",
				args:    fmt.Sprintf("size => %d, mode => %s", size, mode.active),
				metrics: []metric{{key: "us", unit: "µs", better: lower, ofStock: mode.ofStock, ofSocket: mode.ofSocket}},
			})
		}
	}
	for _, stream := range []struct {
		size   int
		target float64
	}{{64, 3}, {1024, 2}} {
		for _, nodelay := range []bool{true, false} {
			m := metric{key: "per_second", unit: "msg/s", better: higher}
			suffix, title := "delay", "nodelay off"
			if nodelay {
				suffix, title = "nodelay", "nodelay on"
				m.ofStock, m.ofSocket = stream.target, stream.target
			}
			add(workload{
				name:    fmt.Sprintf("stream-%s-%s", sizeName(stream.size), suffix),
				title:   fmt.Sprintf("pipelined sends, %s, %s", sizeTitle(stream.size), title),
				section: sectionTargets, call: "bench_stream,send",
				args:    fmt.Sprintf("size => %d, nodelay => %t", stream.size, nodelay),
				metrics: []metric{m},
			})
		}
	}
	add(workload{
		name: "recv-64-packet4", title: "receiving {packet,4} messages, 64 B, active true",
		section: sectionTargets, call: "bench_stream,recv",
		args:    "kind => packet4, mode => true, size => 64",
		metrics: []metric{{key: "per_second", unit: "msg/s", better: higher, ofStock: 0.8, ofSocket: 6}},
	})
	for _, mode := range []struct{ name, active, title string }{{"once", "once", "active once"}, {"passive", "false", "passive recv"}} {
		add(workload{
			name: "recv-64-" + mode.name, title: "receiving {packet,4} messages, 64 B, " + mode.title,
			section: sectionTargets, call: "bench_stream,recv",
			args:    fmt.Sprintf("kind => packet4, mode => %s, size => 64", mode.active),
			metrics: []metric{{key: "per_second", unit: "msg/s", better: higher}},
		})
	}
	for _, size := range []int{64 << 10, 256 << 10, 1 << 20} {
		rate := []metric{{key: "mb_per_second", unit: "MB/s", better: higher, ofStock: 0.6, ofSocket: 0.8}}
		add(workload{
			name:    fmt.Sprintf("bulk-send-%s", sizeName(size)),
			title:   fmt.Sprintf("bulk send, %s a call", sizeTitle(size)),
			section: sectionTargets, call: "bench_stream,send",
			args:    fmt.Sprintf("size => %d, nodelay => false", size),
			metrics: rate,
		})
		add(workload{
			name:    fmt.Sprintf("bulk-recv-%s", sizeName(size)),
			title:   fmt.Sprintf("bulk receive, %s a call", sizeTitle(size)),
			section: sectionTargets, call: "bench_bulk,recv",
			args:    fmt.Sprintf("size => %d", size),
			metrics: rate,
		})
	}
	add(workload{
		name: "sendfile", title: "file:sendfile of 100 MB",
		section: sectionTargets, call: "bench_bulk,sendfile",
		args:    `file => "FILE"`,
		metrics: []metric{{key: "mb_per_second", unit: "MB/s", better: higher, ofStock: 0.9, ofSocket: 0.9}},
	})
	for _, mode := range []string{"true", "once"} {
		add(workload{
			name:    "many-200-" + mode,
			title:   "200 connections, echo of 256 B, active " + mode,
			section: sectionTargets, call: "bench_server,echo",
			args:    "connections => 200, size => 256, mode => " + mode,
			metrics: []metric{{key: "per_second", unit: "msg/s", better: higher, ofStock: 1.1, ofSocket: 1.3}},
		})
	}
	add(workload{
		name: "connect", title: "connect, one exchange of 64 B, close",
		section: sectionTargets, call: "bench_connect,rate", args: "size => 64",
		metrics: []metric{{key: "per_second", unit: "conn/s", better: higher, ofStock: 0.6, ofSocket: 1}},
	})
	add(workload{
		name: "accept", title: "accept, one exchange of 64 B, close; 8 clients",
		section: sectionTargets, call: "bench_server,accept_rate", args: "size => 64, workers => 8",
		metrics: []metric{{key: "per_second", unit: "conn/s", better: higher, ofStock: 0.6, ofSocket: 1}},
	})
	add(workload{
		name: "http-true", title: "receiving http_bin requests, active true",
		section: sectionTargets, call: "bench_stream,recv",
		args:    "kind => http, mode => true, size => 0",
		metrics: []metric{{key: "per_second", unit: "req/s", better: higher, ofStock: 1, ofSocket: 1}},
	})
	add(workload{
		name: "http-once", title: "receiving http_bin requests, active once",
		section: sectionTargets, call: "bench_stream,recv",
		args:    "kind => http, mode => once, size => 0",
		metrics: []metric{{key: "per_second", unit: "req/s", better: higher}},
	})

	cpu := []metric{
		{key: "beam", label: "BEAM", unit: "CPU s per 1M msg", better: lower, ofStock: 0.5, ofSocket: 0.5},
		{key: "port", label: "port program", unit: "CPU s per 1M msg", better: lower},
	}
	for _, size := range []int{64, 1024} {
		add(workload{
			name:    fmt.Sprintf("cpu-send-%s", sizeName(size)),
			title:   fmt.Sprintf("CPU, pipelined sends of %s", sizeTitle(size)),
			section: sectionCost, call: "bench_cost,cpu", perMs: 500,
			args:    fmt.Sprintf("'of' => {bench_stream,send}, size => %d, nodelay => true", size),
			metrics: cpu,
		})
		add(workload{
			name:    fmt.Sprintf("cpu-recv-%s", sizeName(size)),
			title:   fmt.Sprintf("CPU, receiving {packet,4} messages of %s", sizeTitle(size)),
			section: sectionCost, call: "bench_cost,cpu", perMs: 1000,
			args:    fmt.Sprintf("'of' => {bench_stream,recv}, kind => packet4, mode => true, size => %d", size),
			metrics: cpu,
		})
	}
	add(workload{
		name: "idle", title: "10,000 idle connections, memory of one",
		section: sectionCost, call: "bench_server,idle", fresh: true, rounds: 3,
		args: "connections => 10000, size => 64", connections: 10000,
		metrics: []metric{
			{key: "beam_kb", label: "BEAM", unit: "KB", better: lower, absolute: 1.5},
			{key: "port_kb", label: "port program", unit: "KB", better: lower, absolute: 8},
		},
	})
	add(workload{
		name: "start", title: "first connection of a node",
		section: sectionCost, call: "bench_connect,first", fresh: true,
		metrics: []metric{{key: "ms", unit: "ms", better: lower, absolute: 50}},
	})

	for _, neighbour := range []struct{ name, title string }{
		{"none", "alone"}, {"send", "beside a bulk send"}, {"recv", "beside a bulk receive"},
	} {
		add(workload{
			name:    "latency-" + neighbour.name,
			title:   "echo of 64 B, " + neighbour.title,
			section: sectionLatency, call: "bench_echo,latency", longer: 4,
			args: "size => 64, mode => once, neighbour => " + neighbour.name,
			metrics: []metric{
				{key: "p50", label: "p50", unit: "µs", better: lower},
				{key: "p99", label: "p99", unit: "µs", better: lower},
				{key: "p999", label: "p99.9", unit: "µs", better: lower},
			},
		})
	}

	for _, connections := range []int{1, 10, 100, 1000, 10000} {
		metrics := []metric{
			{key: "per_second", unit: "msg/s", better: higher},
			{key: "beam_mb", label: "BEAM memory", unit: "MB", better: lower},
			{key: "port_mb", label: "port program memory", unit: "MB", better: lower},
		}
		if connections >= 1000 { // with fewer, what one takes is lost in the rest
			metrics = append(metrics,
				metric{key: "beam_kb", label: "BEAM memory, one connection and its process", unit: "KB", better: lower},
				metric{key: "port_kb", label: "port program memory, one connection", unit: "KB", better: lower})
		}
		noun := "connections"
		if connections == 1 {
			noun = "connection"
		}
		add(workload{
			name:    fmt.Sprintf("scale-%d", connections),
			title:   fmt.Sprintf("%d %s, echo of 256 B", connections, noun),
			section: sectionScaling, call: "bench_server,echo", fresh: true, rounds: 3,
			args:        fmt.Sprintf("connections => %d, size => 256, mode => true", connections),
			connections: connections, full: connections > 1000,
			metrics: metrics,
		})
	}

	add(workload{
		name: "shards-many", title: "200 connections, echo of 256 B",
		section: sectionShards, call: "bench_server,echo", drivers: shardDrivers,
		args:    "connections => 200, size => 256, mode => true",
		metrics: []metric{{key: "per_second", unit: "msg/s", better: higher}},
	})
	add(workload{
		name: "shards-stream", title: "8 connections, pipelined sends of 64 B",
		section: sectionShards, call: "bench_stream,send_many", drivers: shardDrivers,
		args:    "connections => 8, size => 64, nodelay => true",
		metrics: []metric{{key: "per_second", unit: "msg/s", better: higher}},
	})
	add(workload{
		name: "shards-bulk", title: "8 connections, bulk send of 64 KB a call",
		section: sectionShards, call: "bench_stream,send_many", drivers: shardDrivers,
		args:    "connections => 8, size => 65536, nodelay => false",
		metrics: []metric{{key: "mb_per_second", unit: "MB/s", better: higher}},
	})
	for _, t := range []struct{ name, of, title, flag string }{
		{"busy-wait", "echo-64-true", "busy wait: echo round trip, 64 B", "busy-wait=0"},
		{"credit", "stream-64-nodelay", "credit without waiting: pipelined sends, 64 B", "without=credit"},
		{"inline", "echo-64-true", "sends written at once: echo round trip, 64 B", "without=inline"},
		{"coalesce", "stream-64-nodelay", "coalesced sends: pipelined sends, 64 B", "without=coalesce"},
		{"batch", "recv-64-packet4", "batched messages: receiving {packet,4}, 64 B", "without=batch"},
		{"ahead", "recv-64-once", "packets ahead: receiving {packet,4}, 64 B, active once", "without=ahead"},
		{"ahead-http", "http-once", "packets ahead: http_bin requests, active once", "without=ahead"},
		{"lines", "http-true", "http parsed in the node: http_bin requests", "without=lines"},
		{"splice-send", "bulk-send-256K", "splice: bulk send, 256 KB a call", "without=splice"},
		{"splice-recv", "bulk-recv-256K", "splice: bulk receive, 256 KB a call", "without=splice"},
		{"pipes-send", "bulk-send-256K", "pipes of 1 MB: bulk send, 256 KB a call", "without=pipes"},
		{"pipes-recv", "bulk-recv-256K", "pipes of 1 MB: bulk receive, 256 KB a call", "without=pipes"},
	} {
		w := alone(all, t.of)
		w.name, w.title, w.section = "tech-"+t.name, t.title, sectionTechniques
		w.without, w.drivers = t.flag, []string{without, "gentcp"}
		add(w)
	}
	for _, t := range []struct{ name, of string }{
		{"echo", "echo-64-true"},
		{"send", "stream-64-nodelay"},
		{"recv", "recv-64-packet4"},
		{"bulk-send", "bulk-send-256K"},
		{"bulk-recv", "bulk-recv-256K"}, // by splice
		{"connect", "connect"},
	} {
		w := alone(all, t.of)
		w.name, w.section, w.drivers = "faults-"+t.name, sectionFaults, ruleDrivers
		add(w)
	}

	perSecond := metric{key: "per_second", unit: "msg/s", better: higher}
	cpuEach := metric{key: "cpu", label: "CPU", unit: "CPU s per 1M msg", better: lower}
	megabytes := metric{key: "mb_per_second", unit: "MB/s", better: higher}
	for _, limit := range []struct {
		name, title, call, args string
		metrics                 []metric
	}{
		{"send-64", "port_command of 64 B", "send", "size => 64, via => caller", []metric{perSecond, cpuEach}},
		{"send-64-hop", "port_command of 64 B, through another process", "send", "size => 64, via => hop", []metric{perSecond, cpuEach}},
		{"send-64K", "port_command of 64 KB", "send", "size => 65536, via => caller", []metric{megabytes}},
		{"send-1M", "port_command of 1 MB", "send", "size => 1048576, via => caller", []metric{megabytes}},
		{"recv-on", "frames of 64 KB, cut into messages of 64 B that are sent on", "recv_on", "", []metric{perSecond, cpuEach}},
		{"recv-64K", "frames of 64 KB", "recv", "size => 65600", []metric{megabytes}},
		{"recv-256K", "frames of 256 KB", "recv", "size => 262208", []metric{megabytes}},
		{"recv-1M", "frames of 1 MB", "recv", "size => 1048640", []metric{megabytes}},
	} {
		args := `program => "PEER"`
		if limit.args != "" {
			args += ", " + limit.args
		}
		add(workload{
			name: "pipe-" + limit.name, title: limit.title, section: sectionLimits,
			call: "bench_port," + limit.call, args: args, metrics: limit.metrics, drivers: []string{"pipe"},
		})
	}
	return all
}

// alone is the named one of the workloads with its first metric, to compare gentcp with itself.
func alone(all []workload, name string) workload {
	for _, w := range all {
		if w.name == name {
			m := w.metrics[0]
			w.metrics = []metric{{key: m.key, unit: m.unit, better: m.better}}
			return w
		}
	}
	panic("no workload " + name)
}

// selectWorkloads keeps those that one of the prefixes names, in the bench's
// order; every prefix must name something.
func selectWorkloads(all []workload, prefixes []string) ([]workload, error) {
	if len(prefixes) == 0 {
		return all, nil
	}
	chosen := make([]bool, len(all))
	for _, prefix := range prefixes {
		found := false
		for i, w := range all {
			if strings.HasPrefix(w.name, prefix) {
				chosen[i], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("no workload's name starts with %q; --list shows them", prefix)
		}
	}
	var selected []workload
	for i, w := range all {
		if chosen[i] {
			selected = append(selected, w)
		}
	}
	return selected, nil
}

// request is the line that asks a node for a measurement of about ms
// milliseconds.
func (w workload) request(ms int, file, peer string) string {
	ms *= max(1, w.longer)
	limit := fmt.Sprintf("ms => %d", ms)
	if w.perMs > 0 {
		limit = fmt.Sprintf("count => %d", w.perMs*ms)
	}
	args := strings.NewReplacer("FILE", file, "PEER", peer).Replace(w.args)
	if args != "" {
		args += ", "
	}
	return fmt.Sprintf("{%s,#{%s%s}}.\n", w.call, args, limit)
}
