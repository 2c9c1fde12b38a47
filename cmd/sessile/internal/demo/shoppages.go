package demo

import (
	"net/http"

	"github.com/sessile/sessile/middleware"
)

type homeBody struct {
	Products []product
	Cart     []line
	Total    string
}

func (a *App) home(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	c, err := cartOf(h)
	if err != nil {
		return err
	}
	b := homeBody{Products: products()}
	b.Cart, b.Total = c.lines()
	return a.show(w, r, h, "home", "Shop", b)
}

// addToCart is the first action that stores something for a guest. It creates the guest session.
func (a *App) addToCart(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	p, ok := findProduct(r.PostFormValue("item"))
	if !ok {
		return &refusal{http.StatusNotFound, "This product does not exist."}
	}
	c, err := cartOf(h)
	if err != nil {
		return err
	}
	if err := h.Set(keyCart, c.with(p.ID)); err != nil {
		return err
	}
	return a.changed(w, r, h, "/", p.Name+" is in the cart.")
}

func (a *App) emptyCart(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	if _, ok := h.Current(); ok {
		if err := h.Delete(keyCart); err != nil {
			return err
		}
		return a.changed(w, r, h, "/", "The cart is empty.")
	}
	lead(w, r, "/")
	return nil
}

func cartOf(h *middleware.Handle) (cart, error) {
	c, _, err := middleware.Get[cart](h, keyCart)
	return c, err
}
