package middleware

import (
	"net/http"

	"github.com/sessile/sessile"
	_ "github.com/sessile/sessile/internal/bridge"
	"github.com/sessile/sessile/persist" // want dependency
)
