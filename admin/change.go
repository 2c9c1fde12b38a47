package admin

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/sessile/sessile"
)

// apiChange makes a change for a client of the API.
func (h *handler) apiChange(name string) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !deliberate(r) {
			return &refusal{http.StatusUnsupportedMediaType, "A change needs the header Content-Type: application/json or Sessile-Admin."}
		}
		t, err := apiTarget(r)
		if err != nil {
			return err
		}
		extend(w)
		out, err := h.perform(r.Context(), name, t)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, out)
	}
}

// deliberate reports whether a request has a header that no form of a page can send. A script of
// another origin needs the permission of a preflight for it, which this handler does not give.
func deliberate(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return kind == "application/json" || r.Header.Get("Sessile-Admin") != ""
}

// apiTarget reads the target from the path, the query and the body.
func apiTarget(r *http.Request) (t target, err error) {
	if id := r.PathValue("id"); id != "" {
		if t.id, err = sessile.ParseID(id); err != nil {
			return t, err
		}
	}
	if t.user = r.PathValue("user"); len(t.user) > maxFilter {
		return t, sessile.ErrInvalidUserID
	}
	if except := r.URL.Query().Get("except"); except != "" {
		if t.except, err = sessile.ParseID(except); err != nil {
			return t, err
		}
	}
	var body struct {
		Name string `json:"name"` // of a backup
		Path string `json:"path"` // of a backup
	}
	read := json.NewDecoder(r.Body)
	read.DisallowUnknownFields()
	err = read.Decode(&body)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return t, err
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return t, badRequest("The body is not the expected JSON.")
	}
	t.file, t.path = body.Name, body.Path
	return t, nil
}

// extend gives a change the time that it may take. Without it the server's write timeout would close
// the connection. A server that cannot extend it keeps its own.
func extend(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(actionTimeout + writeTimeout))
}
