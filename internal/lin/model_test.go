package lin

import "github.com/anishathalye/porcupine"

// kind is the kind of a call.
type kind uint8

const (
	create kind = iota
	read
	update // durable
	flush  // write-behind
	rotate
	destroy
	destroyAll
	expire // no client calls these two: a session expires,
	crash  // and the memory of every user is lost at once
)

// input is one call. Tokens are numbered over the whole history.
type input struct {
	kind    kind
	user    int
	session int // index among the user's sessions
	token   int // read: the presented token; create, rotate: the new token
	value   int // update, flush
	ends    int // create: index of the replaced session plus one, 0 = none
}

// outcome is the result of a call.
type outcome uint8

const (
	done     outcome = iota
	notFound         // no session has the token or the ID
	unknown          // may be done, now or later
	nothing          // certainly not done
)

type output struct {
	outcome outcome
	value   int // read
}

// Sessions of each user: those from the beginning, and one that is created during the history and expires
// soon.
const (
	lasting = 2
	perUser = lasting + 1
)

// nobody is the token of a session that nobody can open any more.
const nobody = -1

// session is the expected state of a session.
type session struct {
	dead  bool
	token int
	value int
}

// account is the sessions of one user in two states: as calls see them, and as a crash would leave them.
// The two differ after a write-behind change, and after a call whose caller gave up before the change was
// on disk.
type account struct{ seen, kept [perUser]session }

// begin returns the initial account of a user. Tokens are numbered in the order of creation.
func begin(user int) account {
	var a account
	for i := range lasting {
		a.seen[i].token = user*lasting + i
	}
	a.seen[lasting].dead = true
	a.kept = a.seen
	return a
}

// after returns the possible accounts after a call with its outcome. It returns none if the outcome is
// impossible.
func after(a account, in input, out output) []account {
	s := a.seen[in.session]
	switch {
	case in.kind == crash:
		return []account{{a.kept, a.kept}}
	case out.outcome == nothing || in.kind == read && out.outcome == unknown:
		return []account{a}
	case in.kind == read:
		return only(a, (out.outcome == done) == (!s.dead && s.token == in.token) && (out.outcome != done || s.value == out.value))
	case in.kind == update && out.outcome == notFound && !s.dead:
		return changed(a, in) // readers saw it, and the session ended before it was on disk
	case in.kind == rotate && out.outcome == notFound && s.dead && !a.kept[in.session].dead:
		lost := a // the session ended before it was on disk, and nobody gets the token
		lost.kept[in.session].token = nobody
		return []account{a, lost}
	case (in.kind == update || in.kind == flush || in.kind == rotate) && out.outcome == notFound:
		return only(a, s.dead)
	case out.outcome == unknown || in.kind == flush:
		return given(a, in, out.outcome)
	default:
		return changed(a, in)
	}
}

func only(a account, possible bool) []account {
	if !possible {
		return nil
	}
	return []account{a}
}

// changed returns the account after a change that is on disk.
func changed(a account, in input) []account {
	if a.seen[in.session].dead && (in.kind == update || in.kind == flush || in.kind == rotate) {
		return nil
	}
	change(&a.seen, in)
	change(&a.kept, in)
	return []account{a}
}

// given returns the possible accounts after a change that may not be on disk yet: changed; changed until
// the next crash; and if the caller gave up, unchanged. Nobody gets the token of such a rotation.
func given(a account, in input, out outcome) []account {
	if in.kind == rotate {
		in.token = nobody
	}
	both := changed(a, in)
	if both == nil {
		return only(a, out == unknown)
	}
	may := []account{both[0], {both[0].seen, a.kept}}
	if out == unknown {
		may = append(may, a)
	}
	return may
}

// change applies a change. It clears an ended session, whose content no longer matters.
func change(sessions *[perUser]session, in input) {
	s := &sessions[in.session]
	switch {
	case in.kind == create:
		*s = session{token: in.token}
		if in.ends > 0 {
			sessions[in.ends-1] = session{dead: true}
		}
	case in.kind == destroyAll:
		for i := range sessions {
			sessions[i] = session{dead: true}
		}
	case in.kind == destroy, in.kind == expire:
		*s = session{dead: true}
	case s.dead:
	case in.kind == update, in.kind == flush:
		s.value = in.value
	case in.kind == rotate:
		s.token = in.token
	}
}

// model is the specification that histories are checked against, separately per user.
func model() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			users := make(map[int][]porcupine.Operation)
			for _, op := range history {
				u := op.Input.(input).user
				users[u] = append(users[u], op)
			}
			var parts [][]porcupine.Operation
			for _, ops := range users {
				parts = append(parts, ops)
			}
			return parts
		},
		Init: func() []any { return []any{nil} },
		Step: func(state, in, out any) (next []any) {
			call := in.(input)
			a, ok := state.(account)
			if !ok {
				a = begin(call.user)
			}
			for _, x := range after(a, call, out.(output)) {
				next = append(next, x)
			}
			return next
		},
	}
	return m.ToModel()
}
