package bench

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// plot draws the growth of a store: one picture for time and one for space.
func (r *report) plot(path string) error {
	if len(r.Growth) < 2 {
		return nil // a line needs two points
	}
	line := func(of func(growth) float64) plotter.XYs {
		var xy plotter.XYs
		for _, g := range r.Growth {
			xy = append(xy, plotter.XY{X: float64(g.Sessions), Y: of(g)})
		}
		return xy
	}
	err := draw(path+"-time.svg", "Time of one operation", "microseconds",
		"hot read", line(func(g growth) float64 { return g.HotReadNS / 1000 }),
		"cold read", line(func(g growth) float64 { return g.ColdReadUS }),
		"raw SELECT", line(func(g growth) float64 { return g.RawSelectUS }))
	if err != nil {
		return err
	}
	return draw(path+"-space.svg", "Space of one session", "bytes",
		"memory", line(func(g growth) float64 { return g.MemoryBytes }),
		"file", line(func(g growth) float64 { return g.FileBytes }))
}

func draw(path, title, unit string, lines ...any) error {
	return drawBy("sessions", path, title, unit, lines...)
}

// drawBy draws lines by the number of sessions, on a logarithmic scale, or by the minute.
func drawBy(x, path, title, unit string, lines ...any) error {
	p := plot.New()
	p.Title.Text = title
	p.X.Label.Text = x
	p.Y.Label.Text = unit
	if x == "sessions" {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	if err := plotutil.AddLinePoints(p, lines...); err != nil {
		return err
	}
	return p.Save(16*vg.Centimeter, 10*vg.Centimeter, path)
}
