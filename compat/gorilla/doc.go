// Package gorilla is a github.com/gorilla/sessions Store over Sessile's store. A program changes an
// import and a constructor:
//
//	store := gorilla.NewStore(sessions, "userID") // the key of the logged-in user's ID in Values
//	session, err := store.Get(r, "app")           // as before
//	session.Values["userID"] = user.ID
//	err = session.Save(r, w)
//
// The cookie holds a token, and the values stay in the store. Each name of a session is a cookie of
// its own, with the session's Options. Options.MaxAge below zero ends the session.
//
// # What is better
//
//   - A logout ends the session on the server. A copy of the cookie is worth nothing.
//   - Save writes the keys that changed, so parallel requests keep each other's keys.
//   - A change of the user's ID begins a new session with a new token (session fixation).
//   - The store can list and end the sessions of a user.
//
// # What a program changes
//
//   - Keys of Values must be strings, because the store keeps JSON.
//   - gob.Register becomes [Store.Register].
//   - NewStore has safe options: Secure, HttpOnly and SameSite=Lax. A program that sets its own
//     options should set HttpOnly, because whoever reads the token is logged in.
//   - Options.MaxAge is the idle timeout of a session that begins. It must not exceed the store's
//     MaxLifetime.
//
// docs/coming-from.md shows how users stay logged in during the move.
package gorilla
