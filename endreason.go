package sessile

// EndReason says why a session has ended. It is in [Event].Reason of the events [EventDestroyed],
// [EventExpired] and [EventEvicted], and [Store.EndReason] returns it. Whoever ends a session may
// give a text of his own, up to 128 bytes.
type EndReason string

// The reasons that the store and the middleware give. The text is stable.
const (
	EndLoggedOut           EndReason = "logged out"                   // Destroy, by default
	EndLoggedOutElsewhere  EndReason = "logged out elsewhere"         // the calls about one user's sessions, by default
	EndRevoked             EndReason = "revoked by an administrator"  // DestroyAll, by default
	EndReplaced            EndReason = "replaced by a login"          // of the same user
	EndEvicted             EndReason = "evicted by the session limit" // Config.MaxSessionsPerUser, or that of guests
	EndIdle                EndReason = "expired idle"                 // it was not used for its idle timeout
	EndAbsolute            EndReason = "expired absolute"             // its absolute timeout is over
	EndExpired             EndReason = "expired"                      // one of these two; the clean-up found it on disk
	EndTokenReused         EndReason = "token reused"                 // somebody may have a copy of its token
	EndFingerprintMismatch EndReason = "fingerprint mismatch"         // its token came from another kind of browser
	EndTokenLost           EndReason = "its token is lost"            // nobody has its token, for example because a login failed half way
	EndUnreadable          EndReason = "unreadable"                   // its stored data is damaged
	EndElsewhere           EndReason = "ended elsewhere"              // another node has ended it, or its row was removed
)

// maxReason limits an EndReason, in bytes.
const maxReason = 128

// EndReason returns why a session has ended, for example after the channel of [Store.Done] was
// closed. The store remembers about the last 4,000 ends in this process. It returns "" for other
// sessions: those that are active, unknown, or ended too long ago. It does no I/O.
func (s *Store) EndReason(id ID) EndReason { return EndReason(s.actor.EndOf([16]byte(id))) }

// reasonOf returns the first of the given reasons, or the default.
func reasonOf(given []EndReason, byDefault EndReason) string {
	for _, r := range given {
		if r != "" {
			return clip(string(r), maxReason)
		}
	}
	return string(byDefault)
}
