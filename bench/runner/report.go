package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// writeTables prints one table for each section, as aligned Markdown, which
// reads well in a terminal too.
func (r *results) writeTables(out io.Writer) {
	var section string
	var rows []*row
	flush := func() {
		if len(rows) > 0 {
			fmt.Fprintf(out, "\n## %s\n\n", section)
			writeTable(out, tableOf(rows))
			rows = nil
		}
	}
	for _, row := range r.Rows {
		if row.Section != section {
			flush()
			section = row.Section
		}
		if len(row.Values) > 0 {
			rows = append(rows, row)
		}
	}
	flush()
	for _, note := range r.Notes {
		fmt.Fprintf(out, "\nNote: %s.\n", note)
	}
	for _, failure := range r.Failures {
		fmt.Fprintf(out, "\nFailed: %s\n", failure)
	}
}

// tableOf has the absolutes, then the ratios, then the targets. The rows of a
// section have the same drivers.
func tableOf(rows []*row) [][]string {
	drivers := rows[0].Drivers
	pairs := ratioColumns(drivers)
	withTargets := slices.ContainsFunc(rows, func(r *row) bool { return len(r.Targets) > 0 })

	header := append([]string{"workload", "unit"}, drivers...)
	for _, pair := range pairs {
		header = append(header, pair[0]+"/"+pair[1])
	}
	if withTargets {
		header = append(header, "targets of gentcp")
	}
	table := [][]string{header}
	for _, r := range rows {
		unit := r.Unit
		if r.Better == higher {
			unit += " ↑"
		} else {
			unit += " ↓"
		}
		line := []string{r.Title, unit}
		for _, driver := range drivers {
			value, ok := r.Values[driver]
			line = append(line, cell(value, ok, number))
		}
		for _, pair := range pairs {
			value, ok := r.ratio(pair[0], pair[1])
			line = append(line, cell(value, ok, ratioText))
		}
		if withTargets {
			line = append(line, r.targetText())
		}
		table = append(table, line)
	}
	return table
}

// ratioColumns compares everything with the first driver, and gentcp with
// every other too.
func ratioColumns(drivers []string) [][2]string {
	var pairs [][2]string
	for i, driver := range drivers {
		for j, against := range drivers[:i] {
			if j == 0 || driver == "gentcp" {
				pairs = append(pairs, [2]string{driver, against})
			}
		}
	}
	return pairs
}

func (r *row) targetText() string {
	sign := "≤"
	if r.Better == higher {
		sign = "≥"
	}
	texts := make([]string, len(r.Targets))
	for i, t := range r.Targets {
		text := fmt.Sprintf("%s %g", sign, t.Bound)
		if t.Against == "" {
			text += " " + r.Unit
		} else {
			text += "x " + t.Against
		}
		if t.Reached != nil && *t.Reached {
			text += " reached"
		} else if t.Reached != nil {
			text += " **not reached**"
		}
		texts[i] = text
	}
	return strings.Join(texts, ", ")
}

func cell(s summary, ok bool, text func(float64) string) string {
	switch {
	case !ok:
		return "-"
	case s.Min == s.Max:
		return text(s.Median)
	default:
		return fmt.Sprintf("%s (%s-%s)", text(s.Median), text(s.Min), text(s.Max))
	}
}

// number shows three significant digits, and k and M for large values.
func number(x float64) string {
	switch size := math.Abs(x); {
	case size >= 999.5e3:
		return significant(x/1e6) + "M"
	case size >= 9995:
		return significant(x/1e3) + "k"
	default:
		return significant(x)
	}
}

func significant(x float64) string {
	switch size := math.Abs(x); {
	case size >= 99.95:
		return fmt.Sprintf("%.0f", x)
	case size >= 9.995:
		return fmt.Sprintf("%.1f", x)
	default:
		return fmt.Sprintf("%.2f", x)
	}
}

func ratioText(x float64) string { return number(x) + "x" }

func writeTable(out io.Writer, table [][]string) {
	widths := make([]int, len(table[0]))
	for _, line := range table {
		for i, text := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	for n, line := range table {
		for i, text := range line {
			fmt.Fprintf(out, "| %s%s ", text, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)))
		}
		fmt.Fprintln(out, "|")
		if n == 0 {
			for _, width := range widths {
				fmt.Fprintf(out, "| %s ", strings.Repeat("-", width))
			}
			fmt.Fprintln(out, "|")
		}
	}
}

// writeMarkdown writes RESULTS.md.
func (r *results) writeMarkdown(out io.Writer) {
	how := "make bench"
	if r.Quick {
		how = "make bench-quick"
	}
	m := r.Machine
	fmt.Fprintf(out, `# Results

Written by %s; how to read and repeat it: README.md next to this file.

| | |
| --- | --- |
| date | %s, took %s |
| revision | %s |
| machine | %s, %d cores, %s memory |
| load average before the run | %s |
| kernel | %s |
| Erlang/OTP | %s |
| Go | %s |
| rounds | %d, about %d ms a measurement |

Each cell is the median over the rounds, with the least and the most in
brackets. A ratio is taken between two drivers within a round, and then the
median of those. ↓: less is better; ↑: more is better.

![Speed against stock inet](results.svg)
`, how, r.Started.UTC().Format("2006-01-02 15:04 MST"), r.Took, m.Revision, m.CPU, m.Cores, m.Memory, m.Load,
		m.Kernel, m.OTP, m.Go, r.Rounds, r.Millis)
	r.writeTables(out)
}
