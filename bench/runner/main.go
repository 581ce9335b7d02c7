// Command runner is the bench of gentcp: it measures stock inet, the socket
// backend and gentcp in turns and prints what it found as a table of absolutes
// and ratios. ../run builds what it needs and starts it.
//
// It is a Go module of its own so that the plotting library, which only this
// command needs, is no dependency of gentcp's module.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A quick run ends within two minutes, with building and closing.
const quickBudget = 100 * time.Second

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func command(args []string) error {
	flags := flag.NewFlagSet("bench/run", flag.ExitOnError)
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "Usage: bench/run [flags]\n\nMeasures gentcp against the other TCP drivers of Erlang.\n\nFlags:")
		flags.PrintDefaults()
	}
	quick := flags.Bool("quick", false, "everything with less accuracy, in under 2 minutes")
	only := flags.String("only", "", "workloads to run, as `names` or their beginnings with commas between: echo,stream-64")
	drivers := flags.String("drivers", "stock,socket,gentcp", "drivers to compare, the base first; gentcp4 is gentcp with 4 port programs, gentcp:FLAG has its port program started with -FLAG, gentcp+rule a rule for faults; `names` with commas between")
	rounds := flags.Int("rounds", 0, "how often each workload is measured on each driver (default 9, quick 3)")
	millis := flags.Int("ms", 0, "about how many milliseconds one measurement takes (default 300, quick 150)")
	budget := flags.Duration("budget", 0, "start no measurement after this time (default none, quick 100s)")
	out := flags.String("out", "", "`directory` for results.json, results.svg and RESULTS.md (default bench/ for a full run, _build/bench/ otherwise)")
	list := flags.Bool("list", false, "print the workloads and end")
	root := flags.String("root", ".", "the repository's top `directory`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *rounds < 0 || *millis < 0 {
		return errors.New("--rounds and --ms cannot be negative")
	}

	workloads, err := selectWorkloads(allWorkloads(), words(*only))
	if err != nil {
		return err
	}
	if *list {
		for _, w := range workloads {
			fmt.Printf("%-18s %s\n", w.name, w.title)
		}
		return nil
	}
	names := words(*drivers)
	for _, name := range names {
		if _, err := parseDriver(name); err != nil {
			return err
		}
	}
	r := &run{
		paths:   paths{root: *root, build: filepath.Join(*root, "_build", "bench")},
		drivers: names, workloads: workloads, progress: os.Stderr,
		rounds: 9, millis: 300, budget: *budget,
	}
	if *quick {
		r.makeQuick(*only == "")
	}
	if *rounds > 0 {
		r.rounds = *rounds
	}
	if *millis > 0 {
		r.millis = *millis
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	results, err := r.do(ctx)
	if err != nil {
		return err
	}
	results.Quick = *quick
	if *out == "" {
		*out = r.paths.build
		if full := !*quick && *only == "" && len(names) == 3 && ctx.Err() == nil; full {
			*out = filepath.Join(*root, "bench")
		}
	}
	results.writeTables(os.Stdout)
	if err := results.write(*out); err != nil {
		return err
	}
	fmt.Printf("\nTook %s; written to %s\n", results.Took, *out)
	if len(results.Failures) > 0 {
		return fmt.Errorf("%d measurements failed", len(results.Failures))
	}
	return nil
}

// makeQuick trades accuracy for time. Slow workloads run once, and without a
// selection the slowest not at all.
func (r *run) makeQuick(leaveOut bool) {
	r.rounds, r.millis = 3, 150
	if r.budget == 0 {
		r.budget = quickBudget
	}
	var kept []workload
	for _, w := range r.workloads {
		if w.full && leaveOut {
			continue
		}
		if w.connections > 0 || w.section == sectionTechniques || w.section == sectionFaults || w.section == sectionLimits {
			w.rounds = 1
		}
		kept = append(kept, w)
	}
	r.workloads = kept
}

func (r *results) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := r.writeJSON(filepath.Join(dir, "results.json")); err != nil {
		return err
	}
	if len(r.chartRows()) > 0 {
		if err := r.writeChart(filepath.Join(dir, "results.svg")); err != nil {
			return err
		}
	}
	var text bytes.Buffer
	r.writeMarkdown(&text)
	return os.WriteFile(filepath.Join(dir, "RESULTS.md"), text.Bytes(), 0o644)
}

func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
