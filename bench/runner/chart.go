package main

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

var chartColors = map[string]color.Color{
	"socket": color.RGBA{R: 0x9a, G: 0xa5, B: 0xb1, A: 0xff},
	"gentcp": color.RGBA{R: 0x1f, G: 0x77, B: 0xb4, A: 0xff},
}

// writeChart draws how many times as good as stock inet the other drivers are,
// on a logarithmic scale: a bar to the right is better than stock. A mark shows
// what gentcp should reach.
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
	if points := targetPoints(rows); len(points) > 0 {
		marks, err := plotter.NewScatter(points)
		if err != nil {
			return fmt.Errorf("marks of targets: %w", err)
		}
		marks.Shape = draw.PlusGlyph{}
		marks.Radius = vg.Points(5)
		marks.Color = color.RGBA{R: 0xd6, G: 0x27, B: 0x28, A: 0xff}
		p.Add(marks)
		p.Legend.Add("target of gentcp", marks)
	}

	titles := make([]string, len(rows))
	for n, row := range rows {
		titles[len(rows)-1-n] = row.Title
	}
	p.NominalY(titles...)
	p.Y.Max = float64(len(rows)) + 2 // room for the legend
	p.X.Min = math.Min(p.X.Min-0.2, -1)
	p.X.Max = math.Max(p.X.Max+0.2, 1)
	height := vg.Points(float64(80 + len(rows)*(width*len(drivers)+8)))
	return p.Save(11*vg.Inch, height, file)
}

func targetPoints(rows []*row) plotter.XYs {
	var points plotter.XYs
	for n, row := range rows {
		for _, t := range row.Targets {
			if t.Against == "stock" {
				points = append(points, plotter.XY{X: doublingsOf(t.Bound, row.Better), Y: float64(len(rows) - 1 - n)})
			}
		}
	}
	return points
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
	return doublingsOf(ratio.Median, r.Better)
}

func doublingsOf(ratio float64, better direction) float64 {
	if better == lower {
		return -math.Log2(ratio)
	}
	return math.Log2(ratio)
}

// doublings marks whole powers of two.
type doublings struct{}

func (doublings) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for n := math.Ceil(low); n <= math.Floor(high); n++ {
		label := fmt.Sprintf("%gx", math.Exp2(n))
		if n < 0 {
			label = fmt.Sprintf("1/%g", math.Exp2(-n))
		}
		ticks = append(ticks, plot.Tick{Value: n, Label: label})
	}
	return ticks
}
