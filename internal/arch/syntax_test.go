package arch

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// size checks the length of a file and of its functions.
func (c *checker) size(f *source) {
	if f.test {
		return
	}
	if f.size > maxFileLines {
		c.report(f.name, "file-length", "%d lines, %d are allowed", f.size, maxFileLines)
	}
	ast.Inspect(f.tree, func(n ast.Node) bool {
		fn, ok := n.(*ast.FuncDecl)
		if !ok {
			return true
		}
		first, last := f.fset.Position(fn.Pos()).Line, f.fset.Position(fn.End()).Line
		// In the conformance suite, one function may list all tests of a subject.
		if lines := last - first + 1; lines > maxFuncLines && f.pkg != "persist/persisttest" {
			c.report(f.line(fn.Pos()), "func-length", "%s has %d lines, %d are allowed", fn.Name.Name, lines, maxFuncLines)
		}
		return true
	})
}

// syntax checks the code of a package. In nested modules it only looks for sleeping tests.
func (c *checker) syntax(f *source) {
	r, listed := c.packages[f.pkg]
	if !listed && f.home == "" && !strings.HasPrefix(f.pkg, testPackages) {
		c.report(f.name, "unknown-package", "package %s is not in the rules", f.pkg)
	}
	allowed := rules{clock: true, locks: true, tokens: true}
	strict := listed && !f.test && f.home == ""
	if strict {
		allowed = r
	}
	for _, decl := range f.tree.Decls {
		w := &walker{checker: c, file: f, rules: allowed, strict: strict, loop: strict && f.core(allowed)}
		if fn, ok := decl.(*ast.FuncDecl); ok {
			w.function(fn)
		}
		ast.Walk(w, decl)
	}
}

// walker visits one declaration.
type walker struct {
	*checker
	file   *source
	rules  rules
	strict bool
	starts bool // may start goroutines
	loop   bool // belongs to the loop: must not wait or publish
}

func (w *walker) function(fn *ast.FuncDecl) {
	name := fn.Name.Name
	if of := receiver(fn); of != "" {
		name = of + "." + name
		w.loop = w.loop || of == w.rules.loop
	}
	w.loop = w.loop || w.rules.loop != "" && receiver(fn) != w.rules.shell && takes(fn, w.rules.loop)
	w.starts = slices.Contains(w.rules.starts, name) || slices.Contains(w.rules.starts, anywhere)
	if w.strict && !w.rules.registers && fn.Recv == nil && fn.Name.Name == "init" {
		w.fault(fn, "init", "what runs before main cannot be tested")
	}
}

func (w *walker) fault(n ast.Node, rule, format string, args ...any) {
	w.report(w.file.line(n.Pos()), rule, format, args...)
}

// Visit checks one node.
func (w *walker) Visit(n ast.Node) ast.Visitor {
	switch n := n.(type) {
	case *ast.GoStmt:
		w.start(n)
	case *ast.CallExpr:
		w.call(n)
	case *ast.SelectorExpr:
		w.selector(n)
		w.publishes(n, n.Sel.Name)
		ast.Walk(w, n.X)
		return nil // a selected name is not the package's own
	case *ast.Ident:
		if !w.rules.tokens && n.Name == "Token" {
			w.fault(n, "token", "Token does not occur below the root")
		}
		w.publishes(n, n.Name)
	case *ast.BasicLit:
		w.sql(n)
	case *ast.SendStmt, *ast.SelectStmt:
		w.wait(n)
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			w.wait(n)
		}
	}
	return w
}

func (w *walker) start(n ast.Node) {
	if w.strict && !w.starts {
		w.fault(n, "goroutine", "goroutines start in %v only", w.rules.starts)
	}
}

func (w *walker) wait(n ast.Node) {
	if w.loop {
		w.fault(n, "loop-waits", "methods of %s use no channel", w.rules.loop)
	}
}

// publishes finds stores that readers see while a step is still being decided.
func (w *walker) publishes(n ast.Node, name string) {
	if w.loop && slices.Contains(publishes(), name) {
		w.fault(n, "core-publishes", "%s: a step decides, and publish shows it", name)
	}
}

// call finds calls that start a goroutine without a go statement.
func (w *walker) call(n *ast.CallExpr) {
	if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "close" {
		w.wait(n)
	}
	sel, ok := n.Fun.(*ast.SelectorExpr)
	if !ok {
		return
	}
	if name := sel.Sel.Name; name == "Go" || name == "AfterFunc" {
		w.start(n)
	}
}

// selector finds clocks, sleeps, locks and contexts.
func (w *walker) selector(n *ast.SelectorExpr) {
	pkg, ok := n.X.(*ast.Ident)
	if !ok {
		return
	}
	name := n.Sel.Name
	switch {
	case pkg.Name == "time" && name == "Sleep" && (w.strict || w.file.test):
		w.fault(n, "sleep", "nothing waits for time to pass: testing/synctest, channels, timers")
	case pkg.Name == "time" && slices.Contains(readsClock(), name) && !w.rules.clock:
		w.fault(n, "clock", "time.%s: time is an argument here", name)
	case pkg.Name == "sync" && (name == "Mutex" || name == "RWMutex" || name == "Cond") && !w.rules.locks:
		w.fault(n, "lock", "sync.%s: one goroutine owns the state", name)
	case pkg.Name == "time" && w.loop && !slices.Contains(coreTime(), name) && !slices.Contains(readsClock(), name):
		w.fault(n, "loop-waits", "methods of %s use no time.%s", w.rules.loop, name)
	case pkg.Name == "context" && w.loop:
		w.fault(n, "loop-waits", "methods of %s use no context", w.rules.loop)
	}
}

// sqlClock finds SQL that reads the machine's time. upsert finds SQL that can bring a deleted row back.
var (
	sqlClock = regexp.MustCompile(`(?i)'now'|\bcurrent_(time|date|timestamp)\b|\b(unixepoch|strftime|julianday)\s*\(`)
	upsert   = regexp.MustCompile(`(?i)\bor\s+replace\b|\breplace\s+into\b|\bdo\s+update\b`)
)

func (w *walker) sql(n *ast.BasicLit) {
	if !w.rules.statics || n.Kind != token.STRING {
		return
	}
	if sqlClock.MatchString(n.Value) {
		w.fault(n, "sql-clock", "times are bound from Go (D29)")
	}
	if upsert.MatchString(n.Value) {
		w.fault(n, "upsert", "an upsert can bring a deleted session back (D3)")
	}
}

// receiver returns the receiver type of fn.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return ""
	}
	t := fn.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if index, ok := t.(*ast.IndexExpr); ok {
		t = index.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// takes reports whether fn has a parameter of type *of.
func takes(fn *ast.FuncDecl, of string) bool {
	return slices.ContainsFunc(fn.Type.Params.List, func(p *ast.Field) bool {
		star, ok := p.Type.(*ast.StarExpr)
		if !ok {
			return false
		}
		id, ok := star.X.(*ast.Ident)
		return ok && id.Name == of
	})
}
