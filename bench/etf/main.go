// Command etf runs the benchmarks of the package etf, and writes bench/ETF.md to
// standard output:
//
//	go run ./bench/etf > bench/ETF.md
//
// The benchmarks, those of a running erl among them, run in rounds, one after
// another, so that what else the machine does meets all of them; the lowest counts.
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

func main() {
	log.SetFlags(0)
	rounds := flag.Int("rounds", 9, "rounds of all benchmarks")
	flag.Parse()
	dir, err := os.MkdirTemp("", "etf-bench")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "etf.test")
	if out, err := exec.Command("go", "test", "-c", "-o", binary, "./etf").CombinedOutput(); err != nil {
		log.Fatalf("%v\n%s", err, out)
	}
	r := results{}
	for i := range *rounds {
		log.Printf("round %d of %d", i+1, *rounds)
		cmd := exec.Command(binary, "-test.run", "^$", "-test.bench", ".", "-test.benchtime", "50ms")
		cmd.Dir = "etf"
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			log.Fatalf("%v\n%s", err, out)
		}
		r.read(out)
	}
	r.write(*rounds)
}

// results holds what each round measured, by benchmark and unit.
type results map[string][]float64

func (r results) read(out []byte) {
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			name = name[:i]
		}
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				r[name+" "+fields[i+1]] = append(r[name+" "+fields[i+1]], v)
			}
		}
	}
}

// lowest is the least disturbed round. It still is a mean of many operations,
// the collector's work for them included.
func (r results) lowest(key string) float64 {
	if len(r[key]) == 0 {
		log.Fatalf("no result for %s", key)
	}
	return slices.Min(r[key])
}

// payloads is the names in etf/bench_test.go, what they are, and how many times
// the BEAM's time they may take.
var payloads = []struct {
	name, what string
	target     float64
}{
	{"tcp_1k", "{tcp, 17, 1 KB binary}", 1},
	{"send_64k", "{send, 17, 64 KB binary}", 1},
	{"listen", "{Ref, Pid, {listen, Port, 6 options}}", 1.5},
	{"integers", "1000 integers above 255", 1.5},
	{"atoms", "1000 atoms of 20 names", 1},
	{"nested_map", "nested map, 50 keys, binary keys too", 1.5},
	{"http_request", "an http_request tuple", 1.5},
}

func (r results) write(rounds int) {
	fmt.Printf(`# Speed of etf

Written by %sgo run ./bench/etf%s: the lowest of %d rounds, ns for one operation
and, after the comma, allocations. Machine: %s, %d processors that others use as
well, %s, %s, OTP %s.

Speeds on such a machine drift by a factor of two within minutes, and more with
what else runs there. So all benchmarks took turns, and of each the round counts
that was disturbed least. What can be compared is the columns of one table.

## Term model beside the BEAM

binary_to_term/1 and term_to_binary/1 were timed by the BEAM itself. "alias" is
Decode with the option Alias, so that binaries and atoms point into the input;
"append" is Append to a slice that is used again, Marshal makes a new one. A
ratio below 1 is faster than the BEAM.

The Go benchmarks hold 64 MB of memory, as a program that does more than decode
would: with an empty heap, Go's collector runs without a pause.

| payload | decode | decode, alias | BEAM decode | ratio, alias | target | append | Marshal | BEAM encode | ratio, append | target |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
`, "`", "`", rounds, processor(), runtime.NumCPU(), runtime.GOOS+"/"+runtime.GOARCH, runtime.Version(), release())
	for _, p := range payloads {
		beamDecode, beamEncode := r.lowest("BEAM/"+p.name+" decode-ns/op"), r.lowest("BEAM/"+p.name+" encode-ns/op")
		copied, alias := r.lowest("Decode/"+p.name+"/copy ns/op"), r.lowest("Decode/"+p.name+"/alias ns/op")
		appended := r.lowest("Encode/" + p.name + " ns/op")
		fmt.Printf("| %s | %s | %s | %.0f | %.2f (%.2f) | %.1f | %s | %s | %.0f | %.2f | %.1f |\n",
			p.what, r.cell("Decode/"+p.name+"/copy"), r.cell("Decode/"+p.name+"/alias"), beamDecode, copied/beamDecode, alias/beamDecode, p.target,
			r.cell("Encode/"+p.name), r.cell("Marshal/"+p.name), beamEncode, appended/beamEncode, p.target)
	}
	fmt.Print(`
The ratio of a decode is given for copied payloads first, for aliased ones in
brackets. The target for 64 KB is for payloads that alias the input.

## Scanner and Append functions

The messages of a driver: {tcp, 17, Pid, Data} out and {send, 17, Data} in, with
1 KB of data that is neither copied nor looked at. The target is no allocation
and less than 60 ns. "skip" steps over a whole term of the table above.

| benchmark | ns, allocations |
| --- | --- |
`)
	for _, name := range []string{"append/tcp_event", "append/send", "scan/tcp_event", "scan/send"} {
		fmt.Printf("| %s | %s |\n", strings.ReplaceAll(name, "/", " "), r.cell("Hot/"+name))
	}
	for _, p := range payloads {
		fmt.Printf("| skip %s | %s |\n", p.what, r.cell("Skip/"+p.name))
	}
	fmt.Print(`
## Marshal and Unmarshal beside encoding/json

The same struct of numbers, texts, a map and two slices.

| | etf | encoding/json | ratio |
| --- | --- | --- | --- |
`)
	for _, name := range []string{"marshal", "unmarshal"} {
		fmt.Printf("| %s | %s | %s | %.2f |\n", name, r.cell("Struct/etf/"+name), r.cell("Struct/json/"+name),
			r.lowest("Struct/etf/"+name+" ns/op")/r.lowest("Struct/json/"+name+" ns/op"))
	}
}

func (r results) cell(name string) string {
	ns := r.lowest(name + " ns/op")
	format := "%.0f, %.0f"
	if ns < 100 {
		format = "%.1f, %.0f"
	}
	return fmt.Sprintf(format, ns, r.lowest(name+" allocs/op"))
}

func processor() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(data)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	}
	return "unknown processor"
}

func release() string {
	out, err := exec.Command("erl", "-noinput", "-eval", `io:put_chars(erlang:system_info(otp_release)), halt().`).Output()
	if err != nil {
		log.Fatal(err)
	}
	return string(out)
}
