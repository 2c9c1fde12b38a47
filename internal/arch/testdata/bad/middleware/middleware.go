package middleware

import (
	"net/http"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist" // want arrow
)
