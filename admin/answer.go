package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sessile/sessile"
)

// endpoint answers a request, or returns an error that answer turns into a response.
type endpoint func(http.ResponseWriter, *http.Request) error

// refusal is an error with its own status and text.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return e.text }

func badRequest(format string, args ...any) error {
	return &refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func (h *handler) answer(do endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := do(w, r); err != nil {
			h.fail(w, r, err)
		}
	})
}

// fail responds with an error: as JSON under api/, and as a page elsewhere.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, text := explain(err)
	if status >= http.StatusInternalServerError {
		h.log.Error("admin request failed", "method", r.Method, "path", loggable(r), "error", err)
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	if strings.HasPrefix(r.URL.Path, h.options.Prefix+"/api/") {
		_ = writeJSON(w, status, map[string]string{"error": text}) // the client has disconnected
		return
	}
	if err := h.pages.Render(w, status, "error", view{Title: http.StatusText(status), Body: text}); err != nil {
		h.log.Debug("sending the error page failed", "error", err)
	}
}

// loggable returns the path of a request, cut to 200 bytes: those who are refused choose it too.
func loggable(r *http.Request) string {
	path := r.URL.Path
	if len(path) > 200 {
		path = path[:200]
	}
	return strings.ToValidUTF8(path, "")
}

// explain returns the status of an error, and a text without secrets.
func explain(err error) (int, string) {
	if own, ok := errors.AsType[*refusal](err); ok {
		return own.status, own.text
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("The body is too large (limit %d bytes).", maxBody)
	}
	switch {
	case errors.Is(err, sessile.ErrNotDurable):
		return http.StatusServiceUnavailable, "The sessions are refused from now on, but the disk has not stored their end yet. The store keeps trying."
	case errors.Is(err, sessile.ErrNotFound):
		return http.StatusNotFound, "This session does not exist."
	case errors.Is(err, sessile.ErrInvalidID), errors.Is(err, sessile.ErrInvalidUserID):
		return http.StatusBadRequest, capital(err)
	case errors.Is(err, sessile.ErrInvalidQuery):
		return http.StatusBadRequest, "This search is invalid: a filter is not valid text or is too long, or the page belongs to another search."
	case errors.Is(err, errors.ErrUnsupported):
		return http.StatusNotImplemented, "The backend cannot do this. Use the tools of the database."
	case errors.Is(err, fs.ErrExist):
		return http.StatusConflict, "This file exists already."
	case errors.Is(err, sessile.ErrClosed):
		return http.StatusServiceUnavailable, "The store is closed."
	case errors.Is(err, sessile.ErrOverloaded):
		return http.StatusServiceUnavailable, "The store is overloaded. Nothing was done."
	case errors.Is(err, sessile.ErrUnknown):
		return http.StatusServiceUnavailable, "The write failed, and may or may not be on disk."
	case errors.Is(err, sessile.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable, "The storage did not answer."
	case errors.Is(err, sessile.ErrCorrupt):
		return http.StatusInternalServerError, "This session is stored but cannot be read."
	default:
		return http.StatusInternalServerError, "Something went wrong. The log of the server has the reason."
	}
}

// capital returns the text of an error as a sentence.
func capital(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	raw, err := encode(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := w.Write(append(raw, '\n')); err != nil { //nolint:gosec // G705: JSON, with nosniff
		return fmt.Errorf("sending JSON: %w", err)
	}
	return nil
}

// encode returns the JSON of v. It escapes every character that could control a terminal or hide
// text there (CWE-150). Package json leaves DEL, C1 and bidirectional controls as they are.
func encode(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding the answer: %w", err)
	}
	out := make([]byte, 0, len(raw)+1)
	for len(raw) > 0 {
		c, size := utf8.DecodeRune(raw)
		switch {
		case unicode.IsGraphic(c):
			out = append(out, raw[:size]...)
		case c > 0xffff:
			high, low := utf16.EncodeRune(c)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, c)
		}
		raw = raw[size:]
	}
	return out, nil
}
