package nodes

// barrierTests are about what holds at once, and not only after the lease.
func barrierTests() []test {
	return []test{
		{"after Barrier no node serves what was destroyed", 3, func(f *fixture) {
			a := f.nodes[0]
			id, token := f.login(a, "ann")
			for _, n := range f.nodes[1:] {
				f.trusts(n, token)
			}
			f.fault(f.nodes[1].silence)
			f.fault(f.nodes[2].cut)
			f.ok("Destroy", a.Destroy(f.Context(), id))
			f.ok("Barrier", a.Barrier(f.Context()))
			for _, n := range f.nodes[1:] {
				f.opens(n, token, false, "after Barrier")
			}
		}},
		{"Verify refuses at once what another node has destroyed", 2, func(f *fixture) {
			a, b := f.nodes[0], f.nodes[1]
			id, token := f.login(a, "ann")
			f.trusts(b, token)
			f.fault(b.silence)
			_, err := b.Verify(f.Context(), token)
			f.ok("Verify", err)
			f.ok("Destroy", a.Destroy(f.Context(), id))
			if _, err := b.Verify(f.Context(), token); err == nil {
				f.Fatal("it is verified, and was destroyed before")
			}
			f.opens(b, token, false, "after Verify has refused it")
		}},
	}
}
