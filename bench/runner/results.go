package main

import (
	"encoding/json"
	"os"
	"time"
)

// results is what a run measured; results.json holds it.
type results struct {
	Machine  machine   `json:"machine"`
	Started  time.Time `json:"started"`
	Took     string    `json:"took"`
	Rounds   int       `json:"rounds"`
	Millis   int       `json:"milliseconds_each"`
	Quick    bool      `json:"quick"`
	Notes    []string  `json:"notes,omitempty"`    // what was left out, and why
	Failures []string  `json:"failures,omitempty"` // measurements that gave an error
	Rows     []*row    `json:"rows"`
}

// A row is one metric of one workload for all drivers.
type row struct {
	Workload string    `json:"workload"`
	Metric   string    `json:"metric"`
	Title    string    `json:"title"`
	Section  string    `json:"section"`
	Unit     string    `json:"unit"`
	Better   direction `json:"better"`

	Drivers []string            `json:"drivers"` // in the order of the columns
	Samples map[string][]sample `json:"samples"`
	Values  map[string]summary  `json:"values"`
	Ratios  []ratio             `json:"ratios"`
	Targets []target            `json:"targets,omitempty"`
}

// A ratio compares two drivers round by round.
type ratio struct {
	Driver  string `json:"driver"`
	Against string `json:"against"`
	summary
}

// A target is what gentcp should reach: a ratio against a driver, or with no
// driver an absolute value. Reached is nil where gentcp was not measured.
type target struct {
	Against string  `json:"against,omitempty"`
	Bound   float64 `json:"bound"`
	Reached *bool   `json:"reached,omitempty"`
}

func newRow(w workload, m metric, drivers []string) *row {
	title := w.title
	if m.label != "" {
		title += ": " + m.label
	}
	r := &row{
		Workload: w.name, Metric: m.key, Title: title, Section: w.section,
		Unit: m.unit, Better: m.better,
		Drivers: drivers, Samples: map[string][]sample{},
	}
	for _, t := range []target{{Against: "stock", Bound: m.ofStock}, {Against: "socket", Bound: m.ofSocket}, {Bound: m.absolute}} {
		if t.Bound > 0 {
			r.Targets = append(r.Targets, t)
		}
	}
	return r
}

func (r *row) add(driver string, round int, value float64) {
	r.Samples[driver] = append(r.Samples[driver], sample{round, value})
}

// summarize works out medians, ratios and whether the targets are reached.
func (r *row) summarize() {
	r.Values = map[string]summary{}
	r.Ratios = nil
	for _, driver := range r.Drivers {
		if s, ok := summarize(values(r.Samples[driver])); ok {
			r.Values[driver] = s
		}
	}
	for i, driver := range r.Drivers {
		for _, against := range r.Drivers[:i] {
			if s, ok := summarize(ratios(r.Samples[driver], r.Samples[against])); ok {
				r.Ratios = append(r.Ratios, ratio{driver, against, s})
			}
		}
	}
	for i := range r.Targets {
		r.Targets[i].Reached = r.reached(r.Targets[i])
	}
}

func (r *row) reached(t target) *bool {
	value, ok := r.Values["gentcp"]
	if t.Against != "" {
		value, ok = r.ratio("gentcp", t.Against)
	}
	if !ok {
		return nil
	}
	reached := value.Median <= t.Bound
	if r.Better == higher {
		reached = value.Median >= t.Bound
	}
	return &reached
}

func (r *row) ratio(driver, against string) (summary, bool) {
	for _, x := range r.Ratios {
		if x.Driver == driver && x.Against == against {
			return x.summary, true
		}
	}
	return summary{}, false
}

func (r *results) writeJSON(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
