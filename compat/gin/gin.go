// Package gin is a Store for github.com/gin-contrib/sessions over Sessile's store. A program changes
// an import and a constructor:
//
//	store := gin.NewStore(sessionStore, "userID") // the key of the logged-in user's ID
//	router.Use(sessions.Sessions("app", store))   // as before
//
// It is package compat/gorilla with the options of gin-contrib. What that package says holds here.
// Import it under another name if the file imports gin itself.
package gin

import (
	"github.com/gin-contrib/sessions"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/compat/gorilla"
)

// Store is a gorilla Store with the Options method of gin-contrib.
type Store struct{ *gorilla.Store }

// NewStore returns a Store over store. See [gorilla.NewStore].
func NewStore(store *sessile.Store, userKey string) Store {
	return Store{gorilla.NewStore(store, userKey)}
}

// Options sets the options of new sessions. Set HttpOnly, because whoever reads the token is logged
// in.
func (s Store) Options(o sessions.Options) { s.Store.Options = o.ToGorillaOptions() }
