package lin

import (
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// nodes is how many stores share a backend.
const nodes = 2

// The kinds of calls that only nodes make.
const (
	verify kind = iota + 100
	barrier
)

// nodeInput is one call on a node.
type nodeInput struct {
	kind    kind
	node    int
	session int
	token   int // read, verify: the presented token; rotate: the new one
	value   int // update: unique
}

// nodeOutput is its result.
type nodeOutput struct {
	outcome outcome
	data    data // read, verify
}

// data is what a session stores: the value of the latest update, and the latest value of each node.
type data struct {
	value int
	of    [nodes]int
}

// version is one state of the token of a session, or one of its data. A node may have an old token with new data, or the other
// way round, because an update does not depend on the token, nor a rotation on the data.
type version struct {
	token int
	data  data
	dead  bool
}

// shared is the specification of a session that nodes share, once for its token and once for its data. All changes are in one
// order. A node shows any version from its own latest change on. Verify shows the latest version. After a barrier every node
// shows what was the latest version, or a later one.
type shared struct {
	versions []version
	oldest   [nodes]int // the oldest version that each node may show
}

func (s shared) last() int { return len(s.versions) - 1 }

// step returns s after a call, unless its result is impossible.
func (s shared) step(in nodeInput, out nodeOutput) (bool, shared) {
	last := s.versions[s.last()]
	switch in.kind {
	case barrier:
		for n := range nodes {
			s.oldest[n] = s.last()
		}
		return true, s
	case read:
		return s.shows(s.oldest[in.node], in, out), s
	case verify:
		return s.shows(s.last(), in, out), s
	case update:
		last.data.value, last.data.of[in.node] = in.value, in.value
	case rotate:
		last.token = in.token
	}
	if out.outcome == unknown {
		if !last.dead {
			s.versions = append(slices.Clone(s.versions), last)
		}
		return true, s
	}
	if out.outcome == notFound || last.dead {
		return last.dead && (out.outcome == notFound || in.kind == destroy), s
	}
	last.dead = in.kind == destroy
	s.versions = append(slices.Clone(s.versions), last)
	s.oldest[in.node] = s.last()
	return true, s
}

// shows reports whether a version from the oldest on explains what a node shows. It looks a token up that it does not know, so
// that none is refused before it was issued.
func (s shared) shows(oldest int, in nodeInput, out nodeOutput) bool {
	opens := func(v version) bool { return !v.dead && v.token == in.token && v.data == out.data }
	for i, v := range s.versions {
		if out.outcome == notFound && opens(v) {
			oldest = max(oldest, i+1)
		}
	}
	return oldest < len(s.versions) && slices.ContainsFunc(s.versions[oldest:], func(v version) bool { return opens(v) == (out.outcome == done) })
}

// ofTokens returns the calls of a session that matter for its token, with what they say about it. A node may refuse a token
// because of a rotation or a destroy of its own that is not acknowledged. A rotation that a destroy overtakes answers that there
// is no session. It may have replaced the token before that, and nobody gets the new one.
func ofTokens(history []porcupine.Operation) (l []porcupine.Operation) {
	for _, op := range history {
		in, out := op.Input.(nodeInput), op.Output.(nodeOutput)
		overtaken := in.kind == rotate && out.outcome == notFound && destroyedDuring(history, op)
		unsaid := out.outcome == notFound && overlaps(history, op, func(by nodeInput) bool { return by.kind == rotate || by.kind == destroy })
		switch {
		case in.kind == update, out.outcome == nothing:
			continue
		case overtaken:
			op.Output, op.Return = nodeOutput{outcome: unknown}, never.Nanoseconds()
		case unsaid:
			continue
		default:
			op.Output = nodeOutput{outcome: out.outcome}
		}
		l = append(l, op)
	}
	return l
}

// ofData returns the calls of a session that matter for its data, with what they say about it. A node may show an update of its
// own that is not acknowledged, and may yet have to make it again.
func ofData(history []porcupine.Operation) (l []porcupine.Operation) {
	for _, op := range history {
		in, out := op.Input.(nodeInput), op.Output.(nodeOutput)
		switch {
		case in.kind == rotate, out.outcome == nothing:
			continue
		case (in.kind == read || in.kind == verify) &&
			(out.outcome == notFound || overlaps(history, op, func(by nodeInput) bool { return by.kind == update && by.value == out.data.value })):
			continue
		case in.kind == update && out.outcome == notFound && overlaps(history, op, func(by nodeInput) bool { return by.kind == destroy }):
			if !seen(history, in.value) { // the session was ended by the same node before it was done, or after
				continue
			}
			op.Output, op.Return = nodeOutput{}, never.Nanoseconds()
		}
		in.token = 0
		op.Input = in
		l = append(l, op)
	}
	return l
}

// destroyedDuring reports whether any node destroyed the session while op ran.
func destroyedDuring(history []porcupine.Operation, op porcupine.Operation) bool {
	return slices.ContainsFunc(history, func(by porcupine.Operation) bool {
		return by.Input.(nodeInput).kind == destroy && by.Call < op.Return && op.Call < by.Return
	})
}

// overlaps reports whether op ran at the same time as another call on the same node, of those that are chosen.
func overlaps(history []porcupine.Operation, op porcupine.Operation, chosen func(nodeInput) bool) bool {
	return slices.ContainsFunc(history, func(other porcupine.Operation) bool {
		by := other.Input.(nodeInput)
		return by.node == op.Input.(nodeInput).node && other.Call != op.Call && other.Call < op.Return && op.Call < other.Return && chosen(by)
	})
}

// seen reports whether a read has shown the value of an update.
func seen(history []porcupine.Operation, value int) bool {
	return slices.ContainsFunc(history, func(op porcupine.Operation) bool {
		d := op.Output.(nodeOutput).data
		return d.value == value || slices.Contains(d.of[:], value)
	})
}

// checkNodes looks for an order that explains a history, of each session and separately for its token and its data. Barriers are
// in all of them.
func checkNodes(history []porcupine.Operation) porcupine.CheckResult {
	for session := range nodeSessions {
		part := slices.DeleteFunc(slices.Clone(history), func(op porcupine.Operation) bool {
			in := op.Input.(nodeInput)
			return in.session != session && in.kind != barrier
		})
		if r := porcupine.CheckOperationsTimeout(nodeModel(session), ofTokens(part), time.Minute); r != porcupine.Ok {
			return r
		}
		if r := porcupine.CheckOperationsTimeout(nodeModel(0), ofData(part), time.Minute); r != porcupine.Ok {
			return r
		}
	}
	return porcupine.Ok
}

// nodeModel is the specification of a session with its first token.
func nodeModel(first int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return shared{versions: []version{{token: first}}} },
		Step: func(state, in, out any) (bool, any) {
			return state.(shared).step(in.(nodeInput), out.(nodeOutput))
		},
		Equal: func(a, b any) bool {
			x, y := a.(shared), b.(shared)
			return x.oldest == y.oldest && slices.Equal(x.versions, y.versions)
		},
	}
}
