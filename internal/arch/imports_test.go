package arch

import (
	"slices"
	"strconv"
	"strings"
)

// file checks one file: its imports, its size, and what it says.
func (c *checker) file(f *source) {
	c.size(f)
	for _, spec := range f.tree.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			c.report(f.line(spec.Pos()), "import", "%s cannot be read", spec.Path.Value)
			continue
		}
		where := f.line(spec.Pos())
		if why, ok := forbidden()[p]; ok && f.home != "bench" && (p != "unsafe" || f.room != unsafeRoom) {
			c.report(where, "forbidden-import", "%s: %s", p, why)
		}
		switch {
		case p == module || strings.HasPrefix(p, module+"/"):
			c.arrow(f, where, inside(p))
		case strings.Contains(strings.Split(p, "/")[0], "."):
			c.foreign(f, where, p)
		default:
			c.standard(f, where, p)
		}
	}
	c.syntax(f)
}

// inside turns an import path of the module into a room.
func inside(p string) string {
	if p == module {
		return "."
	}
	return strings.TrimPrefix(p, module+"/")
}

// arrow checks an import of another room.
func (c *checker) arrow(f *source, where, to string) {
	if f.home != "" {
		c.nestedArrow(f, where, to)
		return
	}
	r, drawn := c.rooms[f.room]
	if to == f.room { // an external test of its own package
		return
	}
	if !drawn && strings.HasPrefix(f.room, testRooms) {
		return
	}
	_, known := c.rooms[to]
	if f.test && (below(to, testsMayImport()) || strings.HasPrefix(to, testRooms) && !known) {
		return
	}
	if !slices.Contains(r.imports, to) {
		c.report(where, "arrow", "%s must not import %s", f.room, to)
		return
	}
	if !f.test {
		c.taken[f.room][to] = true
	}
}

// nestedArrow checks what a module that builds upon this one imports of it.
func (c *checker) nestedArrow(f *source, where, to string) {
	if below(to, []string{f.home}) {
		return
	}
	if slices.Contains(nested()[strings.Split(f.home, "/")[0]], to) {
		return
	}
	c.report(where, "arrow", "module %s must not import %s", f.home, to)
}

// foreign checks an import of other people's code. Nested modules are free.
func (c *checker) foreign(f *source, where, p string) {
	r, drawn := c.rooms[f.room]
	if f.home != "" || below(p, r.modules) || f.test && below(p, testModules()) {
		return
	}
	if !drawn && strings.HasPrefix(f.room, testRooms) {
		return
	}
	c.report(where, "foreign-import", "%s must not import %s", f.room, p)
}

// standard checks an import of the standard library.
func (c *checker) standard(f *source, where, p string) {
	r, drawn := c.rooms[f.room]
	if !drawn || f.test || f.home != "" {
		return
	}
	if f.core(r) && below(p, coreShuns()) {
		c.report(where, "core-import", "%s is of the core: it must not import %s", f.name, p)
	}
	if below(p, r.shuns) && !below(p, r.stdlib) {
		c.report(where, "shunned-import", "%s refuses to know %s", f.room, p)
	}
	if below(p, guarded()) && !below(p, r.stdlib) {
		c.report(where, "guarded-import", "%s must not import %s", f.room, p)
	}
}
