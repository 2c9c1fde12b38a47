package lin

import "github.com/anishathalye/porcupine"

// kind is what a client calls.
type kind uint8

const (
	create kind = iota
	read
	update // durable
	flush  // written behind
	rotate
	destroy
	destroyAll
	expire // nobody calls these two: a session's lifetime ends,
	crash  // and every user's memory is lost at once
)

// input is one call. Tokens are numbered over the whole history.
type input struct {
	kind    kind
	user    int
	session int // of the user
	token   int // read: which is presented; create, rotate: the number of the new one
	value   int // update, flush
	ends    int // create: one more than the session that it replaces, 0 = none
}

// outcome is how a call ended.
type outcome uint8

const (
	done     outcome = iota
	notFound         // the session or token opens nothing
	unknown          // it may have been done, or may yet be
	nothing          // it was surely not done
)

type output struct {
	outcome outcome
	value   int // read
}

// Sessions of each user: those from the beginning, and one that is created meanwhile
// and soon expires.
const (
	lasting = 2
	perUser = lasting + 1
)

// nobody is the token of a session that nobody can open any more.
const nobody = -1

// session is what a session must be.
type session struct {
	dead  bool
	token int
	value int
}

// account is the sessions of one user, as calls see them, and as a crash leaves
// them. They differ after what is written behind, and after a call whose caller gave
// up before the change was on disk.
type account struct{ seen, kept [perUser]session }

// begin is the account of a user at the beginning: tokens are numbered as they were created.
func begin(user int) account {
	var a account
	for i := range lasting {
		a.seen[i].token = user*lasting + i
	}
	a.seen[lasting].dead = true
	a.kept = a.seen
	return a
}

// after is what an account may be after a call with its outcome; none if the call
// cannot have ended so.
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
		return changed(a, in) // it was there for readers, and its session ended before it was on disk
	case in.kind == rotate && out.outcome == notFound && s.dead && !a.kept[in.session].dead:
		lost := a // it was on its way to the disk when its session ended: nobody gets the token
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

// changed is an account after a change that is on disk.
func changed(a account, in input) []account {
	if a.seen[in.session].dead && (in.kind == update || in.kind == flush || in.kind == rotate) {
		return nil
	}
	change(&a.seen, in)
	change(&a.kept, in)
	return []account{a}
}

// given is what an account may be after a change that may not be on disk yet: changed,
// changed until the next crash, and if its caller gave up also not changed. Nobody gets
// the token of such a rotation.
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

// change forgets what a dead session had: it makes no difference any more.
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

// model is the store that the histories are held against, user by user.
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
