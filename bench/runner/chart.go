package main

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

var chartColors = map[string]color.Color{
	"socket": color.RGBA{R: 0x9a, G: 0xa5, B: 0xb1, A: 0xff},
	"gentcp": color.RGBA{R: 0x1f, G: 0x77, B: 0xb4, A: 0xff},
}

// writeChart draws how many times as good as stock inet the other drivers are,
// on a logarithmic scale: a bar to the right is better than stock.
func (r *results) writeChart(file string) error {
	rows := r.chartRows()
	p := plot.New()
	p.Title.Text = "Speed against stock inet (longer to the right is better)"
	p.X.Label.Text = "times stock inet, logarithmic"
	p.X.Tick.Marker = doublings{}
	p.Legend.Top = true
	p.Add(plotter.NewGrid())

	var drivers []string
	for _, driver := range []string{"socket", "gentcp"} {
		if slices.ContainsFunc(rows, func(row *row) bool { _, ok := row.ratio(driver, "stock"); return ok }) {
			drivers = append(drivers, driver)
		}
	}
	const width = 9 // points
	for i, driver := range drivers {
		lengths := make(plotter.Values, len(rows))
		for n, row := range rows {
			// A row without this driver has a bar of no length.
			lengths[len(rows)-1-n] = doublingsAhead(row, driver)
		}
		bars, err := plotter.NewBarChart(lengths, vg.Points(width))
		if err != nil {
			return fmt.Errorf("bars of %s: %w", driver, err)
		}
		bars.Horizontal = true
		bars.LineStyle.Width = 0
		bars.Color = chartColors[driver]
		bars.Offset = vg.Points(width * (float64(len(drivers)-1)/2 - float64(i)))
		p.Add(bars)
		p.Legend.Add(driver, bars)
	}
	titles := make([]string, len(rows))
	for n, row := range rows {
		titles[len(rows)-1-n] = row.Title
	}
	p.NominalY(titles...)
	p.X.Min = math.Min(p.X.Min, -1)
	p.X.Max = math.Max(p.X.Max, 1)
	height := vg.Points(float64(80 + len(rows)*(width*len(drivers)+8)))
	return p.Save(11*vg.Inch, height, file)
}

// chartRows are those that compare with stock; the costs in memory and the
// start, where gentcp only has a limit of its own, are not among them.
func (r *results) chartRows() []*row {
	var rows []*row
	for _, row := range r.Rows {
		comparable := row.Section == sectionTargets || row.Section == sectionLatency ||
			row.Section == sectionCost && row.Metric == "beam"
		if comparable && len(row.Ratios) > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

func doublingsAhead(r *row, driver string) float64 {
	ratio, ok := r.ratio(driver, "stock")
	if !ok || ratio.Median <= 0 {
		return 0
	}
	if r.Better == lower {
		return -math.Log2(ratio.Median)
	}
	return math.Log2(ratio.Median)
}

// doublings marks whole powers of two.
type doublings struct{}

func (doublings) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for n := math.Ceil(low); n <= math.Floor(high); n++ {
		ticks = append(ticks, plot.Tick{Value: n, Label: fmt.Sprintf("%gx", math.Exp2(n))})
	}
	return ticks
}
