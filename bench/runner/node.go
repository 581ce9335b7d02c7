package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A node is a BEAM under test, running bench_node with one driver.
type node struct {
	stdin  io.WriteCloser
	lines  chan string
	stop   context.CancelFunc
	exited chan struct{}
}

// paths says where the built parts are.
type paths struct {
	root  string // of the repository
	build string // of the bench: ebin/ and peer
}

// A driverSpec is what a driver's name on the command line stands for.
type driverSpec struct {
	driver string   // for bench_driver
	shards int      // port programs of gentcp, 0 for the default
	flags  []string // of the port program
	rule   bool     // for faults, which matches nothing that the bench opens
}

// withRule is the end of the name of a driver with a rule for faults.
const withRule = "+rule"

// parseDriver takes a driver's name apart: gentcp4 is gentcp with four port programs, and
// gentcp:busy-wait=0 has its port program started with -busy-wait=0; gentcp+rule has a rule for faults.
func parseDriver(name string) (driverSpec, error) {
	parts := strings.Split(name, ":")
	var d driverSpec
	d.driver, d.rule = strings.CutSuffix(parts[0], withRule)
	for _, flag := range parts[1:] {
		d.flags = append(d.flags, "-"+flag)
	}
	if number := strings.TrimPrefix(d.driver, "gentcp"); number != d.driver && number != "" {
		shards, err := strconv.Atoi(number)
		if err != nil || shards <= 0 {
			return d, fmt.Errorf("driver %q: want gentcpN with a number of port programs", name)
		}
		d.driver, d.shards = "gentcp", shards
	}
	switch {
	case d.driver != "stock" && d.driver != "socket" && d.driver != "gentcp" && d.driver != "pipe":
		return d, fmt.Errorf("unknown driver %q: want stock, socket, gentcp, gentcpN for N port programs, gentcp:FLAG or gentcp+rule", name)
	case d.driver != "gentcp" && len(d.flags) > 0:
		return d, fmt.Errorf("driver %q: only gentcp has a port program with flags", name)
	case d.driver != "gentcp" && d.rule:
		return d, fmt.Errorf("driver %q: only gentcp has rules for faults", name)
	}
	return d, nil
}

// arguments are those of erl that make gentcp what the driver's name says.
func (d driverSpec) arguments() []string {
	var args []string
	if d.shards > 0 {
		args = append(args, "-gentcp", "shards", strconv.Itoa(d.shards))
	}
	if len(d.flags) > 0 {
		args = append(args, "-gentcp", "port_args", fmt.Sprintf(`["%s"]`, strings.Join(d.flags, `","`)))
	}
	if d.rule {
		args = append(args, "-eval", "{ok, _} = gentcp_fault:add({peer, {port, 1}}, blackhole).")
	}
	return args
}

func startNode(ctx context.Context, p paths, peerPort int, driverName string) (*node, error) {
	spec, err := parseDriver(driverName)
	if err != nil {
		return nil, err
	}
	args := []string{"-noshell", "-pa", filepath.Join(p.build, "ebin")}
	if spec.driver == "gentcp" {
		args = append(args, "-pa", filepath.Join(p.root, "_build", "default", "lib", "gentcp", "ebin"))
		args = append(args, spec.arguments()...)
	}
	args = append(args, "-s", "bench_node", "main", "-extra", strconv.Itoa(peerPort), spec.driver)

	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, "erl", args...)
	cmd.Env = append(os.Environ(), "ERL_CRASH_DUMP_SECONDS=0")
	cmd.Stderr = os.Stderr
	// A port program that outlives its node would keep stderr open.
	cmd.WaitDelay = time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	n := &node{stdin: stdin, lines: make(chan string, 64), stop: cancel, exited: make(chan struct{})}
	go func() {
		defer close(n.exited)
		defer close(n.lines)
		scanner := bufio.NewScanner(stdout)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			if answer, ok := strings.CutPrefix(scanner.Text(), "bench "); ok {
				n.lines <- answer
			} else {
				fmt.Fprintf(os.Stderr, "%s node: %s\n", driverName, scanner.Text())
			}
		}
		_ = cmd.Wait() // how a node ends is of no interest: its answers were
	}()
	return n, nil
}

// A measurementError is what the node says went wrong with a measurement; the
// node itself is well.
type measurementError struct{ reason string }

func (e *measurementError) Error() string { return e.reason }

// measure asks for a measurement. After any error but a measurementError the
// node is of no use.
func (n *node) measure(ctx context.Context, request string, timeout time.Duration) (map[string]float64, error) {
	if _, err := io.WriteString(n.stdin, request); err != nil {
		return nil, fmt.Errorf("the node is gone: %w", err)
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case line, open := <-n.lines:
		if !open {
			return nil, errors.New("the node ended")
		}
		return parseAnswer(line)
	case <-timer.C:
		return nil, fmt.Errorf("no answer within %v", timeout)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func parseAnswer(line string) (map[string]float64, error) {
	var answer struct {
		OK    map[string]float64 `json:"ok"`
		Error string             `json:"error"`
	}
	if err := json.Unmarshal([]byte(line), &answer); err != nil {
		return nil, fmt.Errorf("answer %q: %w", line, err)
	}
	if answer.Error != "" {
		return nil, &measurementError{answer.Error}
	}
	return answer.OK, nil
}

// close ends the node, at first politely.
func (n *node) close() {
	n.stdin.Close()
	select {
	case <-n.exited:
	case <-time.After(3 * time.Second):
		n.stop()
		<-n.exited
	}
	n.stop()
}

// kill ends a node that does not answer.
func (n *node) kill() {
	n.stop()
	<-n.exited
}

// startPeer starts the process at the far end and returns its port. It ends
// with ctx.
func startPeer(ctx context.Context, p paths) (port int, err error) {
	cmd := exec.CommandContext(ctx, filepath.Join(p.build, "peer"))
	cmd.Stderr = os.Stderr
	// The peer ends when its stdin does, should this process be killed.
	if _, err := cmd.StdinPipe(); err != nil {
		return 0, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("the peer printed no port: %w", err)
	}
	return strconv.Atoi(strings.TrimSpace(line))
}
