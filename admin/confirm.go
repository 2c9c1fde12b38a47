package admin

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/sessile/sessile"
)

// confirmation is the text that a page shows before and after a change.
type confirmation struct {
	Title  string
	Text   string
	Button string
	Danger bool
	Word   string // must be typed
	done   func(outcome) string
}

// confirmations returns the text of every action.
func confirmations() map[string]confirmation {
	ended := func(o outcome) string { return sessions(o.Count) + " ended." }
	return map[string]confirmation{
		actRevoke: {
			Title: "Revoke this session", Button: "Revoke the session", Danger: true,
			Text: "The device is logged out at its next request. The session cannot come back.",
			done: func(o outcome) string {
				if o.Count == 0 {
					return "The session had ended already."
				}
				return "The session was revoked."
			},
		},
		actRevokeUser: {
			Title: "Log out this user", Button: "Log out the user", Danger: true,
			Text: "Every device of this user is logged out at its next request.",
			done: ended,
		},
		actRevokeAll: {
			Title: "Log out everybody", Button: "Log out everybody", Danger: true, Word: "everybody",
			Text: "Every session of every user and guest ends, yours included if it is in this store.",
			done: ended,
		},
		actCleanup: {
			Title: "Delete expired sessions", Button: "Delete them",
			Text: "The store does this by itself from time to time. Expired sessions are refused whether they are deleted or not.",
			done: func(o outcome) string { return "Expired and deleted: " + sessions(o.Count) + "." },
		},
		actSync: {
			Title: "Write everything to disk", Button: "Write",
			Text: "The store does this by itself in a moment. Afterwards everything up to now is on disk.",
			done: func(outcome) string { return "Everything is on disk." },
		},
		actBackup: {
			Title: "Make a backup", Button: "Make a backup",
			Text: "The server writes a consistent copy into its directory for backups.",
			done: func(o outcome) string { return "The backup " + o.File + " has " + size(o.Bytes) + "." },
		},
	}
}

func sessions(n int) string {
	if n == 1 {
		return "1 session"
	}
	return count(n) + " sessions"
}

// confirmBody is the input of the page before and after a change.
type confirmBody struct {
	confirmation
	Action           string
	ID, User, Except string
	Session          sessile.Session // to revoke; the zero Session if it has ended
	Fault            string          // why the form was refused
	Done             string          // what was done; "" before
	Back             string          // URL of the page to go on with
}

// confirmPage asks before a change.
func (h *handler) confirmPage(w http.ResponseWriter, r *http.Request) error {
	b, _, err := h.readForm(r, r.URL.Query())
	if err != nil {
		return err
	}
	return h.showConfirm(w, http.StatusOK, b)
}

// formChange makes the change that the page asked about. A form comes from a browser, which says from
// which origin: [http.CrossOriginProtection] decides then. It cannot decide about a request that says
// nothing, so that is refused.
func (h *handler) formChange(w http.ResponseWriter, r *http.Request) error {
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" {
		return &refusal{http.StatusForbidden, "A form needs a browser that sends Origin or Sec-Fetch-Site. Programs use the API."}
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	b, t, err := h.readForm(r, r.PostForm)
	if err != nil {
		return err
	}
	if r.PostForm.Get("word") != b.Word {
		b.Fault = "Type the word " + b.Word + " to confirm."
		return h.showConfirm(w, http.StatusUnprocessableEntity, b)
	}
	extend(w)
	out, err := h.perform(r.Context(), b.Action, t)
	if err != nil {
		return err
	}
	b.Done = b.done(out)
	return h.showConfirm(w, http.StatusOK, b)
}

func (h *handler) showConfirm(w http.ResponseWriter, status int, b confirmBody) error {
	return h.pages.Render(w, status, "confirm", view{Title: b.Title, Body: b})
}

// readForm reads the action and its target.
func (h *handler) readForm(r *http.Request, v url.Values) (confirmBody, target, error) {
	name := r.PathValue("action")
	text, known := confirmations()[name]
	if !known {
		return confirmBody{}, target{}, &refusal{http.StatusNotFound, "There is nothing at this address."}
	}
	if h.options.ReadOnly {
		return confirmBody{}, target{}, errReadOnly
	}
	b := confirmBody{confirmation: text, Action: name, ID: v.Get("id"), User: v.Get("user"), Except: v.Get("except"), Back: h.options.Prefix + "/"}
	if len(b.User) > maxFilter {
		return b, target{}, sessile.ErrInvalidUserID
	}
	t := target{user: b.User}
	var err error
	for _, id := range []struct {
		text string
		into *sessile.ID
	}{{b.ID, &t.id}, {b.Except, &t.except}} {
		if id.text == "" {
			continue
		}
		if *id.into, err = sessile.ParseID(id.text); err != nil {
			return b, t, err
		}
	}
	switch {
	case name == actRevoke && t.id.IsZero():
		return b, t, sessile.ErrInvalidID
	case name == actRevokeUser && t.user == "":
		return b, t, sessile.ErrInvalidUserID
	case name == actRevoke:
		// The page names the owner that the store knows, whatever the link says.
		if b.Session, err = h.store.Read(r.Context(), t.id); err != nil && !errors.Is(err, sessile.ErrNotFound) {
			return b, t, err
		}
		b.User = b.Session.UserID()
	}
	if !t.id.IsZero() || t.user != "" {
		b.Back = h.listURL(sessile.Query{UserID: b.User})
	}
	return b, t, nil
}
