package arch

import (
	"slices"
	"strconv"
	"strings"
)

// file checks one file: imports, sizes and code.
func (c *checker) file(f *source) {
	c.size(f)
	for _, spec := range f.tree.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			c.report(f.line(spec.Pos()), "import", "%s cannot be read", spec.Path.Value)
			continue
		}
		where := f.line(spec.Pos())
		if why, ok := forbidden()[p]; ok && f.home != "bench" && (p != "unsafe" || f.pkg != unsafePackage) {
			c.report(where, "forbidden-import", "%s: %s", p, why)
		}
		switch {
		case p == module || strings.HasPrefix(p, module+"/"):
			c.internal(f, where, inside(p))
		case strings.Contains(strings.Split(p, "/")[0], "."):
			c.foreign(f, where, p)
		default:
			c.standard(f, where, p)
		}
	}
	c.syntax(f)
}

// inside converts an import path of the module to a package path.
func inside(p string) string {
	if p == module {
		return "."
	}
	return strings.TrimPrefix(p, module+"/")
}

// internal checks an import of another package of the module.
func (c *checker) internal(f *source, where, to string) {
	if f.home != "" {
		c.nestedImport(f, where, to)
		return
	}
	r, listed := c.packages[f.pkg]
	if to == f.pkg { // an external test of the package
		return
	}
	if !listed && strings.HasPrefix(f.pkg, testPackages) {
		return
	}
	_, known := c.packages[to]
	if f.test && (below(to, testsMayImport()) || strings.HasPrefix(to, testPackages) && !known) {
		return
	}
	if !slices.Contains(r.imports, to) {
		c.report(where, "dependency", "%s must not import %s", f.pkg, to)
		return
	}
	if !f.test {
		c.used[f.pkg][to] = true
	}
}

// nestedImport checks what a nested module imports of this module.
func (c *checker) nestedImport(f *source, where, to string) {
	if below(to, []string{f.home}) {
		return
	}
	if slices.Contains(nested()[strings.Split(f.home, "/")[0]], to) {
		return
	}
	c.report(where, "dependency", "module %s must not import %s", f.home, to)
}

// foreign checks a third-party import. Nested modules are exempt.
func (c *checker) foreign(f *source, where, p string) {
	r, listed := c.packages[f.pkg]
	if f.home != "" || below(p, r.modules) || f.test && below(p, testModules()) {
		return
	}
	if !listed && strings.HasPrefix(f.pkg, testPackages) {
		return
	}
	c.report(where, "foreign-import", "%s must not import %s", f.pkg, p)
}

// standard checks an import of the standard library.
func (c *checker) standard(f *source, where, p string) {
	r, listed := c.packages[f.pkg]
	if !listed || f.test || f.home != "" {
		return
	}
	if f.core(r) && below(p, coreShuns()) {
		c.report(where, "core-import", "%s is of the core: it must not import %s", f.name, p)
	}
	if below(p, r.shuns) && !below(p, r.stdlib) {
		c.report(where, "shunned-import", "%s refuses to know %s", f.pkg, p)
	}
	if below(p, guarded()) && !below(p, r.stdlib) {
		c.report(where, "guarded-import", "%s must not import %s", f.pkg, p)
	}
}
