package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	answerTimeout = 30 * time.Second
	// Fresh nodes hold up to 10,000 connections.
	freshTimeout = 90 * time.Second
	sendfileSize = 100_000_000
	// A workload that fails this often on a driver is not tried there again.
	maxFailures = 3
)

// A run measures workloads on drivers, round by round: within a round each
// workload is measured on all drivers, one after the other, and the order of
// the drivers turns from round to round.
type run struct {
	paths     paths
	workloads []workload
	drivers   []string
	rounds    int
	millis    int
	budget    time.Duration // 0 for none
	progress  io.Writer

	peerPort int
	file     string // for sendfile
	nodes    map[string]*node
	failed   map[string]int  // failures by workload and driver
	rows     map[string]*row // by workload and metric
	results  *results
}

func (r *run) do(ctx context.Context) (*results, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r.nodes, r.failed, r.rows = map[string]*node{}, map[string]int{}, map[string]*row{}
	r.results = &results{Machine: describeMachine(r.paths.root), Started: time.Now(), Rounds: r.rounds, Millis: r.millis}
	defer r.closeNodes()

	var err error
	if r.peerPort, err = startPeer(ctx, r.paths); err != nil {
		return nil, fmt.Errorf("the peer: %w", err)
	}
	if err := r.makeFile(); err != nil {
		return nil, err
	}
	defer os.RemoveAll(filepath.Dir(r.file))
	r.leaveOutLarge()
	if r.drivers = r.available(ctx, r.drivers); len(r.drivers) == 0 {
		return nil, errors.New("no driver is available")
	}
	// gentcp with one port program and with several is looked at only where
	// gentcp itself is.
	withShards := slices.Contains(r.drivers, "gentcp")
	r.workloads = slices.DeleteFunc(r.workloads, func(w workload) bool { return w.drivers != nil && !withShards })
	for _, w := range r.workloads {
		for _, m := range w.metrics {
			row := newRow(w, m, r.driversOf(w))
			r.rows[w.name+" "+m.key] = row
			r.results.Rows = append(r.results.Rows, row)
		}
	}

	r.measureAll(ctx)
	for _, row := range r.results.Rows {
		row.summarize()
	}
	r.results.Took = time.Since(r.results.Started).Round(time.Second).String()
	return r.results, nil
}

func (r *run) measureAll(ctx context.Context) {
	for round := 1; round <= r.rounds; round++ {
		for _, w := range r.workloads {
			if w.rounds > 0 && round > w.rounds {
				continue
			}
			if ctx.Err() != nil {
				r.note("interrupted in round %d of %d", round, r.rounds)
				return
			}
			if r.budget > 0 && time.Since(r.results.Started) > r.budget {
				r.note("out of time in round %d of %d, at %s", round, r.rounds, w.name)
				return
			}
			r.measureWorkload(ctx, w, round)
		}
	}
}

func (r *run) measureWorkload(ctx context.Context, w workload, round int) {
	line := fmt.Sprintf("%d/%d  %-18s", round, r.rounds, w.name)
	drivers := r.driversOf(w)
	for i := range drivers {
		driver := drivers[(i+round-1)%len(drivers)]
		key := w.name + " " + driver
		if r.failed[key] >= maxFailures || ctx.Err() != nil {
			continue
		}
		values, err := r.measure(ctx, w, driver)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			r.failed[key]++
			if !isMeasurementError(err) {
				r.failed[key] = maxFailures // waiting for it again takes too long
			}
			failure := fmt.Sprintf("%s on %s: %v", w.name, driver, err)
			r.results.Failures = append(r.results.Failures, failure)
			fmt.Fprintln(r.progress, "failed:", failure)
			continue
		}
		var shown []string
		for _, m := range w.metrics {
			if value, ok := values[m.key]; ok {
				r.rows[w.name+" "+m.key].add(driver, round, value)
				shown = append(shown, number(value))
			}
		}
		line += fmt.Sprintf("  %s %s", driver, strings.Join(shown, "/"))
	}
	fmt.Fprintln(r.progress, line+"  "+w.metrics[0].unit)
}

func (r *run) measure(ctx context.Context, w workload, driver string) (map[string]float64, error) {
	request := w.request(r.millis, r.file, filepath.Join(r.paths.build, "peer"))
	if driver == without {
		driver = "gentcp:" + w.without
	}
	if w.fresh {
		n, err := startNode(ctx, r.paths, r.peerPort, driver)
		if err != nil {
			return nil, err
		}
		defer n.close()
		values, err := n.measure(ctx, request, freshTimeout)
		if err != nil && !isMeasurementError(err) {
			n.kill()
		}
		return values, err
	}
	n := r.nodes[driver]
	if n == nil {
		var err error
		if n, err = startNode(ctx, r.paths, r.peerPort, driver); err != nil {
			return nil, err
		}
		r.nodes[driver] = n
	}
	values, err := n.measure(ctx, request, answerTimeout)
	if err != nil && !isMeasurementError(err) {
		n.kill()
		delete(r.nodes, driver)
	}
	return values, err
}

func isMeasurementError(err error) bool {
	var measurement *measurementError
	return errors.As(err, &measurement)
}

// available keeps the drivers that make one connection, and says which do not.
func (r *run) available(ctx context.Context, drivers []string) []string {
	check := workload{call: "bench_driver,check"}
	return slices.DeleteFunc(slices.Clone(drivers), func(driver string) bool {
		_, err := r.measure(ctx, check, driver)
		if err != nil {
			r.note("driver %s is not available and was skipped: %v", driver, err)
		}
		return err != nil
	})
}

// leaveOutLarge drops the workloads that need more file descriptors than this
// machine gives a process.
func (r *run) leaveOutLarge() {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return
	}
	r.workloads = slices.DeleteFunc(r.workloads, func(w workload) bool {
		tooLarge := uint64(w.connections)+500 > limit.Cur
		if tooLarge {
			r.note("%s was skipped: it needs more than the %d file descriptors of ulimit -n", w.name, limit.Cur)
		}
		return tooLarge
	})
}

func (r *run) note(format string, args ...any) {
	note := fmt.Sprintf(format, args...)
	r.results.Notes = append(r.results.Notes, note)
	fmt.Fprintln(r.progress, note)
}

func (r *run) driversOf(w workload) []string {
	if w.drivers != nil {
		return w.drivers
	}
	return r.drivers
}

func (r *run) makeFile() error {
	dir, err := os.MkdirTemp("", "gentcp-bench")
	if err != nil {
		return err
	}
	r.file = filepath.Join(dir, "file")
	if !slices.ContainsFunc(r.workloads, func(w workload) bool { return strings.Contains(w.args, "FILE") }) {
		return nil
	}
	return os.WriteFile(r.file, make([]byte, sendfileSize), 0o600)
}

func (r *run) closeNodes() {
	for _, n := range r.nodes {
		n.close()
	}
}
