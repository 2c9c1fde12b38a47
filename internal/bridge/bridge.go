// Package bridge gives package middleware what a store has for it alone: accesses that are
// announced to a client, events of its own, and facts about the token of a request. An
// application must not have them: it could forge an event.
//
// Go has no friend packages, and an exported method would be in the API of everybody. So
// sessile.Store embeds a Holder under an unexported name. The only method of a Holder is
// unexported: nothing but Of can call it, and only this module can import Of. A function
// variable that the root sets would do too, but it would need an init function.
package bridge

// Holder holds the calls that a store has for the middleware.
type Holder struct{ calls any }

// Hold returns a Holder of calls.
func Hold(calls any) Holder { return Holder{calls} }

func (h Holder) held() any { return h.calls }

// Of returns the calls of a store. The caller declares the interface that it needs of them.
func Of(store interface{ held() any }) any { return store.held() }

// Found is what a lookup finds out beside the session.
type Found struct {
	// TouchDue: the last access is Config.TouchInterval ago, or half of the session's TTL.
	TouchDue bool
	// AnnounceDue: the same is true of the last access that was announced to the client.
	AnnounceDue bool
	// SuccessorLost: the token was replaced, and for a minute nobody has presented its
	// successor. The response that carried the successor must have been lost. Then a
	// rotation From this token, with a grace, replaces the successor.
	SuccessorLost bool
}
