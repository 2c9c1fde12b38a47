package middleware

import (
	"net/http"

	"github.com/sessile/sessile"
	_ "github.com/sessile/sessile/internal/bridge"
	_ "github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist" // want dependency
)
